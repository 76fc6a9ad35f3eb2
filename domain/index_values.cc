#include "domain/index_values.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "domain/field_traits.h"
#include "domain/field_values.h"
#include "fmt/format.h"
#include "google/protobuf/timestamp.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Timestamp;

// Behind the digits of another spelling; before every digit.
constexpr char kOtherSpelling = '\x01';
// Two spellings of one number end alike for at least so long.
constexpr size_t kSameEnd = 4;

[[noreturn]] void AbortOn(const IndexDeclaration& index, const Message& resource,
                          std::string_view what) {
  fmt::print(stderr, "index {} of {}: {}\n", index.name, resource.GetDescriptor()->full_name(),
             what);
  std::abort();
}

// Appends the values of one scalar.
class Collector {
 public:
  Collector(const IndexDeclaration& index, const Message& resource)
      : index_(index), resource_(resource) {}

  void Add(const FieldDescriptor& field, const Scalar& scalar) {
    if (const auto* text = std::get_if<std::string_view>(&scalar)) {
      if (!text->empty()) {
        AddText(*text);
      }
    } else if (const auto* message = std::get_if<const Message*>(&scalar)) {
      AddMessage(**message);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      AddEnum(field, std::get<int64_t>(scalar));
    } else if (const auto* number = std::get_if<int64_t>(&scalar)) {
      AddNumber(*number);
    } else if (const auto* natural = std::get_if<uint64_t>(&scalar)) {
      AddNumber(static_cast<int64_t>(std::min<uint64_t>(*natural, INT64_MAX)));
    } else {
      AbortOn(index_, resource_, "a field of this type cannot be indexed");
    }
  }

  std::vector<std::string> Result() && {
    if (index_.normaliser == Normaliser::kNameWords) {
      return SearchWords(text_);
    }
    if (values_.size() > 1) {
      std::sort(values_.begin(), values_.end());
      values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
    }
    return std::move(values_);
  }

 private:
  void AddText(std::string_view text) {
    switch (index_.normaliser) {
      case Normaliser::kExact:
        values_.emplace_back(text);
        return;
      case Normaliser::kCaseless:
        return Keep(FoldCaseless(text));
      case Normaliser::kSortName:
        return Keep(FoldForSort(text));
      case Normaliser::kPhone:
        return Keep(PhoneDigits(text));
      case Normaliser::kNameWords:
        // All fields together, so that the bound holds for the entity.
        if (!text_.empty()) {
          text_ += '\n';
        }
        text_ += text;
        return;
      case Normaliser::kNumber:
      case Normaliser::kTime:
        AbortOn(index_, resource_, "text is no number");
    }
  }

  void AddMessage(const Message& message) {
    if (message.GetDescriptor() == v1::Phone::descriptor()) {
      for (std::string& value : PhoneValues(static_cast<const v1::Phone&>(message))) {
        Keep(std::move(value));
      }
    } else if (message.GetDescriptor() == Timestamp::descriptor()) {
      const auto& time = static_cast<const Timestamp&>(message);
      values_.push_back(EncodeNumber(time.seconds() * 1'000'000 + time.nanos() / 1'000));
    } else {
      AbortOn(index_, resource_, "a message of this type cannot be indexed");
    }
  }

  void AddEnum(const FieldDescriptor& field, int64_t number) {
    const auto* value = field.enum_type()->FindValueByNumber(static_cast<int>(number));
    if (number != 0 && value != nullptr) {
      AddText(value->name());
    }
  }

  void AddNumber(int64_t number) {
    if (index_.normaliser == Normaliser::kNumber) {
      values_.push_back(EncodeNumber(number));
    } else {
      AddText(std::to_string(number));
    }
  }

  void Keep(std::string value) {
    if (!value.empty()) {
      values_.push_back(std::move(value));
    }
  }

  const IndexDeclaration& index_;
  const Message& resource_;
  std::vector<std::string> values_;
  std::string text_;
};

// Hands every value at `path` to the collector.
void Extract(const IndexDeclaration& index, const Message& message, std::string_view path,
             Collector& collector) {
  const size_t dot = path.find('.');
  const FieldDescriptor* field = FieldNamed(*message.GetDescriptor(), path.substr(0, dot));
  if (field == nullptr || field->is_map()) {
    AbortOn(index, message, fmt::format("no field {} to index", path));
  }
  const Reflection& reflection = *message.GetReflection();
  const bool last = dot == std::string_view::npos;
  const auto visit = [&](const Scalar& scalar) {
    if (last) {
      collector.Add(*field, scalar);
    } else if (const auto* inner = std::get_if<const Message*>(&scalar)) {
      Extract(index, **inner, path.substr(dot + 1), collector);
    } else {
      AbortOn(index, message, fmt::format("{} goes into a scalar", path));
    }
  };
  if (field->is_repeated()) {
    const int size = reflection.FieldSize(message, field);
    for (int i = 0; i < size; ++i) {
      visit(ElementOf(message, *field, i));
    }
  } else if (reflection.HasField(message, field)) {
    visit(ScalarOf(message, *field));
  }
}

}  // namespace

std::vector<std::string> IndexValues(const IndexDeclaration& index, const Message& resource) {
  Collector collector(index, resource);
  for (const std::string& path : index.fields) {
    Extract(index, resource, path, collector);
  }
  return std::move(collector).Result();
}

std::string EncodeNumber(int64_t number) {
  // With the sign bit turned over, big-endian bytes order as the numbers do.
  uint64_t bits = static_cast<uint64_t>(number) ^ (uint64_t{1} << 63);
  std::string bytes(8, '\0');
  for (size_t i = 8; i-- > 0; bits >>= 8) {
    bytes[i] = static_cast<char>(bits & 0xff);
  }
  return bytes;
}

int64_t DecodeNumber(std::string_view bytes) {
  if (bytes.size() != 8) {
    return 0;
  }
  uint64_t bits = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
  }
  return static_cast<int64_t>(bits ^ (uint64_t{1} << 63));
}

std::vector<std::string> PhoneValues(const v1::Phone& phone) {
  std::string typed = PhoneDigits(phone.raw());
  if (phone.e164().empty()) {
    return {std::move(typed)};
  }
  std::string number = PhoneDigits(phone.e164());
  // Of 1-800-FLOWERS the digits typed are another number.
  const bool spells = typed.size() >= kSameEnd && number.size() >= kSameEnd &&
                      number.ends_with(std::string_view(typed).substr(typed.size() - kSameEnd));
  if (!spells || typed == number) {
    return {std::move(number)};
  }
  return {std::move(number), std::move(typed) + kOtherSpelling};
}

bool IsOtherSpelling(std::string_view phone_value) { return phone_value.ends_with(kOtherSpelling); }

std::string AfterPhoneDigits(std::string_view digits) {
  return AfterPrefix(std::string(digits) + kOtherSpelling);
}

std::string AfterPrefix(std::string_view prefix) {
  std::string after(prefix);
  while (!after.empty() && after.back() == '\xff') {
    after.pop_back();
  }
  if (!after.empty()) {
    after.back() = static_cast<char>(static_cast<unsigned char>(after.back()) + 1);
  }
  return after;
}

}  // namespace retrace::domain
