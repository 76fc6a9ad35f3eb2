// ParseFilter of filter.h: recursive descent, at most 20 levels.
#include <utility>

#include "domain/filter.h"
#include "domain/filter_condition.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

constexpr size_t kMaxBytes = 8192;
constexpr int kMaxLevels = 20;
constexpr int kMaxTerms = 200;

using Node = std::unique_ptr<FilterNode>;
using NodeKind = FilterNode::Kind;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Node RestrictionNode(Restriction restriction) {
  auto node = std::make_unique<FilterNode>();
  node->kind = NodeKind::kRestriction;
  node->restriction = std::move(restriction);
  return node;
}

// A node of the kind over the children, without needless levels.
Node Join(NodeKind kind, std::vector<Node> children) {
  if (children.size() == 1) {
    return std::move(children.front());
  }
  auto node = std::make_unique<FilterNode>();
  node->kind = kind;
  for (Node& child : children) {
    if (child->kind != kind) {
      node->children.push_back(std::move(child));
      continue;
    }
    for (Node& grandchild : child->children) {
      node->children.push_back(std::move(grandchild));
    }
  }
  return node;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<Node> Parse() {
    SkipSpace();
    if (AtEnd()) {
      return std::make_unique<FilterNode>();
    }
    RETRACE_ASSIGN(Node node, Expression(nullptr, 0));
    if (!AtEnd()) {
      return Expected("the end or another restriction; this parenthesis closes nothing");
    }
    return node;
  }

 private:
  // Of `subject` in `field = (a OR b)`: the words inside are its values.
  absl::StatusOr<Node> Expression(const Restriction* subject, int level) {
    std::vector<Node> children;
    while (true) {
      RETRACE_ASSIGN(Node factor, Factor(subject, level));
      children.push_back(std::move(factor));
      SkipSpace();
      if (AtEnd() || text_[at_] == ')') {
        return Join(NodeKind::kAnd, std::move(children));
      }
      if (AtKeyword("AND")) {
        TakeKeyword("AND");
      }
    }
  }

  absl::StatusOr<Node> Factor(const Restriction* subject, int level) {
    std::vector<Node> children;
    while (true) {
      RETRACE_ASSIGN(Node term, Term(subject, level));
      children.push_back(std::move(term));
      SkipSpace();
      if (!AtKeyword("OR")) {
        return Join(NodeKind::kOr, std::move(children));
      }
      TakeKeyword("OR");
    }
  }

  absl::StatusOr<Node> Term(const Restriction* subject, int level) {
    bool negated = false;
    if (AtKeyword("NOT")) {
      TakeKeyword("NOT");
      negated = true;
    } else if (subject == nullptr && !AtEnd() && text_[at_] == '-') {
      ++at_;
      negated = true;
      if (AtEnd() || IsSpace(text_[at_])) {
        return Expected("a restriction directly behind `-`");
      }
    }
    RETRACE_ASSIGN(Node simple, Simple(subject, level));
    if (!negated) {
      return simple;
    }
    auto node = std::make_unique<FilterNode>();
    node->kind = NodeKind::kNot;
    node->children.push_back(std::move(simple));
    return node;
  }

  absl::StatusOr<Node> Simple(const Restriction* subject, int level) {
    if (AtEnd()) {
      return Expected(subject == nullptr ? "a restriction" : "a value");
    }
    if (text_[at_] == '(') {
      return Composite(subject, level);
    }
    if (AtKeyword("AND") || AtKeyword("OR") || AtKeyword("NOT")) {
      return Expected("a restriction, not a keyword; a word like it stands in quotes");
    }
    return subject == nullptr ? ReadRestriction(level) : ReadValue(*subject);
  }

  absl::StatusOr<Node> Composite(const Restriction* subject, int level) {
    const size_t open = at_;
    if (level >= kMaxLevels) {
      return FilterError(at_, fmt::format("parentheses lie more than {} deep", kMaxLevels));
    }
    ++at_;
    SkipSpace();
    RETRACE_ASSIGN(Node inner, Expression(subject, level + 1));
    if (AtEnd()) {
      return FilterError(open, "this parenthesis is never closed");
    }
    ++at_;  // Expression ends at the end or before `)`
    return inner;
  }

  // A field with comparator and value, or a bare word.
  absl::StatusOr<Node> ReadRestriction(int level) {
    if (++terms_ > kMaxTerms) {
      return FilterError(at_, fmt::format("there are more than {} restrictions", kMaxTerms));
    }
    Restriction restriction;
    restriction.offset = at_;
    size_t empty_name = std::string_view::npos;
    bool quoted = false;
    do {
      const size_t begin = at_;
      RETRACE_ASSIGN(std::string name, ReadName(quoted));
      if (name.empty()) {
        empty_name = begin;
      }
      restriction.field.push_back(std::move(name));
    } while (TakeDot());
    const size_t end = at_;
    SkipSpace();
    const std::optional<Comparator> comparator = TakeComparator();
    if (!comparator) {
      at_ = end;
      return BareWord(std::move(restriction), quoted);
    }
    if (empty_name != std::string_view::npos) {
      return FilterError(empty_name, "expected the name of a field");
    }
    restriction.comparator = *comparator;
    SkipSpace();
    if (!AtEnd() && text_[at_] == '(') {
      --terms_;  // its values count instead
      return Composite(&restriction, level);
    }
    --terms_;
    return ReadValue(restriction);
  }

  absl::StatusOr<Node> BareWord(Restriction restriction, bool quoted) {
    if (quoted && restriction.field.size() > 1) {
      return Expected("a comparison: one of = != < <= > >= :");
    }
    if (!quoted && at_ == restriction.offset) {
      return Expected("a field or a word");
    }
    if (!AtEnd() && text_[at_] == '(') {
      return Expected("a comparison; there are no functions");
    }
    restriction.value =
        quoted ? std::move(restriction.field.front())
               : std::string(text_.substr(restriction.offset, at_ - restriction.offset));
    restriction.quoted = quoted;
    restriction.field.clear();
    restriction.value_offset = restriction.offset;
    if (absl::Status end = CheckWordEnd(); !end.ok()) {
      return end;
    }
    return RestrictionNode(std::move(restriction));
  }

  // A value for the field and comparator of `subject`.
  absl::StatusOr<Node> ReadValue(const Restriction& subject) {
    if (++terms_ > kMaxTerms) {
      return FilterError(at_, fmt::format("there are more than {} restrictions", kMaxTerms));
    }
    Restriction restriction = subject;
    restriction.value_offset = at_;
    if (!AtEnd() && IsQuote(text_[at_])) {
      RETRACE_ASSIGN(restriction.value, ReadQuoted());
      restriction.quoted = true;
    } else {
      const size_t begin = at_;
      while (!AtEnd() && !IsSpace(text_[at_]) && text_[at_] != '(' && text_[at_] != ')' &&
             text_[at_] != '"') {
        ++at_;
      }
      restriction.value = std::string(text_.substr(begin, at_ - begin));
      if (restriction.value.empty()) {
        return Expected("a value");
      }
      if (restriction.value == "AND" || restriction.value == "OR" || restriction.value == "NOT" ||
          restriction.value[0] == '=') {
        at_ = begin;
        return Expected("a value; one like this stands in quotes");
      }
    }
    if (absl::Status end = CheckWordEnd(); !end.ok()) {
      return end;
    }
    return RestrictionNode(std::move(restriction));
  }

  // One part of a field, or of a bare word; may be empty, which the caller judges.
  absl::StatusOr<std::string> ReadName(bool& quoted) {
    if (!AtEnd() && IsQuote(text_[at_])) {
      quoted = true;
      return ReadQuoted();
    }
    const size_t begin = at_;
    while (!AtEnd() && text_[at_] != '.' && !EndsName()) {
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  absl::StatusOr<std::string> ReadQuoted() {
    const size_t open = at_;
    const char quote = text_[at_++];
    std::string value;
    while (!AtEnd() && text_[at_] != quote) {
      if (text_[at_] == '\\') {
        if (++at_ == text_.size()) {
          break;
        }
        if (text_[at_] != '\\' && !IsQuote(text_[at_])) {
          --at_;
          return Expected("\\\\ or a quote behind a backslash");
        }
      }
      value += text_[at_++];
    }
    if (AtEnd()) {
      return FilterError(open, "this quote is never closed");
    }
    ++at_;
    return value;
  }

  std::optional<Comparator> TakeComparator() {
    static constexpr std::pair<std::string_view, Comparator> kComparators[] = {
        {"<=", Comparator::kLessEquals}, {">=", Comparator::kGreaterEquals},
        {"!=", Comparator::kNotEquals},  {"<", Comparator::kLess},
        {">", Comparator::kGreater},     {"=", Comparator::kEquals},
        {":", Comparator::kHas},
    };
    for (const auto& [sign, comparator] : kComparators) {
      if (text_.substr(at_).starts_with(sign)) {
        at_ += sign.size();
        return comparator;
      }
    }
    return std::nullopt;
  }

  bool TakeDot() {
    if (AtEnd() || text_[at_] != '.') {
      return false;
    }
    ++at_;
    return true;
  }

  // What a name or bare word cannot hold.
  bool EndsName() const {
    const char c = text_[at_];
    return IsSpace(c) || c == '(' || c == ')' || c == '"' || c == '`' || c == '<' || c == '>' ||
           c == '=' || c == ':' || text_.substr(at_).starts_with("!=");
  }

  // A word is followed by space, a closing parenthesis or the end.
  absl::Status CheckWordEnd() const {
    if (AtEnd() || IsSpace(text_[at_]) || text_[at_] == ')') {
      return absl::OkStatus();
    }
    return Expected("a space");
  }

  bool AtKeyword(std::string_view keyword) const {
    if (!text_.substr(at_).starts_with(keyword)) {
      return false;
    }
    const size_t end = at_ + keyword.size();
    return end == text_.size() || IsSpace(text_[end]) || text_[end] == '(' || text_[end] == ')';
  }
  void TakeKeyword(std::string_view keyword) {
    at_ += keyword.size();
    SkipSpace();
  }

  absl::Status Expected(std::string_view what) const {
    const std::string_view rest = text_.substr(at_);
    return FilterError(
        at_, fmt::format("expected {}{}", what,
                         rest.empty() ? ", found the end" : ", found " + QuotedExcerpt(rest)));
  }

  static bool IsQuote(char c) { return c == '"' || c == '\'' || c == '`'; }
  bool AtEnd() const { return at_ >= text_.size(); }
  void SkipSpace() {
    while (!AtEnd() && IsSpace(text_[at_])) {
      ++at_;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  int terms_ = 0;
};

}  // namespace

absl::StatusOr<Node> ParseFilter(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return FilterError(
        kMaxBytes, fmt::format("it has {} bytes; at most {} are allowed", text.size(), kMaxBytes));
  }
  return Parser(text).Parse();
}

absl::Status FilterError(size_t offset, std::string_view what) {
  return Refusal(v1::INVALID_FILTER,
                 fmt::format("The filter is wrong at byte {}: {}.", offset, what))
      .With("offset", std::to_string(offset))
      .Field("filter", fmt::format("at byte {}: {}", offset, what))
      .Next("Correct the filter; its grammar is https://google.aip.dev/160.");
}

}  // namespace retrace::domain
