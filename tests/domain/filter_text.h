// Filters back as text, for tests: what ParseFilter makes of the text is the tree again.
#pragma once

#include <string>

#include "domain/filter.h"

namespace retrace::testing {

inline std::string QuoteForFilter(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted + '"';
}

inline std::string PrintRestriction(const domain::Restriction& restriction) {
  static const char* const kSigns[] = {" = ", "!=", "<", " <= ", " >", ">=", ":"};
  std::string text;
  for (const std::string& name : restriction.field) {
    const bool plain =
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos && !name.empty();
    text += (text.empty() ? "" : ".") + (plain ? name : QuoteForFilter(name));
  }
  if (!restriction.field.empty()) {
    text += kSigns[static_cast<int>(restriction.comparator)];
  }
  return text + (restriction.quoted ? QuoteForFilter(restriction.value) : restriction.value);
}

// Parentheses around everything that has parts, but for the root.
inline std::string PrintFilter(const domain::FilterNode& node, bool root = true) {
  using Kind = domain::FilterNode::Kind;
  if (node.kind == Kind::kRestriction) {
    return PrintRestriction(node.restriction);
  }
  if (node.kind == Kind::kNot) {
    return "NOT " + std::string(node.children[0]->kind == Kind::kNot ? "(" : "") +
           PrintFilter(*node.children[0], false) +
           (node.children[0]->kind == Kind::kNot ? ")" : "");
  }
  std::string text;
  for (const auto& child : node.children) {
    if (!text.empty()) {
      text += node.kind == Kind::kAnd ? " AND " : " OR ";
    }
    text += PrintFilter(*child, false);
  }
  return root ? text : "(" + text + ")";
}

inline bool SameTree(const domain::FilterNode& a, const domain::FilterNode& b) {
  const domain::Restriction& left = a.restriction;
  const domain::Restriction& right = b.restriction;
  if (a.kind != b.kind || a.children.size() != b.children.size() || left.field != right.field ||
      left.comparator != right.comparator || left.value != right.value ||
      left.quoted != right.quoted) {
    return false;
  }
  for (size_t i = 0; i < a.children.size(); ++i) {
    if (!SameTree(*a.children[i], *b.children[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace retrace::testing
