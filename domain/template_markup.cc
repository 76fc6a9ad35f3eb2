#include "domain/template_markup.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "domain/template_parser.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

// What holds a script or another document, asks for input, or is read by rules of its own.
constexpr std::array<std::string_view, 21> kRefused = {
    "applet", "base",      "button", "embed",  "form",    "frame",    "frameset",
    "iframe", "input",     "link",   "math",   "noembed", "noframes", "noscript",
    "object", "plaintext", "script", "select", "svg",     "textarea", "xmp"};
// What is text as far as its own end.
constexpr std::array<std::string_view, 2> kRaw = {"style", "title"};
constexpr std::array<std::string_view, 12> kAddresses = {
    "action",   "background", "cite",   "data", "formaction", "href",
    "longdesc", "ping",       "poster", "src",  "srcset",     "xlink:href"};
constexpr std::array<std::string_view, 5> kSchemes = {"#", "http://", "https://",
                                                      "mailto:", "tel:"};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

template <size_t size>
bool IsIn(const std::array<std::string_view, size>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// What a browser reads at one place.
struct Place {
  enum Where {
    kContent,
    kTagName,
    kTag,        // between attributes
    kAttribute,  // in the name of one
    kNamed,      // behind it
    kEquals,     // behind `=`
    kQuoted,
    kBare,  // a value without quotes
    kComment,
    kDeclaration,  // and what else ends at the first `>`
    kRaw,
  };
  Where where = kContent;
  char quote = 0;           // of kQuoted
  std::string name{};       // of the tag, in lower case; with `/` of one that closes
  std::string attribute{};  // in lower case
  std::string address{};    // the value as far as it was read, of one that is an address
  bool whole = false;       // the value is `unsubscribe_url`, and nothing may be added
  // In content, a comment or raw text: the last characters, in lower case, of which what follows
  // may make markup.
  std::string begun{};
  bool operator==(const Place&) const = default;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) { seen_.end_of_body = text.size(); }

  std::optional<TemplateFault> Read(const std::vector<TemplateNode>& nodes) {
    Walk(nodes);
    if (!fault_ && place_ != Place()) {
      Fault(text_.size(), "The markup ends inside of a tag or a comment.");
    }
    return std::move(fault_);
  }

  const SeenMarkup& seen() const { return seen_; }

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
      if (place_.where == Place::kTagName || place_.where == Place::kAttribute) {
        Fault(node.offset, "The name of a tag or an attribute cannot depend on anything.");
      } else if (!place_.begun.empty()) {
        Fault(node.offset, fmt::format("{} cannot stand behind {}, which would begin or end markup "
                                       "with what follows.",
                                       node.name->name, place_.begun));
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
    const bool link = node.name->name == "unsubscribe_url" && place_.where == Place::kQuoted &&
                      place_.attribute == "href" && place_.address.empty() && !place_.whole;
    const bool fits = link || place_.where == Place::kContent ||
                      (place_.where == Place::kRaw && place_.name == "title");
    if (!fits) {
      Fault(node.offset,
            fmt::format("{} cannot stand here: values stand between tags; only unsubscribe_url may "
                        "be an href, in quotes and alone.",
                        node.name->name));
    }
    place_.whole = link;
  }

  void ReadLiteral(const TemplateNode& node) {
    for (size_t i = 0; i < node.text.size() && !fault_; ++i) {
      ReadCharacter(node.text[i], node.offset + i);
    }
  }

  void ReadCharacter(char c, size_t offset) {
    switch (place_.where) {
      case Place::kContent:
        return ReadContent(c, offset);
      case Place::kTagName:
        return ReadTagName(c, offset);
      case Place::kComment:
        return ReadComment(c);
      case Place::kDeclaration:
        if (c == '>') place_ = {};
        return;
      case Place::kRaw:
        return ReadRaw(c, offset);
      default:
        ReadTag(c, offset);
    }
  }

  void ReadContent(char c, size_t offset) {
    if (place_.begun.empty() || (place_.begun == "<" && c == '<')) {
      place_.begun = c == '<' ? "<" : "";
      begun_at_ = offset;
      return;
    }
    const bool is_new = place_.begun == "<";
    if (IsLetter(c) && (is_new || place_.begun == "</")) {
      place_ = {.where = Place::kTagName, .name = is_new ? "" : "/"};
      ReadTagName(c, offset);
    } else if (is_new && (c == '/' || c == '!')) {
      place_.begun += c;
    } else if (place_.begun == "<!" && c == '-') {
      place_.begun += c;
    } else if (place_.begun == "<!-" && c == '-') {
      place_ = {.where = Place::kComment, .begun = "<!--"};
    } else if (!is_new || c == '?') {
      place_ = {.where = Place::kDeclaration};
      ReadCharacter(c, offset);
    } else {
      place_ = {};
    }
  }

  // As the HTML standard does: `<!-->` and `<!--->` are comments, `--!>` ends one.
  void ReadComment(char c) {
    std::string& begun = place_.begun;
    const bool dashes = begun == "--";
    const bool at_begin = begun == "<!--" || begun == "<!---";
    if (c == '>' && (dashes || at_begin || begun == "--!")) {
      place_ = {};
    } else if (c == '-') {
      begun = begun == "<!--" ? "<!---" : dashes || begun == "-" || at_begin ? "--" : "-";
    } else {
      begun = c == '!' && dashes ? "--!" : "";
    }
  }

  // Text as far as the closing tag of its own name.
  void ReadRaw(char c, size_t offset) {
    const std::string end = "</" + place_.name;
    if (place_.begun == end && (IsBlank(c) || c == '/' || c == '>')) {
      place_ = {.where = Place::kTagName, .name = end.substr(1)};
      return ReadTagName(c, offset);
    }
    place_.begun += Lower(c);
    if (!end.starts_with(place_.begun)) {
      place_.begun = c == '<' ? "<" : "";
    }
  }

  void ReadTagName(char c, size_t offset) {
    if (!IsBlank(c) && c != '>' && c != '/') {
      place_.name += Lower(c);
      return;
    }
    if (IsIn(kRefused, place_.name)) {
      Fault(offset - place_.name.size(),
            fmt::format("A message has no <{}>: mail programs do not show it.", place_.name));
    }
    if (place_.name == "/body") {
      seen_.end_of_body = begun_at_;
    }
    place_.where = Place::kTag;
    ReadTag(c, offset);
  }

  // As the HTML standard reads tags: what looks like a quote is one only behind `name=`.
  void ReadTag(char c, size_t offset) {
    switch (place_.where) {
      case Place::kQuoted:
        return c == place_.quote ? EndAttribute(offset) : AddToValue(c, offset);
      case Place::kBare:
        return IsBlank(c) || c == '>' ? EndAttributeAt(c, offset) : AddToValue(c, offset);
      case Place::kEquals:
        if (c == '>') return EndAttributeAt(c, offset);
        if (!IsBlank(c)) {
          place_.where = c == '"' || c == '\'' ? Place::kQuoted : Place::kBare;
          place_.quote = place_.where == Place::kQuoted ? c : 0;
          if (place_.quote == 0) AddToValue(c, offset);
        }
        return;
      case Place::kAttribute:
      case Place::kNamed:
        if (c == '=') {
          place_.where = Place::kEquals;
        } else if (c == '>' || c == '/') {
          EndAttributeAt(c, offset);
        } else if (IsBlank(c)) {
          place_.where = Place::kNamed;
        } else if (place_.where == Place::kNamed) {
          EndAttributeAt(c, offset);
        } else {
          AddToName(c, offset);
        }
        return;
      default:
        if (c == '>') {
          EndTag();
        } else if (!IsBlank(c) && c != '/') {
          place_.where = Place::kAttribute;
          AddToName(c, offset);
        }
    }
  }

  void AddToName(char c, size_t offset) {
    if (c == '=' || c == '"' || c == '\'' || c == '<') {
      Fault(offset, fmt::format("{} cannot stand in the name of an attribute.", c));
    }
    place_.attribute += Lower(c);
  }

  void AddToValue(char c, size_t offset) {
    if (place_.whole) {
      Fault(offset, "unsubscribe_url must be the whole of the href.");
    }
    if (IsIn(kAddresses, place_.attribute) && !(place_.address.empty() && IsBlank(c))) {
      place_.address += Lower(c);
    }
  }

  void EndAttribute(size_t offset) {
    const std::string_view address = place_.address;
    const bool leads_out = address.empty() || std::any_of(kSchemes.begin(), kSchemes.end(),
                                                          [&](std::string_view scheme) {
                                                            return address.starts_with(scheme);
                                                          });
    if (place_.attribute.starts_with("on") || place_.attribute == "http-equiv") {
      Fault(offset, fmt::format("A message does nothing by itself: {} cannot be an attribute.",
                                place_.attribute));
    } else if (!leads_out) {
      Fault(offset, fmt::format("{} must begin with https://, http://, mailto:, tel: or #.",
                                place_.attribute));
    }
    if (place_.name == "a" && place_.attribute == "href") {
      seen_.links.insert(std::move(place_.address));
    }
    place_ = {.where = Place::kTag, .name = std::move(place_.name)};
  }

  // At a character that is none of it.
  void EndAttributeAt(char c, size_t offset) {
    EndAttribute(offset);
    ReadTag(c, offset);
  }

  void EndTag() {
    if (IsIn(kRaw, place_.name)) {
      place_ = {.where = Place::kRaw, .name = std::move(place_.name)};
    } else {
      place_ = {};
    }
  }

  const std::string_view text_;
  Place place_;
  size_t begun_at_ = 0;  // where the last `<` of content stands
  SeenMarkup seen_;
  std::optional<TemplateFault> fault_;
};

}  // namespace

std::optional<TemplateFault> MarkupFault(std::string_view text,
                                         const std::vector<TemplateNode>& nodes) {
  return Reader(text).Read(nodes);
}

SeenMarkup LookAtMarkup(std::string_view html) {
  TemplateNode whole;
  whole.text = std::string(html);
  Reader reader(html);
  reader.Read({whole});
  return reader.seen();
}

}  // namespace retrace::domain
