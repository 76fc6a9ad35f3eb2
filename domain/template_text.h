// The language of templates: text in which Mustache tags stand for values.
//
//   {{reason}}                        a value
//   {{#reason}} ... {{/reason}}       shown when the value is not empty, or the flag is set
//   {{^single}} ... {{/single}}       shown when it is empty, or not set
//   {{#entities}}- {{title}}{{/entities}}     once for each of the first entities
//   {{! a remark }}                   not shown
//
// A section or remark alone on its line takes the line with it. Values are always escaped; there
// are no partials, no other delimiters, no way to show markup that a value brings. A text is read
// whole before anything is shown of it, so what reads without fault can be rendered with any
// values: nothing that somebody writes into a name gets out of its place.
//
// Pure and thread-safe.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retrace::domain {

enum class TemplateForm {
  kSubject,  // one line; what values bring of control characters becomes a space
  kText,     // plain text; values of one line stay on one line
  kHtml,     // a document or what stands in its body; values are escaped
};

// The longest of each form, in bytes. Together they fit into an event.
inline constexpr size_t kMostSubjectBytes = 300;
inline constexpr size_t kMostTextBytes = 16 << 10;
inline constexpr size_t kMostHtmlBytes = 40 << 10;

struct TemplateName {
  enum class Type {
    kText,   // a value; as a section: is it not empty
    kWords,  // the same, of several lines
    kFlag,   // a section only
    kList,   // `entities`
  };
  std::string_view name;
  Type type = Type::kText;
  std::string_view meaning;  // a sentence
};

// Everything that a template can name, by name.
std::span<const TemplateName> TemplateNames();

// Where a template is wrong, and how. Lines and columns count from 1, columns in characters.
struct TemplateFault {
  int line = 0;
  int column = 0;
  std::string problem;  // a sentence
  std::string nearest;  // the name that was meant, perhaps; may be empty
};

// What the names stand for. A name that is missing is empty, a flag not set.
struct TemplateValues {
  std::map<std::string, std::string, std::less<>> texts;
  std::set<std::string, std::less<>> flags;
  // `name` and `title` of each; outside of the section they are those of the first one.
  struct Entity {
    std::string name;
    std::string title;
  };
  std::vector<Entity> entities;
};

// A piece of a template that was read.
struct TemplateNode {
  enum Type { kLiteral, kValue, kSection, kInverted };
  Type type = kLiteral;
  std::string text;                    // of a literal
  const TemplateName* name = nullptr;  // of the others
  size_t offset = 0;                   // where it begins in the text
  std::vector<TemplateNode> children;
};

class TemplateText {
 public:
  TemplateText(std::string_view text, TemplateForm form);

  // The first thing that is wrong with it; nothing: it can be rendered.
  const std::optional<TemplateFault>& fault() const { return fault_; }
  // Nothing when the result would have more than `most_bytes`, or there is a fault.
  std::optional<std::string> Render(const TemplateValues& values, size_t most_bytes) const;

 private:
  TemplateForm form_;
  std::vector<TemplateNode> nodes_;
  std::optional<TemplateFault> fault_;
};

// `&`, `<`, `>` and quotes as entities.
std::string EscapeHtml(std::string_view text);
// Runs of white space and control characters as one space, none at the ends; without characters
// that turn the direction of what follows. ASCII or not.
std::string OneLine(std::string_view text);

}  // namespace retrace::domain
