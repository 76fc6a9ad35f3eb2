// Laws of filters over random trees, records and bytes.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "domain/filter.h"
#include "domain/refusal.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "retrace/v1/records.pb.h"
#include "tests/domain/filter_text.h"

namespace retrace::domain {
namespace {

using ::retrace::testing::PrintFilter;
using ::retrace::testing::SameTree;
using Node = std::unique_ptr<FilterNode>;
using NodeKind = FilterNode::Kind;

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int Below(int bound) { return static_cast<int>(engine_() % static_cast<uint64_t>(bound)); }
  bool Maybe() { return Below(2) == 0; }
  template <typename T>
  const T& Of(const std::vector<T>& choices) {
    return choices[static_cast<size_t>(Below(static_cast<int>(choices.size())))];
  }

 private:
  std::mt19937_64 engine_;
};

const std::vector<std::string>& Words() {
  static const std::vector<std::string> words = {"red", "Red", "blue", "redblue",
                                                 "a",   "AB",  "ab c"};
  return words;
}
const std::vector<std::string>& Days() {
  static const std::vector<std::string> days = {"1970-01-01", "1970-01-02", "1970-01-03"};
  return days;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), ::tolower);
  return text;
}

Restriction RandomRestriction(Random& random) {
  Restriction restriction;
  restriction.quoted = true;
  restriction.comparator = static_cast<Comparator>(random.Below(7));
  const Comparator equals = random.Maybe() ? Comparator::kEquals : Comparator::kHas;
  const std::string star = random.Maybe() ? "*" : "";
  restriction.value = (random.Maybe() ? star : "") + random.Of(Words()) + star;
  switch (random.Below(9)) {
    case 0:
      restriction.field = {"title"};
      break;
    case 1:
      restriction.field = {"amount", "minor_units"};
      restriction.value = std::to_string(random.Below(5) - 2);
      break;
    case 2:
      restriction.field = {"attributes", random.Maybe() ? "colour" : "eye colour"};
      break;
    case 3:
      restriction.field = {"attributes"};
      restriction.comparator = Comparator::kHas;
      restriction.value = random.Maybe() ? "colour" : "eye colour";
      break;
    case 4:
      restriction.field = {"tags"};
      restriction.comparator = equals;
      break;
    case 5:
      restriction.field = {"kind"};
      restriction.comparator = random.Maybe() ? Comparator::kNotEquals : equals;
      restriction.value = random.Maybe() ? "DEAL" : "NOTE";
      break;
    case 6:
      restriction.field = {"due_time"};
      restriction.value = random.Of(Days()) + (random.Maybe() ? "" : "T00:00:01Z");
      break;
    case 7:
      restriction.field = {random.Maybe() ? "amount" : "tags"};
      restriction.comparator = Comparator::kHas;
      restriction.value = "*";
      break;
    default:
      restriction.comparator = Comparator::kHas;
      restriction.value = random.Of(Words());
      restriction.quoted = random.Maybe() || restriction.value.find(' ') != std::string::npos;
  }
  return restriction;
}

// A tree as ParseFilter makes them.
Node RandomTree(Random& random, int depth, NodeKind outer) {
  auto node = std::make_unique<FilterNode>();
  const int choice = depth == 0 ? 0 : random.Below(4);
  if (choice == 3) {
    node->kind = NodeKind::kNot;
    node->children.push_back(RandomTree(random, depth - 1, NodeKind::kNot));
  } else if (choice > 0) {
    node->kind = choice == 1 ? NodeKind::kAnd : NodeKind::kOr;
    if (node->kind == outer) {
      node->kind = outer == NodeKind::kAnd ? NodeKind::kOr : NodeKind::kAnd;
    }
    const int size = 2 + random.Below(3);
    for (int i = 0; i < size; ++i) {
      node->children.push_back(RandomTree(random, depth - 1, node->kind));
    }
  } else {
    node->kind = NodeKind::kRestriction;
    node->restriction = RandomRestriction(random);
  }
  return node;
}

v1::Record RandomRecord(Random& random) {
  v1::Record record;
  if (random.Maybe()) {
    record.set_title(random.Of(Words()));
  }
  record.set_kind(random.Maybe() ? v1::Record::DEAL : v1::Record::TASK);
  if (random.Maybe()) {
    record.mutable_amount()->set_minor_units(random.Below(5) - 2);
  }
  for (const char* key : {"colour", "eye colour"}) {
    if (random.Maybe()) {
      (*record.mutable_attributes())[key] = random.Of(Words());
    }
  }
  for (int i = random.Below(3); i > 0; --i) {
    record.add_tags(random.Of(Words()));
  }
  if (random.Maybe()) {
    record.mutable_due_time()->set_seconds(random.Below(4) * 43200 + random.Below(2));
  }
  return record;
}

// The same meaning, written as plainly as possible and with nothing of the filter's code.
namespace naive {

bool LikeText(const std::string& mixed_text, const std::string& mixed_pattern) {
  const std::string text = Lower(mixed_text);
  std::string pattern = Lower(mixed_pattern);
  const bool begin = pattern.front() == '*';
  const bool end = pattern.back() == '*';
  pattern = pattern.substr(begin ? 1 : 0, pattern.size() - (begin ? 1 : 0) - (end ? 1 : 0));
  for (size_t i = 0; i <= text.size(); ++i) {
    if ((i == 0 || begin) && text.compare(i, pattern.size(), pattern) == 0 &&
        (i + pattern.size() == text.size() || end)) {
      return true;
    }
  }
  return false;
}

template <typename T>
bool Compare(Comparator comparator, const T& a, const T& b) {
  return (comparator == Comparator::kLess && a < b) ||
         (comparator == Comparator::kGreater && b < a) ||
         (comparator == Comparator::kLessEquals && !(b < a)) ||
         (comparator == Comparator::kGreaterEquals && !(a < b)) ||
         (comparator == Comparator::kNotEquals && (a < b || b < a)) ||
         ((comparator == Comparator::kEquals || comparator == Comparator::kHas) && a == b);
}

bool Text(const Restriction& restriction, const std::string& text) {
  std::string bare = restriction.value;
  switch (restriction.comparator) {
    case Comparator::kHas:
      bare.erase(std::remove(bare.begin(), bare.end(), '*'), bare.end());
      return LikeText(text, "*" + bare + "*");
    case Comparator::kEquals:
      return LikeText(text, restriction.value);
    case Comparator::kNotEquals:
      return !LikeText(text, restriction.value);
    default:
      return Compare(restriction.comparator, Lower(text), Lower(restriction.value));
  }
}

bool Time(const Restriction& restriction, int64_t seconds) {
  const int64_t day = (restriction.value[9] - '1') * 86400;
  if (restriction.value.size() > 10) {
    return Compare(restriction.comparator, seconds, day + 1);
  }
  // Whole days compare by their number.
  return Compare(restriction.comparator, seconds / 86400 * 86400, day);
}

bool Restricted(const Restriction& restriction, const v1::Record& record) {
  const auto attribute = [&record](const std::string& key) {
    const auto found = record.attributes().find(key);
    return found == record.attributes().end() ? nullptr : &found->second;
  };
  if (restriction.field.empty()) {
    const std::string any = "*" + restriction.value + "*";
    bool found = LikeText(record.title(), any);
    for (const std::string& tag : record.tags()) found |= LikeText(tag, any);
    for (const auto& [key, value] : record.attributes()) found |= LikeText(value, any);
    return found;
  }
  const std::string& field = restriction.field[0];
  if (field == "title") return Text(restriction, record.title());
  if (field == "kind") {
    const bool same = v1::Record::Kind_Name(record.kind()) == restriction.value;
    return same == (restriction.comparator != Comparator::kNotEquals);
  }
  if (field == "due_time") {
    return record.has_due_time() && Time(restriction, record.due_time().seconds());
  }
  if (field == "amount" && restriction.field.size() == 1) return record.has_amount();
  if (field == "amount") {
    return record.has_amount() &&
           Compare<int64_t>(restriction.comparator, record.amount().minor_units(),
                            std::stoll(restriction.value));
  }
  if (field == "tags" && restriction.value == "*") return record.tags_size() > 0;
  if (field == "tags") {
    return std::any_of(record.tags().begin(), record.tags().end(),
                       [&](const std::string& tag) { return LikeText(tag, restriction.value); });
  }
  if (restriction.field.size() == 1) return attribute(restriction.value) != nullptr;
  const std::string* value = attribute(restriction.field[1]);
  return value != nullptr && Text(restriction, *value);
}

bool Matches(const FilterNode& node, const v1::Record& record) {
  const auto holds = [&record](const Node& child) { return Matches(*child, record); };
  switch (node.kind) {
    case NodeKind::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), holds);
    case NodeKind::kOr:
      return std::any_of(node.children.begin(), node.children.end(), holds);
    case NodeKind::kNot:
      return !Matches(*node.children[0], record);
    case NodeKind::kRestriction:
      return Restricted(node.restriction, record);
  }
  return false;
}

}  // namespace naive

RC_GTEST_PROP(Filter, PrintedTreesParseToThemselves, (uint64_t seed)) {
  Random random(seed);
  const Node tree = RandomTree(random, 3, NodeKind::kNot);
  const std::string text = PrintFilter(*tree);
  const auto parsed = ParseFilter(text);
  RC_LOG() << text << "\n";
  RC_ASSERT(parsed.ok());
  RC_ASSERT(SameTree(*tree, **parsed));
}

RC_GTEST_PROP(Filter, MatchesWhatTheNaiveReadingMatches, (uint64_t seed)) {
  Random random(seed);
  const Node tree = RandomTree(random, 2, NodeKind::kNot);
  const std::string text = PrintFilter(*tree);
  const auto filter = Filter::Parse(text, *v1::Record::descriptor(), {});
  RC_LOG() << text << ": " << filter.status().ToString() << "\n";
  RC_ASSERT(filter.ok());
  for (int i = 0; i < 20; ++i) {
    const v1::Record record = RandomRecord(random);
    RC_LOG() << record.ShortDebugString() << "\n";
    RC_ASSERT(filter->Matches(record) == naive::Matches(*tree, record));
  }
}

// Every conjunct must be met by every match: an index may be chosen by it.
RC_GTEST_PROP(Filter, ConjunctsAreNecessary, (uint64_t seed)) {
  Random random(seed);
  const Node tree = RandomTree(random, 2, NodeKind::kNot);
  const auto filter = Filter::Parse(PrintFilter(*tree), *v1::Record::descriptor(), {});
  RC_ASSERT(filter.ok());
  for (int i = 0; i < 20; ++i) {
    const v1::Record record = RandomRecord(random);
    for (const Restriction* conjunct : filter->Conjuncts()) {
      RC_ASSERT(!filter->Matches(record) || naive::Restricted(*conjunct, record));
    }
  }
}

// Bytes, tokens and mixtures of both never crash, and end in a tree or an INVALID_FILTER.
RC_GTEST_PROP(Filter, AnyBytesEndWell, (uint64_t seed)) {
  static const std::vector<std::string> tokens = {"(",
                                                  ")",
                                                  "AND",
                                                  "OR",
                                                  "NOT",
                                                  "-",
                                                  "=",
                                                  "!=",
                                                  "<=",
                                                  ">",
                                                  ":",
                                                  "\"",
                                                  "'",
                                                  "`",
                                                  ".",
                                                  " ",
                                                  "\\",
                                                  "*",
                                                  "title",
                                                  "amount",
                                                  "attributes",
                                                  "phones",
                                                  "due_time",
                                                  "kind",
                                                  "2024-02-29",
                                                  "+1",
                                                  "北",
                                                  "\xff",
                                                  std::string(1, '\0'),
                                                  "\xe4\xba"};
  Random random(seed);
  std::string text;
  for (int i = random.Below(60); i > 0; --i) {
    text += random.Below(4) > 0 ? random.Of(tokens)
                                : std::string(1, static_cast<char>(random.Below(256)));
  }
  const auto filter = Filter::Parse(text, *v1::Record::descriptor(), {});
  if (filter.ok()) {
    filter->Matches(RandomRecord(random));
    // What parses can be printed and parsed again.
    RC_ASSERT(ParseFilter(PrintFilter(filter->root())).ok());
  } else {
    RC_ASSERT(ReasonOf(filter.status()) == v1::INVALID_FILTER);
  }
}

}  // namespace
}  // namespace retrace::domain
