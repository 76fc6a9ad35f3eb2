#include "domain/template_text.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <utility>

#include "domain/template_markup.h"
#include "domain/template_parser.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using Type = TemplateName::Type;

constexpr std::array kNames = {
    TemplateName{"about", Type::kText, "What it is about beside entities, e.g. an operation."},
    TemplateName{"actor", Type::kText, "Who caused it."},
    TemplateName{"change_set", Type::kText, "Number of the change set, which can be undone."},
    TemplateName{"corrected_time", Type::kText, "Of a correction: when the recipient was told."},
    TemplateName{"correction", Type::kFlag, "It takes back what the recipient was told."},
    TemplateName{"count", Type::kText, "How many entities it tells of."},
    TemplateName{"entities", Type::kList, "The first ten of them, each with name and title."},
    TemplateName{"kind", Type::kText, "The kind of notification, e.g. customers.deleted."},
    TemplateName{"listed", Type::kFlag, "There are entities to list."},
    TemplateName{"message", Type::kWords, "Words of whoever announces, or what went wrong."},
    TemplateName{"more", Type::kFlag, "There are more entities than are listed."},
    TemplateName{"more_count", Type::kText, "How many more."},
    TemplateName{"name", Type::kText, "Resource name of the entity; outside of a list, the first."},
    TemplateName{"reason", Type::kWords, "Why, in the words of who caused it."},
    TemplateName{"recipient_name", Type::kText, "Who is told."},
    TemplateName{"single", Type::kFlag, "It tells of one entity."},
    TemplateName{"tenant", Type::kText, "The tenant, as lists show it."},
    TemplateName{"time", Type::kText, "When it happened, in the tenant's time zone."},
    TemplateName{"title", Type::kText,
                 "The entity as lists show it; outside of a list, the first."},
    TemplateName{"unsubscribe_url", Type::kText, "Where the recipient switches the kind off."},
};
static_assert(std::is_sorted(kNames.begin(), kNames.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));

// What a character does to the line that it stands in.
enum class Shape {
  kShown,
  kSpace,   // blank, or a control character
  kBreak,   // ends the line
  kHidden,  // turns around what is behind it
};

Shape ShapeOf(UChar32 c) {
  constexpr UChar32 kNextLine = 0x85, kLineSeparator = 0x2028, kParagraphSeparator = 0x2029;
  if (c == '\n' || c == '\r' || c == kNextLine || c == kLineSeparator || c == kParagraphSeparator) {
    return Shape::kBreak;
  }
  if ((c >= 0 && c <= 0x20) || (c >= 0x7f && c <= 0x9f)) {
    return Shape::kSpace;
  }
  const bool turns = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
  return turns ? Shape::kHidden : Shape::kShown;
}

// Calls visit(bytes of a character, its shape).
template <typename Visit>
void EachCharacter(std::string_view text, Visit visit) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t offset = 0; offset < text.size();) {
    const size_t begin = offset;
    UChar32 c = 0;
    U8_NEXT(bytes, offset, text.size(), c);
    visit(text.substr(begin, offset - begin), ShapeOf(c));
  }
}

// Control characters out, but for line breaks and tabs.
std::string Lines(std::string_view text) {
  std::string lines;
  bool after_return = false;
  EachCharacter(text, [&](std::string_view character, Shape shape) {
    const bool pair = after_return && character == "\n";
    if (shape == Shape::kBreak && !pair) {
      lines += '\n';
    } else if (shape == Shape::kShown || character == " " || character == "\t") {
      lines += character;
    }
    after_return = character == "\r";
  });
  return lines;
}

// Values as they are shown in one form, appended as far as there is room.
class Renderer {
 public:
  Renderer(const TemplateValues& values, TemplateForm form, size_t most_bytes)
      : values_(values), form_(form), room_(most_bytes) {}

  // False when there is no more room.
  bool Show(const std::vector<TemplateNode>& nodes, const TemplateValues::Entity* entity) {
    return std::all_of(nodes.begin(), nodes.end(),
                       [&](const TemplateNode& node) { return Show(node, entity); });
  }
  std::string Take() { return std::move(shown_); }

 private:
  bool Show(const TemplateNode& node, const TemplateValues::Entity* entity) {
    switch (node.type) {
      case TemplateNode::kLiteral:
        return Append(node.text);
      case TemplateNode::kValue:
        return Append(Shown(*node.name, entity));
      case TemplateNode::kSection:
        if (node.name->type == Type::kList) {
          return std::all_of(values_.entities.begin(), values_.entities.end(),
                             [&](const auto& each) { return Show(node.children, &each); });
        }
        return !IsSet(*node.name, entity) || Show(node.children, entity);
      case TemplateNode::kInverted:
        return IsSet(*node.name, entity) || Show(node.children, entity);
    }
    return false;
  }

  bool Append(std::string_view text) {
    if (text.size() > room_) {
      return false;
    }
    room_ -= text.size();
    shown_ += text;
    return true;
  }

  std::string_view Value(const TemplateName& name, const TemplateValues::Entity* entity) const {
    if (name.name == "name" || name.name == "title") {
      if (entity == nullptr && values_.entities.empty()) {
        return {};
      }
      const TemplateValues::Entity& of = entity == nullptr ? values_.entities.front() : *entity;
      return name.name == "name" ? of.name : of.title;
    }
    const auto found = values_.texts.find(name.name);
    return found == values_.texts.end() ? std::string_view() : std::string_view(found->second);
  }

  bool IsSet(const TemplateName& name, const TemplateValues::Entity* entity) const {
    return name.type == Type::kFlag   ? values_.flags.contains(name.name)
           : name.type == Type::kList ? !values_.entities.empty()
                                      : !Value(name, entity).empty();
  }

  std::string Shown(const TemplateName& name, const TemplateValues::Entity* entity) const {
    const std::string_view value = Value(name, entity);
    const bool one_line = name.type != Type::kWords || form_ == TemplateForm::kSubject;
    std::string text = one_line ? OneLine(value) : Lines(value);
    if (form_ != TemplateForm::kHtml) {
      return text;
    }
    std::string escaped = EscapeHtml(text);
    for (size_t at = 0; (at = escaped.find('\n', at)) != std::string::npos; at += 5) {
      escaped.replace(at, 1, "<br>\n");
    }
    return escaped;
  }

  const TemplateValues& values_;
  const TemplateForm form_;
  size_t room_;
  std::string shown_;
};

}  // namespace

std::span<const TemplateName> TemplateNames() { return kNames; }

TemplateText::TemplateText(std::string_view text, TemplateForm form) : form_(form) {
  // What some editors begin a file with is no part of it.
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  const size_t most = form == TemplateForm::kSubject ? kMostSubjectBytes
                      : form == TemplateForm::kText  ? kMostTextBytes
                                                     : kMostHtmlBytes;
  const size_t line_break = text.find_first_of("\r\n");
  if (form == TemplateForm::kSubject && line_break != std::string_view::npos) {
    fault_ = FaultAt(text, line_break, "A subject has one line.");
  } else if (text.size() > most) {
    fault_ =
        FaultAt(text, CutUtf8(text, most).size(), fmt::format("It is longer than {} bytes.", most));
  } else {
    fault_ = ParseTemplate(text, nodes_);
  }
  if (!fault_ && form == TemplateForm::kHtml) {
    fault_ = MarkupFault(text, nodes_);
  }
}

std::optional<std::string> TemplateText::Render(const TemplateValues& values,
                                                size_t most_bytes) const {
  Renderer renderer(values, form_, most_bytes);
  if (fault_ || !renderer.Show(nodes_, nullptr)) {
    return std::nullopt;
  }
  std::string shown = renderer.Take();
  return form_ == TemplateForm::kSubject ? OneLine(shown) : std::move(shown);
}

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string OneLine(std::string_view text) {
  std::string line;
  EachCharacter(text, [&line](std::string_view character, Shape shape) {
    if (shape == Shape::kShown) {
      line += character;
    } else if (shape != Shape::kHidden && !line.empty() && line.back() != ' ') {
      line += ' ';
    }
  });
  if (!line.empty() && line.back() == ' ') {
    line.pop_back();
  }
  return line;
}

}  // namespace retrace::domain
