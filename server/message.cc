#include "server/message.h"

#include <algorithm>
#include <string_view>
#include <utility>

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

TemplateValues ValuesOf(const MessageValues& values) {
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
      {"actor", values.actor},
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
                                  {"single", values.count == 1}}) {
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

WrittenMessage ShowBuiltIn(std::string_view language, const TemplateValues& values) {
  const BuiltInTemplate& built_in = BuiltInFor(values.texts.at("kind"), language);
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

}  // namespace

WrittenMessage Compose(const domain::View& /*view*/, const std::string& language,
                       const MessageValues& values) {
  return ShowBuiltIn(language, ValuesOf(values));
}

}  // namespace retrace::server
