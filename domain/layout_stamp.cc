// The stamp of everything that determines the bytes of rows.
#include <array>
#include <cstdint>
#include <set>
#include <string>

#include "domain/index_values.h"
#include "domain/kind.h"
#include "fmt/format.h"
#include "google/protobuf/descriptor.h"
#include "unicode/uvernum.h"
#include "unicode/uversion.h"

namespace retrace::domain {
namespace {

using google::protobuf::Descriptor;

// Rises when apply or projection come to other bytes from the same events without a declaration
// that shows it.
constexpr int kProjectionNumber = 3;

// Appends the definitions of the type and of all that it holds, each once.
void Describe(const Descriptor& type, std::set<const Descriptor*>& seen, std::string& text) {
  if (!seen.insert(&type).second) {
    return;
  }
  text += type.full_name() + " " + type.DebugString();
  for (int i = 0; i < type.field_count(); ++i) {
    if (const Descriptor* held = type.field(i)->message_type()) {
      Describe(*held, seen, text);
    }
  }
}

std::string Everything() {
  UVersionInfo icu;
  u_getVersion(icu);
  std::string text = fmt::format("fold {} projection {} icu {}.{}\n", kFoldNumber,
                                 kProjectionNumber, icu[0], icu[1]);
  std::set<const Descriptor*> seen;
  Describe(*store::v1::StoredRow::descriptor(), seen, text);
  Describe(*store::v1::RowHead::descriptor(), seen, text);
  for (const Kind& kind : Kinds()) {
    text += fmt::format("kind {} {}\n", static_cast<int>(kind.number), kind.singular);
    Describe(*kind.resource->GetDescriptor(), seen, text);
    for (const IndexDeclaration& index : kind.indexes) {
      text += fmt::format("index {} {} {}", index.number, index.name,
                          static_cast<int>(index.normaliser));
      for (const std::string& field : index.fields) {
        text += " " + field;
      }
      text += "\n";
    }
  }
  return text;
}

// FNV-1a. It tells builds apart that differ by mistake or progress; nobody forges layouts.
uint64_t Hash(std::string_view text, uint64_t seed) {
  uint64_t hash = 14695981039346656037u ^ (seed * 0x9E3779B97F4A7C15u);
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  return hash;
}

}  // namespace

std::string LayoutStamp() {
  static const auto* const stamp = [] {
    const std::string text = Everything();
    return new std::string(fmt::format("{:016x}{:016x}{:016x}{:016x}", Hash(text, 0), Hash(text, 1),
                                       Hash(text, 2), Hash(text, 3)));
  }();
  return *stamp;
}

}  // namespace retrace::domain
