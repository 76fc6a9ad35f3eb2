// AIP-160 filters: parsed to a tree once, then used twice: to choose an index and to check rows.
//
// Grammar: https://google.aip.dev/160, without functions. OR binds tighter than AND; a space is
// AND; `NOT x` and `-x` are the same; `field = (a OR b)` is short for `field = a OR field = b`.
// Limits: 8 KiB, 20 levels of parentheses, 200 terms; parsing takes linear time and bounded stack
// whatever the input.
//
// What a restriction means depends on its field:
// clang-format off
//   text           `=` `!=` caseless (NFKC, case folded), with a `*` at the beginning or end
//                  standing for anything; `:` contains, caseless; `<` and so on by the folded
//                  bytes. Ids of other systems (`external_id`) are compared as they are
//   whole number, real number, truth (true, false), enum (by name): the usual, `:` is `=`
//   time           RFC 3339, or a date, which is that whole day in UTC: `=` and `:` within it,
//                  `<` before it, `>` after it. An unset time matches nothing, not even `!=`
//   list           `=` and `:` alike: some element equals; `*` wildcards for text
//   list of messages
//                  `phones:work`: some text of some element equals; `phones:"+1 415 555 2671"`,
//                  written with nothing but what numbers are written with: some phone has these
//                  digits, with its country code or as it was typed;
//                  `phones.label = "work"`: of some element
//   map            `attributes:colour` has the key; `attributes.colour = "red"` its value; a key
//                  that is no plain name is quoted: `attributes."eye colour"`
//   anything       `field:*` is set (not empty, not 0)
//   no field       `word`: some text of the fields contains it, caseless
// clang-format on
// A field inside a message, or a key of a map, that is not there matches nothing, not even `!=`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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
  std::string value;  // escapes resolved; wildcards as written
  bool quoted = false;
  // Where the field and the value begin in the text, in bytes.
  size_t offset = 0;
  size_t value_offset = 0;
};

// A node: exactly one of the four kinds. No kAnd lies directly in a kAnd, no kOr in a kOr, and
// neither has a single child; only the empty filter is a kAnd without children.
struct FilterNode {
  enum class Kind { kAnd, kOr, kNot, kRestriction };
  Kind kind = Kind::kAnd;
  std::vector<std::unique_ptr<FilterNode>> children;  // kAnd, kOr: two or more; kNot: one
  Restriction restriction;
};

// The tree of a filter by grammar alone; what it names is not looked at. INVALID_FILTER with the
// offset and what was expected.
absl::StatusOr<std::unique_ptr<FilterNode>> ParseFilter(std::string_view text);

// The time that a restriction's value gives: a moment (begin == end) or a day, in microseconds
// since 1970; a moment between two microseconds spans them. None when it is no time.
struct TimeSpan {
  int64_t begin_us = 0;
  int64_t end_us = 0;  // of a day: the beginning of the next
};
std::optional<TimeSpan> ReadTimeSpan(std::string_view value);

// The digits of a phone number in a restriction's value, without its punctuation; empty when it has
// other characters, too, or fewer than three digits.
std::string DialledDigits(std::string_view value);

// True for texts that filters compare as they are, case and all.
bool ComparesExactly(const google::protobuf::FieldDescriptor& field);

struct Condition;  // a node made ready to run; see filter_condition.h

// A filter that fits one type of message. Immutable; thread-safe; cheap to copy.
class Filter {
 public:
  // Matches everything.
  Filter();
  // Parses and checks against the fields of `type`, and `allowed` (top-level names; empty: all). An
  // empty text matches everything. INVALID_FILTER with the offset and what was expected.
  static absl::StatusOr<Filter> Parse(std::string_view text,
                                      const google::protobuf::Descriptor& type,
                                      const std::vector<std::string>& allowed);
  // True when the message, which must be of that type, passes.
  bool Matches(const google::protobuf::Message& message) const;
  bool empty() const;
  const FilterNode& root() const { return *root_; }
  // Restrictions that every match must meet (the conjuncts at the top): what an index can be chosen
  // by. They live as long as this filter or a copy of it.
  std::vector<const Restriction*> Conjuncts() const;
  // True when the field is restricted anywhere (e.g. `state`).
  bool Mentions(std::string_view field) const;

 private:
  std::shared_ptr<const FilterNode> root_;
  std::shared_ptr<const Condition> condition_;
};

}  // namespace retrace::domain
