#include "server/message.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "domain/status_macros.h"
#include "domain/template.h"
#include "domain/template_markup.h"
#include "domain/template_text.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"
#include "server/built_in_templates.h"

namespace retrace::server {
namespace {

using domain::TemplateForm;
using domain::TemplateText;
using domain::TemplateValues;

constexpr size_t kMostEntities = 10;
constexpr size_t kMostValueBytes = 8 << 10;
// Mail programs show no more of a subject.
constexpr size_t kMostSubjectShown = 300;
constexpr size_t kMostShown = 1 << 20;

std::string_view IdOf(std::string_view name) { return name.substr(name.rfind('/') + 1); }

TemplateValues ValuesOf(const MessageValues& values, std::string_view language) {
  TemplateValues shown;
  for (const MessageValues::Entity& entity : values.entities) {
    if (shown.entities.size() < kMostEntities) {
      const std::string_view title = entity.title.empty() ? IdOf(entity.name) : entity.title;
      shown.entities.push_back({entity.name, std::string(domain::CutUtf8(title, kMostValueBytes))});
    }
  }
  const int64_t more = values.count - static_cast<int64_t>(shown.entities.size());
  shown.texts = {
      {"about", values.about},
      {"actor", values.by_server ? std::string(WordsFor(language).server) : values.actor},
      {"change_set", values.change_set == 0 ? "" : fmt::format("{}", values.change_set)},
      {"corrected_time", values.corrected_time},
      {"count", fmt::format("{}", values.count)},
      {"kind", values.kind},
      {"message", values.message},
      {"more_count", more > 0 ? fmt::format("{}", more) : ""},
      {"reason", values.reason},
      {"recipient_name", values.recipient_name},
      {"tenant", values.tenant},
      {"time", values.time},
      {"unsubscribe_url", values.unsubscribe_url},
  };
  for (auto& [name, text] : shown.texts) {
    text = std::string(domain::CutUtf8(text, kMostValueBytes));
  }
  for (const auto& [flag, set] : {std::pair("correction", values.correction),
                                  {"listed", !shown.entities.empty()},
                                  {"more", more > 0},
                                  {"single", values.count == 1 && !shown.entities.empty()}}) {
    if (set) {
      shown.flags.emplace(flag);
    }
  }
  return shown;
}

std::string Shortened(std::string subject) {
  constexpr std::string_view kCut = "…";
  if (subject.size() > kMostSubjectShown) {
    subject = domain::CutUtf8(subject, kMostSubjectShown - kCut.size());
    subject += kCut;
  }
  return subject;
}

WrittenMessage ShowBuiltIn(std::string_view language, const MessageValues& given) {
  const BuiltInTemplate& built_in = BuiltInFor(given.kind, language);
  const TemplateValues values = ValuesOf(given, language);
  const auto show = [&values](const std::string& text, TemplateForm form) {
    return TemplateText(text, form).Render(values, kMostShown).value_or("");
  };
  WrittenMessage message;
  message.language = built_in.language;
  message.subject = Shortened(show(built_in.subject, TemplateForm::kSubject));
  message.text = show(built_in.text, TemplateForm::kText);
  message.html =
      HtmlDocument(built_in.language, message.subject, show(built_in.html, TemplateForm::kHtml));
  return message;
}

// Plain text as markup: blank lines part paragraphs.
std::string Paragraphs(const std::string& text) {
  std::string html = "<p>";
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
    const bool blank = line.find_first_not_of(" \t\r") == std::string::npos;
    if (!blank) {
      html += (html.ends_with("<p>") ? "" : "<br>\n") + domain::EscapeHtml(line);
    } else if (!html.ends_with("<p>")) {
      html += "</p>\n<p>";
    }
  }
  if (html.ends_with("<p>")) {
    html.resize(html.size() - (html.size() > 3 ? 4 : 3));
  } else {
    html += "</p>";
  }
  return html;
}

bool IsDocument(std::string_view html) {
  const size_t begin = html.find_first_not_of(" \t\r\n");
  const std::string head = absl::AsciiStrToLower(
      std::string(begin == std::string_view::npos ? "" : html.substr(begin, 9)));
  return head.starts_with("<!doctype") || head.starts_with("<html");
}

// A recipient can always switch off what can be switched off, also where the template forgets it.
void AddUnsubscribe(std::string_view language, const std::string& url, std::string& text,
                    std::string& html) {
  if (url.empty()) {
    return;
  }
  const LanguageWords& words = WordsFor(language);
  if (text.find(url) == std::string::npos) {
    text += fmt::format("\n\n-- \n{}\n{}\n", words.unsubscribe, url);
  }
  const std::string escaped = domain::EscapeHtml(url);
  const domain::SeenMarkup seen = domain::LookAtMarkup(html);
  if (!seen.links.contains(absl::AsciiStrToLower(escaped))) {
    html.insert(seen.end_of_body, fmt::format("\n<hr>\n<p>{}<br>\n<a href=\"{}\">{}</a></p>\n",
                                              words.unsubscribe, escaped, words.unsubscribe_link));
  }
}

// The message in the words of the template; or none, and why.
std::optional<WrittenMessage> ShowTemplate(const v1::Template& wording,
                                           const TemplateValues& values, std::string& fault) {
  const auto faults = domain::FaultsOf(wording.subject(), wording.text(), wording.html());
  if (!faults.empty()) {
    const domain::TemplateFault& first = faults.front().fault;
    fault = fmt::format("{}, line {}, column {}: {}", faults.front().field, first.line,
                        first.column, first.problem);
    return std::nullopt;
  }
  const auto show = [&values](const std::string& text, TemplateForm form) {
    return TemplateText(text, form).Render(values, kMostShown);
  };
  const auto subject = show(wording.subject(), TemplateForm::kSubject);
  const auto text = show(wording.text(), TemplateForm::kText);
  const auto html = show(wording.html(), TemplateForm::kHtml);
  if (!subject || !text || !html) {
    fault = fmt::format("With these values it is longer than {} bytes.", kMostShown);
    return std::nullopt;
  }
  if (subject->empty()) {
    fault = "With these values the subject is empty.";
    return std::nullopt;
  }
  WrittenMessage message;
  message.language = wording.language();
  message.subject = Shortened(*subject);
  message.text = *text;
  message.html = html->empty() ? Paragraphs(*text) : *html;
  AddUnsubscribe(message.language, values.texts.at("unsubscribe_url"), message.text, message.html);
  if (!IsDocument(message.html)) {
    message.html = HtmlDocument(message.language, message.subject, message.html);
  }
  return message;
}

// `zh-Hans-CN`, `zh-Hans`, `zh`.
std::vector<std::string> LessAndLessExact(std::string language) {
  std::vector<std::string> languages;
  std::replace(language.begin(), language.end(), '_', '-');
  while (!language.empty()) {
    languages.push_back(language);
    const size_t cut = language.rfind('-');
    language.resize(cut == std::string::npos ? 0 : cut);
  }
  return languages;
}

// The tenant's template for the language, or the one nearest to it; the row is null when there is
// none.
absl::StatusOr<domain::Found> FindNearest(const std::string& kind, const std::string& language,
                                          const domain::View& view) {
  const std::vector<std::string> languages = LessAndLessExact(language);
  for (const std::string& each : languages) {
    RETRACE_ASSIGN(domain::Found found, domain::FindTemplate(kind, each, view));
    if (found.row != nullptr) {
      return found;
    }
  }
  if (languages.empty()) {
    return domain::Found{};
  }
  return domain::FindOnlyVariant(kind, languages.back(), view);
}

// Whether Retrace has words in it.
bool IsSpoken(const std::string& language) {
  const std::vector<std::string> languages = LessAndLessExact(language);
  return !languages.empty() &&
         WordsFor(language).language == absl::AsciiStrToLower(languages.back());
}

}  // namespace

WrittenMessage ComposeBy(const v1::Template& wording, const MessageValues& values) {
  std::string fault;
  std::optional<WrittenMessage> message =
      ShowTemplate(wording, ValuesOf(values, wording.language()), fault);
  if (!message) {
    message = ShowBuiltIn(wording.language(), values);
    message->fault = std::move(fault);
  }
  return *std::move(message);
}

WrittenMessage Compose(const domain::View& view, const std::vector<std::string>& languages,
                       const MessageValues& values) {
  std::vector<std::string> wanted = languages;
  wanted.emplace_back(EnglishWords().language);
  auto language = wanted.begin();
  std::string fault;
  while (true) {
    const auto found = FindNearest(values.kind, *language, view);
    if (!found.ok()) {
      fault = found.status().ToString();
      break;
    }
    if (found->row != nullptr) {
      WrittenMessage message = ComposeBy(found->row->As<v1::Template>(), values);
      if (!message.fault.empty()) {
        message.fault = fmt::format("templates/{}: {}", found->entity.id, message.fault);
      }
      return message;
    }
    // What Retrace ships in it is nearer than the tenant's own words in the next.
    if (IsSpoken(*language)) {
      break;
    }
    ++language;
  }
  WrittenMessage message = ShowBuiltIn(*language, values);
  message.fault = std::move(fault);
  return message;
}

}  // namespace retrace::server
