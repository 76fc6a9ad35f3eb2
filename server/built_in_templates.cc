#include "server/built_in_templates.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "domain/notification_kinds.h"
#include "domain/template_text.h"
#include "fmt/format.h"

namespace retrace::server {
namespace {

// The words of the kind; of one that the language does not know the general ones.
KindWords WordsOf(std::string_view kind, const LanguageWords& language) {
  const KindWords& general = language.kinds.front();
  const auto found = std::find_if(language.kinds.begin(), language.kinds.end(),
                                  [kind](const KindWords& words) { return words.kind == kind; });
  KindWords words = found == language.kinds.end() ? general : *found;
  if (words.correction.empty()) {
    words.correction = general.correction;
  }
  return words;
}

// `{{#name}}inside{{/name}}`.
std::string If(std::string_view name, std::string_view inside) {
  return fmt::format("{{{{#{0}}}}}{1}{{{{/{0}}}}}", name, inside);
}
std::string Unless(std::string_view name, std::string_view inside) {
  return fmt::format("{{{{^{0}}}}}{1}{{{{/{0}}}}}", name, inside);
}
// The tags of the section on lines of their own.
std::string LinesIf(std::string_view name, std::string_view inside) {
  return If(name, fmt::format("\n{}\n", inside)) + "\n";
}

// A single entity that the words name already is not listed.
std::string Listed(const KindWords& words, std::string list) {
  const bool named = words.lead.find("{{title}}") != std::string_view::npos;
  return named ? Unless("single", "\n" + list) + "\n" : std::move(list);
}

std::string_view MessageOf(const KindWords& words) {
  return words.message.empty() ? "{{message}}" : words.message;
}

std::string TextOf(const KindWords& words, const LanguageWords& language) {
  std::string text = LinesIf("recipient_name", fmt::format("{}\n", language.greeting));
  text += LinesIf("correction", fmt::format("{}\n", words.correction));
  text += Unless("correction", fmt::format("\n{}\n\n", words.lead)) + "\n";
  const std::string list = LinesIf("entities", "- {{title}}") +
                           LinesIf("more", fmt::format("- {}", language.more)) + "\n";
  text += Listed(words, LinesIf("listed", list.substr(0, list.size() - 1)));
  text += LinesIf("message", fmt::format("{}\n", MessageOf(words)));
  text += LinesIf("actor", language.actor);
  text += LinesIf("time", language.time);
  text += LinesIf("reason", language.reason);
  text += LinesIf("about", language.about);
  if (!words.next.empty()) {
    text += fmt::format("\n{}\n", words.next);
  }
  text += LinesIf("unsubscribe_url",
                  fmt::format("\n-- \n{}\n{{{{unsubscribe_url}}}}", language.unsubscribe));
  return text;
}

std::string Paragraph(std::string_view text) { return fmt::format("<p>{}</p>", text); }

std::string HtmlOf(const KindWords& words, const LanguageWords& language) {
  std::string html = LinesIf("recipient_name", Paragraph(language.greeting));
  html += LinesIf("correction", Paragraph(words.correction));
  html += Unless("correction", fmt::format("\n{}\n", Paragraph(words.lead))) + "\n";
  const std::string list =
      fmt::format("<ul>\n{}{}</ul>", LinesIf("entities", "<li><bdi>{{title}}</bdi></li>"),
                  LinesIf("more", fmt::format("<li>{}</li>", language.more)));
  html += Listed(words, LinesIf("listed", list));
  html += LinesIf("message", Paragraph(MessageOf(words)));
  html += "<p>\n";
  for (const auto& [name, line] : {std::pair("actor", language.actor),
                                   {"time", language.time},
                                   {"reason", language.reason},
                                   {"about", language.about}}) {
    html += LinesIf(name, fmt::format("{}<br>", line));
  }
  html += "</p>\n";
  if (!words.next.empty()) {
    html += Paragraph(words.next) + "\n";
  }
  html += LinesIf("unsubscribe_url",
                  fmt::format("<hr>\n<p>{}<br>\n<a href=\"{{{{unsubscribe_url}}}}\">{}</a></p>",
                              language.unsubscribe, language.unsubscribe_link));
  return html;
}

BuiltInTemplate Make(std::string_view kind, const LanguageWords& language) {
  const KindWords words = WordsOf(kind, language);
  BuiltInTemplate made;
  made.kind = std::string(kind);
  made.language = std::string(language.language);
  made.subject = If("correction", language.correction_subject) + std::string(words.subject);
  made.text = TextOf(words, language);
  made.html = HtmlOf(words, language);
  return made;
}

}  // namespace

const LanguageWords& WordsFor(std::string_view language) {
  const std::string_view primary = language.substr(0, language.find_first_of("-_"));
  const bool chinese =
      primary.size() == 2 && (primary[0] | 0x20) == 'z' && (primary[1] | 0x20) == 'h';
  return chinese ? ChineseWords() : EnglishWords();
}

std::span<const BuiltInTemplate> BuiltInTemplates() {
  static const auto* const templates = [] {
    auto* made = new std::vector<BuiltInTemplate>;
    for (const domain::NotificationKind& kind : domain::NotificationKinds()) {
      made->push_back(Make(kind.name, EnglishWords()));
      made->push_back(Make(kind.name, ChineseWords()));
    }
    return made;
  }();
  return *templates;
}

const BuiltInTemplate& BuiltInFor(std::string_view kind, std::string_view language) {
  static const auto* const general = new std::map<std::string, BuiltInTemplate, std::less<>>{
      {"en", Make("", EnglishWords())}, {"zh", Make("", ChineseWords())}};
  const std::string_view known = WordsFor(language).language;
  for (const BuiltInTemplate& each : BuiltInTemplates()) {
    if (each.kind == kind && each.language == known) {
      return each;
    }
  }
  return general->find(known)->second;
}

std::string HtmlDocument(std::string_view language, std::string_view title, std::string_view body) {
  const LanguageWords& words = WordsFor(language);
  const std::string_view tag = language == words.language ? words.markup_language : language;
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n"
      "</head>\n<body>\n{}\n</body>\n</html>\n",
      domain::EscapeHtml(tag), domain::EscapeHtml(title), body);
}

}  // namespace retrace::server
