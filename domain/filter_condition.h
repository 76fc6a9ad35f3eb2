// A filter made ready to run on messages of one type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "domain/filter.h"
#include "google/protobuf/message.h"

namespace retrace::domain {

// What text is compared with; folded.
struct TextPattern {
  std::string text;
  bool open_begin = false;  // anything may stand before
  bool open_end = false;    // anything may stand behind

  bool Matches(std::string_view folded) const;
};

struct Condition {
  // How the value that the path leads to is looked at.
  enum class Operand {
    kPresence,  // is it set
    kKey,       // does the map hold the key
    kEquality,  // text against the pattern
    kContains,  // text holding the pattern's text
    kOrder,     // text against the pattern's text, by bytes
    kInteger,
    kReal,
    kTime,
    kElement,   // messages: any text in them, or a phone's digits
    kAnywhere,  // no path: any text of `searched`
  };

  FilterNode::Kind kind = FilterNode::Kind::kAnd;
  std::vector<Condition> children;

  // Of restrictions.
  std::vector<const google::protobuf::FieldDescriptor*> path;
  bool has_key = false;  // the path ends in this key of a map
  std::string key;
  Comparator comparator = Comparator::kHas;
  Operand operand = Operand::kPresence;
  TextPattern pattern;
  bool exact = false;  // text is compared as it is, not folded
  // Whole numbers, truths (0, 1) and enums (numbers).
  int64_t integer = 0;
  double real = 0;
  absl::Time begin;  // begin == end: a moment
  absl::Time end;
  std::string phone_digits;
  std::vector<const google::protobuf::FieldDescriptor*> searched;
};

// Refuses: what is wrong at which byte of the filter.
absl::Status FilterError(size_t offset, std::string_view what);

bool Holds(const Condition& condition, const google::protobuf::Message& message);

}  // namespace retrace::domain
