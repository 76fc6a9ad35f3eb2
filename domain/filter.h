// AIP-160 filters: parsed to a tree once, then used twice: to choose an index and to check rows.
//
// Grammar and meaning: https://google.aip.dev/160. OR binds tighter than AND. Limits: 8 KiB, 20 levels, 200 terms; parsing
// takes linear time and bounded stack whatever the input.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace retrace::domain {

enum class Comparator { kEquals, kNotEquals, kLess, kLessEquals, kGreater, kGreaterEquals, kHas };

// One comparison, e.g. `attributes.colour = "red"`. A bare word has an empty field and kHas.
struct Restriction {
  std::vector<std::string> field;
  Comparator comparator = Comparator::kHas;
  std::string value;
  bool quoted = false;
};

// A node: exactly one of the three kinds.
struct FilterNode {
  enum class Kind { kAnd, kOr, kNot, kRestriction };
  Kind kind = Kind::kAnd;
  std::vector<std::unique_ptr<FilterNode>> children;  // kAnd, kOr: any number; kNot: one
  Restriction restriction;
};

// A filter that fits one type of message. Immutable; thread-safe.
class Filter {
 public:
  // Parses and checks against the fields of `type`, and `allowed` (top-level names; empty: all). An empty text matches
  // everything. INVALID_FILTER with the offset and what was expected.
  static absl::StatusOr<Filter> Parse(std::string_view text, const google::protobuf::Descriptor& type,
                                      const std::vector<std::string>& allowed);
  // True when the message passes. Strings `=` compare caselessly with `*` wildcards; `:` on repeated fields and maps is
  // "has"; times are RFC 3339; enums by name; an unset parent never matches.
  bool Matches(const google::protobuf::Message& message) const;
  bool empty() const;
  const FilterNode& root() const { return *root_; }
  // Restrictions that every match must meet (the conjuncts at the top): what an index can be chosen by.
  std::vector<const Restriction*> Conjuncts() const;
  // True when the field is restricted anywhere (e.g. `state`).
  bool Mentions(std::string_view field) const;

 private:
  std::shared_ptr<const FilterNode> root_;
};

}  // namespace retrace::domain
