#include "clients/cli/import/import_row.h"

#include <openssl/sha.h>
#include <unicode/translit.h>
#include <unicode/unistr.h>

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/columns.h"
#include "clients/cli/reflection.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace retrace::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsReference(const std::string& path) {
  return path == "customer" || path == "owner" || path == "lead";
}

// A second column for one line of text is put behind the first.
bool Appends(const Message& entity, const std::string& path) {
  const FieldDescriptor* field = FieldOf(entity, path);
  return field != nullptr && !field->is_repeated() &&
         field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && path != "external_id" &&
         !GetText(entity, path).empty();
}

}  // namespace

RowReader::RowReader(std::unique_ptr<Message> prototype, std::vector<ColumnTarget> targets,
                     ValueRules rules, std::vector<std::string> header)
    : prototype_(std::move(prototype)),
      targets_(std::move(targets)),
      rules_(std::move(rules)),
      header_(std::move(header)) {
  for (const ColumnTarget& target : targets_) {
    if (target.path == "id") continue;
    fields_.insert(MaskPath(target.path));
    if (absl::StartsWith(target.path, "attributes.")) {
      attributes_.insert(target.path.substr(sizeof("attributes.") - 1));
    }
  }
}

ImportRow RowReader::Read(const CsvRecord& record) const {
  ImportRow row{.line = record.line, .fault = record.fault};
  if (!row.fault.empty()) return row;
  row.entity.reset(prototype_->New());
  row.entity->CopyFrom(*prototype_);
  for (const ColumnTarget& target : targets_) {
    const std::string cell(absl::StripAsciiWhitespace(record.cells[target.column]));
    if (!cell.empty()) ReadCell(target, cell, row);
    if (!row.fault.empty()) break;
  }
  return row;
}

void RowReader::ReadCell(const ColumnTarget& target, const std::string& cell,
                         ImportRow& row) const {
  if (target.path == "id") {
    row.key = cell;
    return;
  }
  if (IsReference(target.path)) {
    row.references[target.path] = cell;
    return;
  }
  absl::Status status;
  if (Appends(*row.entity, target.path)) {
    SetText(*row.entity, target.path, absl::StrCat(GetText(*row.entity, target.path), ", ", cell));
  } else {
    status = SetField(*row.entity, target.path, cell, rules_);
  }
  if (!status.ok()) {
    row.fault = absl::StrCat("column `", header_[target.column], "`: ", status.message());
  }
}

std::string ContentHash(const Message& entity) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    entity.SerializeToCodedStream(&coded);
  }
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), digest.data());
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size() / 2));
}

std::string SlugOf(const std::string& name) {
  UErrorCode error = U_ZERO_ERROR;
  static const icu::Transliterator* const kLatin = [&error] {
    return icu::Transliterator::createInstance("Any-Latin; Latin-ASCII; Lower()", UTRANS_FORWARD,
                                               error);
  }();
  icu::UnicodeString text = icu::UnicodeString::fromUTF8(name);
  if (kLatin != nullptr) kLatin->transliterate(text);
  std::string latin;
  text.toUTF8String(latin);
  std::string slug;
  for (const char c : latin) {
    if (absl::ascii_isalnum(c)) {
      slug += absl::ascii_tolower(c);
    } else if (c != '\'' && !slug.empty() && slug.back() != '-') {
      slug += '-';
    }
  }
  constexpr size_t kLongest = 63;
  slug = slug.substr(0, kLongest);
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  // An id begins with a letter.
  const size_t letter = slug.find_first_of("abcdefghijklmnopqrstuvwxyz");
  return letter == slug.npos ? "" : slug.substr(letter);
}

}  // namespace retrace::cli
