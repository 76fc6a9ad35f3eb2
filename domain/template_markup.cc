#include "domain/template_markup.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "domain/template_parser.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

constexpr std::string_view kStyle = "style";
constexpr std::array<std::string_view, 5> kRefused = {"embed", "iframe", "object", "plaintext",
                                                      "script"};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// What a browser reads at one place.
struct Place {
  enum Where { kContent, kTagName, kTag, kQuoted, kComment, kStyleSheet };
  Where where = kContent;
  char quote = 0;      // of kQuoted
  char last = 0;       // of kTag: the last character that is not blank
  std::string name{};  // of the tag, in lower case; with `/` of one that closes
  bool operator==(const Place&) const = default;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<TemplateFault> Read(const std::vector<TemplateNode>& nodes) {
    Walk(nodes);
    if (!fault_ && place_.where != Place::kContent) {
      Fault(text_.size(), "The markup ends inside of a tag or a comment.");
    }
    return std::move(fault_);
  }

 private:
  void Fault(size_t offset, std::string problem) {
    if (!fault_) {
      fault_ = FaultAt(text_, offset, std::move(problem));
    }
  }

  void Walk(const std::vector<TemplateNode>& nodes) {
    for (const TemplateNode& node : nodes) {
      if (node.type == TemplateNode::kLiteral) {
        ReadLiteral(node);
        continue;
      }
      if (place_.where == Place::kTagName) {
        Fault(node.offset, "The name of a tag cannot depend on anything.");
      }
      if (node.type == TemplateNode::kValue) {
        CheckValue(node);
        continue;
      }
      const Place before = place_;
      Walk(node.children);
      if (place_ != before) {
        Fault(node.offset, fmt::format("The section {} must end in the markup that it began in, "
                                       "between tags or within one.",
                                       node.name->name));
      }
    }
  }

  void CheckValue(const TemplateNode& node) {
    const bool fits = place_.where == Place::kContent ||
                      (place_.where == Place::kQuoted && node.name->name == "unsubscribe_url");
    if (!fits) {
      Fault(node.offset,
            fmt::format("{} cannot stand here: values stand between tags; only unsubscribe_url may "
                        "be an attribute, in quotes.",
                        node.name->name));
    }
  }

  void ReadLiteral(const TemplateNode& node) {
    const std::string_view literal = node.text;
    for (size_t i = 0; i < literal.size() && !fault_; ++i) {
      switch (place_.where) {
        case Place::kContent:
          i += BeginMarkup(literal.substr(i));
          break;
        case Place::kTagName:
          ReadTagName(literal[i], node.offset + i);
          break;
        case Place::kTag:
          ReadTag(literal[i]);
          break;
        case Place::kQuoted:
          if (literal[i] == place_.quote) {
            place_.where = Place::kTag;
            place_.last = place_.quote;
            place_.quote = 0;
          }
          break;
        case Place::kComment:
          if (literal[i] == '>' && EndsComment(literal.substr(0, i))) {
            place_ = {};
          }
          break;
        case Place::kStyleSheet:
          if (literal.substr(i, 2) == "</") {
            place_ = {.where = Place::kTagName};
          }
          break;
      }
    }
  }

  // Returns how many characters beyond the first it read.
  size_t BeginMarkup(std::string_view rest) {
    if (rest[0] != '<') {
      return 0;
    }
    if (rest.starts_with("<!--")) {
      place_ = {.where = Place::kComment};
      // `<!-->` is a comment, too.
      return 1;
    }
    const char next = rest.size() > 1 ? rest[1] : 0;
    if (next == 0 || IsLetter(next) || next == '/') {
      place_ = {.where = Place::kTagName};
    } else if (next == '!' || next == '?') {
      place_ = {.where = Place::kTag};
    }
    return 0;
  }

  static bool EndsComment(std::string_view before) {
    return before.ends_with("--") || before.ends_with("--!");
  }

  void ReadTagName(char c, size_t offset) {
    if (!IsBlank(c) && c != '>' && (c != '/' || place_.name.empty())) {
      place_.name += Lower(c);
      return;
    }
    if (std::find(kRefused.begin(), kRefused.end(), place_.name) != kRefused.end()) {
      Fault(offset - place_.name.size(),
            fmt::format("A message has no <{}>: mail programs do not show it.", place_.name));
    }
    place_.where = Place::kTag;
    ReadTag(c);
  }

  void ReadTag(char c) {
    if (c == '>') {
      const bool styles = place_.name == kStyle;
      place_ = {.where = styles ? Place::kStyleSheet : Place::kContent};
    } else if ((c == '"' || c == '\'') && place_.last == '=') {
      place_.where = Place::kQuoted;
      place_.quote = c;
    } else if (!IsBlank(c)) {
      place_.last = c;
    }
  }

  const std::string_view text_;
  Place place_;
  std::optional<TemplateFault> fault_;
};

}  // namespace

std::optional<TemplateFault> MarkupFault(std::string_view text,
                                         const std::vector<TemplateNode>& nodes) {
  return Reader(text).Read(nodes);
}

}  // namespace retrace::domain
