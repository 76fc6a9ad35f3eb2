#include "server/malformed.h"

#include <fmt/format.h>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/stubs/common.h"
#include "google/protobuf/wire_format_lite.h"

namespace retrace::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

constexpr int kMaxDepth = 100;

// Walks one message; its position is counted from the start of the request.
class Walk {
 public:
  Walk(std::string_view bytes, size_t offset)
      : bytes_(bytes),
        offset_(offset),
        stream_(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size())) {}

  std::optional<Fault> Message(const Descriptor& type, const std::string& path, int depth) {
    if (depth > kMaxDepth) {
      return Fault{path, fmt::format("messages nest more than {} deep", kMaxDepth)};
    }
    while (stream_.CurrentPosition() < static_cast<int>(bytes_.size())) {
      const uint32_t tag = stream_.ReadTag();
      if (tag == 0 || WireFormatLite::GetTagFieldNumber(tag) == 0) {
        return Broken(path, "no field begins here");
      }
      const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
      if (std::optional<Fault> fault = Field(tag, field, Below(path, field), depth)) {
        return fault;
      }
    }
    return std::nullopt;
  }

 private:
  static std::string Below(const std::string& path, const FieldDescriptor* field) {
    if (field == nullptr) {
      return path;
    }
    return path.empty() ? field->name() : path + "." + field->name();
  }

  std::optional<Fault> Broken(const std::string& path, std::string_view what) const {
    return Fault{path, fmt::format("at byte {}: {}", offset_ + stream_.CurrentPosition(), what)};
  }

  std::optional<Fault> Field(uint32_t tag, const FieldDescriptor* field, const std::string& path,
                             int depth) {
    uint64_t number = 0;
    uint32_t fixed = 0;
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_VARINT:
        return stream_.ReadVarint64(&number) ? std::nullopt : Broken(path, "a number is cut off");
      case WireFormatLite::WIRETYPE_FIXED64:
        return stream_.ReadLittleEndian64(&number) ? std::nullopt
                                                   : Broken(path, "a number is cut off");
      case WireFormatLite::WIRETYPE_FIXED32:
        return stream_.ReadLittleEndian32(&fixed) ? std::nullopt
                                                  : Broken(path, "a number is cut off");
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return Delimited(field, path, depth);
      default:
        return Broken(path, "a group, or an unknown type of field");
    }
  }

  std::optional<Fault> Delimited(const FieldDescriptor* field, const std::string& path, int depth) {
    uint32_t size = 0;
    if (!stream_.ReadVarint32(&size)) {
      return Broken(path, "a length is cut off");
    }
    const size_t begin = static_cast<size_t>(stream_.CurrentPosition());
    if (size > bytes_.size() - begin) {
      return Broken(
          path, fmt::format("{} bytes are announced, {} are there", size, bytes_.size() - begin));
    }
    const std::string_view content = bytes_.substr(begin, size);
    stream_.Skip(static_cast<int>(size));
    if (field == nullptr) {
      return std::nullopt;
    }
    if (field->type() == FieldDescriptor::TYPE_STRING &&
        !google::protobuf::internal::IsStructurallyValidUTF8(content.data(),
                                                             static_cast<int>(content.size()))) {
      return Fault{path, "the text is not valid UTF-8"};
    }
    if (field->type() == FieldDescriptor::TYPE_MESSAGE) {
      return Walk(content, offset_ + begin).Message(*field->message_type(), path, depth + 1);
    }
    return std::nullopt;
  }

  const std::string_view bytes_;
  const size_t offset_;
  google::protobuf::io::CodedInputStream stream_;
};

}  // namespace

std::optional<Fault> FindFault(const Descriptor& type, std::string_view bytes) {
  return Walk(bytes, 0).Message(type, "", 1);
}

}  // namespace retrace::server
