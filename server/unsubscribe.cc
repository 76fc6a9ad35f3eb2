#include "server/unsubscribe.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "domain/commands.h"
#include "domain/notification_kinds.h"
#include "domain/recipient.h"
#include "domain/serialize.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/store/v1/notifications.pb.h"
#include "server/message_values.h"
#include "server/numbers.h"
#include "server/row_view.h"
#include "server/sealed_token.h"
#include "server/system_log.h"

namespace retrace::server {
namespace {

using http::UnsubscribeAnswer;
using http::UnsubscribeCall;
using Done = std::function<void(UnsubscribeAnswer)>;

constexpr std::string_view kPurpose = "unsubscribe";
constexpr size_t kLongestToken = 600;
constexpr size_t kCost = 8;

// What the page says, in one language.
struct Words {
  std::string_view language;
  std::string_view title;
  std::string_view on;          // before it is switched off
  std::string_view off;         // afterwards
  std::string_view suppressed;  // on, but nothing goes there in any case
  std::string_view switch_off;
  std::string_view switch_on;
  std::string_view unknown;
  std::string_view what;  // a POST that asks for nothing known
  std::string_view later;
};
constexpr Words kEnglish = {
    "en",
    "E-mail notifications",
    "You get e-mail about this:",
    "You get no e-mail about this any more:",
    "No e-mail is sent to this address at the moment. When it is again, you get it about this:",
    "Unsubscribe",
    "Subscribe again",
    "This link is not complete or not ours. Take it from the e-mail once more.",
    "This request says neither to unsubscribe nor to subscribe.",
    "This cannot be done at the moment. Please try again in a minute."};
constexpr Words kChinese = {"zh-CN",
                            "邮件通知",
                            "您会收到以下内容的邮件：",
                            "您不会再收到以下内容的邮件：",
                            "目前不会向此地址发送邮件。恢复后，您会收到以下内容的邮件：",
                            "退订",
                            "重新订阅",
                            "此链接不完整或不是由我们发出。请从邮件中重新打开。",
                            "此请求既没有要求退订，也没有要求订阅。",
                            "目前无法完成，请稍后再试。"};

// Null when the page is not written in it.
const Words* FindWords(absl::string_view language) {
  const auto primary = [](std::string_view tag) { return tag.substr(0, tag.find_first_of("-_")); };
  const std::string wanted = absl::AsciiStrToLower(language);
  for (const Words* words : {&kEnglish, &kChinese}) {
    if (primary(words->language) == primary(wanted)) {
      return words;
    }
  }
  return nullptr;
}

// How much an entry of Accept-Language is wanted, from 0 to 1, by what stands behind its language.
double WeightOf(absl::string_view parameter) {
  double weight = 1;
  parameter = absl::StripAsciiWhitespace(parameter);
  if (absl::StartsWithIgnoreCase(parameter, "q=") &&
      !absl::SimpleAtod(parameter.substr(2), &weight)) {
    weight = 0;
  }
  return weight;
}

// In the language that the browser asks for most (RFC 9110, section 12.5.4), or else the first that
// the recipient reads.
const Words& WordsFor(std::string_view accept_language,
                      const std::vector<std::string>& languages = {}) {
  const Words* best = nullptr;
  double most = 0;
  const absl::string_view accepted(accept_language.data(), accept_language.size());
  for (const absl::string_view entry : absl::StrSplit(accepted, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(entry, absl::MaxSplits(';', 1));
    const Words* words = FindWords(absl::StripAsciiWhitespace(parts.first));
    const double weight = WeightOf(parts.second);
    if (words != nullptr && weight > most) {
      best = words;
      most = weight;
    }
  }
  for (auto own = languages.begin(); best == nullptr && own != languages.end(); ++own) {
    best = FindWords(*own);
  }
  return best == nullptr ? kEnglish : *best;
}

UnsubscribeAnswer Page(int status, const Words& words, std::string_view text, std::string_view kind,
                       std::string_view action, std::string_view button) {
  std::string body = fmt::format(
      "<!doctype html>\n<html lang=\"{0}\">\n<head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>{1}</title></head>\n"
      "<body>\n<main>\n<h1>{1}</h1>\n<p>{2}</p>\n",
      words.language, words.title, text);
  if (const auto* known = domain::FindNotificationKind(kind); known != nullptr) {
    body += fmt::format("<p><strong>{}</strong></p>\n",
                        &words == &kChinese ? known->description_zh : known->description);
  }
  if (!action.empty()) {
    body += fmt::format(
        "<form method=\"post\"><button name=\"action\" value=\"{}\">{}</button></form>\n", action,
        button);
  }
  body += "</main>\n</body>\n</html>\n";
  return {.status = status, .body = std::move(body)};
}

UnsubscribeAnswer Unknown(const Words& words) {
  return Page(404, words, words.unknown, "", "", "");
}
UnsubscribeAnswer Later(const Words& words) { return Page(503, words, words.later, "", "", ""); }

// How things stand, with the button that changes it.
UnsubscribeAnswer Standing(const Words& words, std::string_view kind, bool off, bool suppressed) {
  return off ? Page(200, words, words.off, kind, "subscribe", words.switch_on)
             : Page(200, words, suppressed ? words.suppressed : words.on, kind, "unsubscribe",
                    words.switch_off);
}

// What a POST asks for.
struct Wish {
  bool off = false;
  std::string_view source;
};
std::optional<Wish> WishOf(const UnsubscribeCall& call) {
  const auto is = [&call](const char* field, std::string_view value) {
    const auto found = call.form.find(field);
    return found != call.form.end() && found->second == value;
  };
  if (is("List-Unsubscribe", "One-Click")) return Wish{true, "ONE_CLICK"};
  if (is("action", "unsubscribe")) return Wish{true, "PAGE"};
  if (is("action", "subscribe")) return Wish{false, "PAGE"};
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::string> UnsubscribeToken(Ledger& ledger, const Tenant& tenant,
                                             const v1::Delivery& delivery) {
  store::v1::UnsubscribeToken token;
  token.set_recipient(delivery.recipient());
  token.set_channel(delivery.channel());
  token.set_kind(delivery.kind());
  RETRACE_ASSIGN(const std::string sealed, SealToken(ledger.keys(), tenant.number, kPurpose,
                                                     domain::SerializeDeterministically(token)));
  return fmt::format("{:x}.{}", tenant.number, sealed);
}

absl::StatusOr<std::optional<Unsubscribe::Named>> Unsubscribe::Open(std::string_view token) const {
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos || token.size() > kLongestToken) {
    return std::nullopt;
  }
  const auto number = ReadNumber<uint32_t>(token.substr(0, dot), /*radix=*/16);
  Named named;
  named.tenant = number.has_value() ? ledger_.tenants().Find(*number) : nullptr;
  if (named.tenant == nullptr) {
    return std::nullopt;
  }
  RETRACE_ASSIGN(const std::optional<std::string> bytes,
                 OpenToken(ledger_.keys(), named.tenant->number, kPurpose, token.substr(dot + 1)));
  if (!bytes.has_value() || !named.token.ParseFromString(*bytes)) {
    return std::nullopt;
  }
  const store::v1::UnsubscribeToken& of = named.token;
  const domain::NotificationKind* known = domain::FindNotificationKind(of.kind());
  if (known == nullptr || known->transactional) {
    return std::nullopt;
  }
  const RowView view(ledger_.rows(), named.tenant->number, named.tenant->visible);
  RETRACE_ASSIGN(named.off, domain::IsSwitchedOff(of.recipient(), of.channel(), of.kind(), view,
                                                  named.tenant->id));
  RETRACE_ASSIGN(named.suppressed,
                 domain::IsSuppressed(of.recipient(), of.channel(), view, named.tenant->id));
  RETRACE_ASSIGN(named.languages, LanguagesOf(ledger_, principals_, *named.tenant, of.recipient()));
  return named;
}

UnsubscribeAnswer Unsubscribe::Show(const UnsubscribeCall& call) const {
  const auto named = Open(call.token);
  if (!named.ok()) return Later(WordsFor(call.accept_language));
  if (!named->has_value()) return Unknown(WordsFor(call.accept_language));
  return Standing(WordsFor(call.accept_language, (*named)->languages), (*named)->token.kind(),
                  (*named)->off, (*named)->suppressed);
}

void Unsubscribe::Act(const UnsubscribeCall& call, Done done) const {
  const auto named = Open(call.token);
  if (!named.ok()) return done(Later(WordsFor(call.accept_language)));
  if (!named->has_value()) return done(Unknown(WordsFor(call.accept_language)));
  const store::v1::UnsubscribeToken& token = (*named)->token;
  const Words& words = WordsFor(call.accept_language, (*named)->languages);
  const std::optional<Wish> wish = WishOf(call);
  if (!wish.has_value()) {
    return done(Page(400, words, words.what, token.kind(), "", ""));
  }
  const auto choose = std::make_shared<store::v1::ChooseForContactPoint>();
  choose->set_recipient(token.recipient());
  choose->set_channel(token.channel());
  choose->set_kind(token.kind());
  choose->set_off(wish->off);
  choose->set_source(std::string(wish->source));
  choose->set_client_address(call.client_address);
  Command command;
  command.tenant = (*named)->tenant;
  command.principal = ServerItself();
  command.method = "retraced.Unsubscribe";
  command.cost = kCost;
  command.decide = [choose](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(*choose, draft, context);
  };
  command.done = [choose, &words, suppressed = (*named)->suppressed,
                  done = std::move(done)](const CommandResult& result) {
    done(result.status.ok() ? Standing(words, choose->kind(), choose->off(), suppressed)
                            : Later(words));
  };
  sequencer_.Submit(std::move(command));
}

void Unsubscribe::Handle(const UnsubscribeCall& call, Done done) const {
  auto work = [this, call, done] {
    if (call.method == "POST") {
      Act(call, done);
    } else {
      done(Show(call));
    }
  };
  if (!pool_.Run(std::move(work))) {
    done(Later(WordsFor(call.accept_language)));
  }
}

}  // namespace retrace::server
