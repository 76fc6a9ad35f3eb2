#include "clients/cli/session.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "clients/cli/moment.h"
#include "clients/cli/text_width.h"
#include "clients/cli/time_text.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string FirstOf(std::initializer_list<std::string> candidates) {
  for (const std::string& candidate : candidates) {
    if (!candidate.empty()) return candidate;
  }
  return "";
}

absl::StatusOr<ContextSettings> ContextOf(const Configuration& configuration,
                                          const std::string& name) {
  if (name.empty()) return ContextSettings();
  const auto found = configuration.contexts.find(name);
  if (found == configuration.contexts.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no context `", name, "`; `retrace context list` shows those that there are"));
  }
  return found->second;
}

// A token and the file of one are one setting: whichever comes first hides both of the others.
absl::StatusOr<std::string> ChooseToken(std::initializer_list<ContextSettings> candidates) {
  for (const ContextSettings& candidate : candidates) {
    if (!candidate.token.empty()) return candidate.token;
    if (!candidate.token_file.empty()) return ReadTokenFile(candidate.token_file);
  }
  return "";
}

absl::StatusOr<absl::Duration> ParseTimeout(const char* flag, const std::string& text) {
  absl::Duration timeout;
  if (absl::ParseDuration(text, &timeout) && timeout > absl::ZeroDuration()) return timeout;
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": `", text, "` is no duration; write 10s, 2m or 500ms"));
}

}  // namespace

absl::StatusOr<ContextSettings> Session::Settings() {
  if (settings_) return *settings_;
  absl::StatusOr<Configuration> configuration = ReadConfiguration(ConfigurationPath());
  if (!configuration.ok()) return configuration.status();
  const ContextSettings flag{flags.endpoint, flags.tenant, flags.token, flags.token_file};
  const ContextSettings environment{Variable("RETRACE_ENDPOINT"), Variable("RETRACE_TENANT"),
                                    Variable("RETRACE_TOKEN"), ""};
  // A context named on the command line goes before the environment, like every other flag.
  absl::StatusOr<ContextSettings> named = ContextOf(*configuration, flags.context);
  if (!named.ok()) return named.status();
  absl::StatusOr<ContextSettings> current =
      ContextOf(*configuration, FirstOf({Variable("RETRACE_CONTEXT"), configuration->current}));
  if (!current.ok()) return current.status();
  ContextSettings chosen;
  chosen.endpoint = FirstOf(
      {flag.endpoint, named->endpoint, environment.endpoint, current->endpoint, kDefaultEndpoint});
  chosen.tenant = FirstOf({flag.tenant, named->tenant, environment.tenant, current->tenant});
  absl::StatusOr<std::string> token = ChooseToken({flag, *named, environment, *current});
  if (!token.ok()) return token.status();
  chosen.token = *token;
  settings_ = chosen;
  return chosen;
}

absl::StatusOr<client::Client*> Session::Client() {
  if (client_) return client_.get();
  absl::StatusOr<ContextSettings> settings = Settings();
  if (!settings.ok()) return settings.status();
  absl::StatusOr<absl::Duration> timeout = ParseTimeout("--timeout", flags.timeout);
  if (!timeout.ok()) return timeout.status();
  absl::StatusOr<absl::Duration> patience =
      ParseTimeout("--connect-timeout", flags.connect_timeout);
  if (!patience.ok()) return patience.status();
  absl::StatusOr<std::unique_ptr<client::Client>> client = client::Client::Connect(
      {.endpoint = settings->endpoint,
       .token = settings->token,
       .timeout = *timeout,
       .on_retry = [this](const absl::Status& failure) { NoteRetry(failure); }});
  if (!client.ok()) return client.status();
  absl::Status connected = (*client)->AwaitConnection(std::min(*patience, *timeout));
  if (!connected.ok()) return connected;
  client_ = *std::move(client);
  return client_.get();
}

void Session::NoteRetry(const absl::Status& failure) {
  if (std::exchange(retry_noted_, true)) return;
  err_ << "retrace: " << Printable(failure.message()) << "; trying again for up to "
       << flags.timeout << " (--timeout)\n";
}

absl::StatusOr<std::string> Session::Tenant() {
  absl::StatusOr<ContextSettings> settings = Settings();
  if (!settings.ok()) return settings.status();
  const std::string id(absl::StripPrefix(settings->tenant, "tenants/"));
  if (id.empty()) {
    return absl::InvalidArgumentError(
        "which tenant? Say --tenant ID, set RETRACE_TENANT, or `retrace context set`");
  }
  return absl::StrCat("tenants/", id);
}

absl::Status Session::Run(Exchange& exchange, const client::CallOptions& call) {
  absl::StatusOr<client::Client*> client = Client();
  if (!client.ok()) return client.status();
  if (absl::Status status = Fill(*exchange.request); !status.ok()) return status;
  const absl::Status status =
      (*client)->CallMethod(*exchange.method, *exchange.request, exchange.response.get(), call);
  if (status.ok()) NoteAnswered(*exchange.response);
  return status;
}

absl::Status Session::Fill(Message& request) {
  const auto* options_field = FieldOf(request, "options");
  if (options_field != nullptr &&
      options_field->message_type() == v1::CommandOptions::descriptor()) {
    auto& options = static_cast<v1::CommandOptions&>(*MutableSub(request, "options"));
    if (options.reason().empty()) options.set_reason(flags.reason);
    if (options.change_set() == 0) options.set_change_set(flags.change_set);
    if (options.request_id().empty()) options.set_request_id(flags.request_id);
    options.set_on_behalf_of(flags.on_behalf_of);
    options.set_correlation_id(flags.correlation_id);
  }
  const auto* as_of_field = FieldOf(request, "as_of");
  if (as_of_field == nullptr || request.GetReflection()->HasField(request, as_of_field)) {
    return absl::OkStatus();
  }
  absl::StatusOr<v1::AsOf> moment = AsOf();
  if (!moment.ok()) return moment.status();
  if (moment->moment_case() != v1::AsOf::MOMENT_NOT_SET) {
    MutableSub(request, "as_of")->CopyFrom(*moment);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::AsOf> Session::AsOf() {
  if (moment_) return *moment_;
  if (flags.as_of.empty()) return v1::AsOf();
  absl::StatusOr<Moment> moment = ParseMoment(flags.as_of, [this] { return TenantZone(); });
  if (!moment.ok()) return moment.status();
  if (!moment->understood.empty()) err_ << "as of " << moment->understood << '\n';
  moment_ = moment->as_of;
  return *moment_;
}

void Session::PinTo(int64_t position) {
  v1::AsOf as_of;
  as_of.set_position(position);
  moment_ = as_of;
}

void Session::NoteAnswered(const Message& response) {
  const auto* field = FieldOf(response, "answered");
  if (field == nullptr || flags.as_of.empty() || answered_noted_) return;
  answered_noted_ = true;
  const auto& answered = static_cast<const v1::Answered&>(Sub(response, "answered"));
  err_ << "answered at position " << answered.position();
  if (answered.has_commit_time()) err_ << ", committed " << ExactTime(answered.commit_time());
  err_ << '\n';
}

absl::Status Session::LoadPolicy() {
  if (policy_loaded_) return absl::OkStatus();
  absl::StatusOr<std::string> tenant = Tenant();
  if (!tenant.ok()) return tenant.status();
  absl::StatusOr<client::Client*> client = Client();
  if (!client.ok()) return client.status();
  Exchange exchange = NewExchange("Tenants.GetPolicy");
  SetText(*exchange.request, "name", absl::StrCat(*tenant, "/policy"));
  // The policy of now, whatever moment is asked about: zones are how the asker reads clocks.
  const absl::Status status =
      (*client)->CallMethod(*exchange.method, *exchange.request, exchange.response.get());
  if (!status.ok()) return status;
  const auto& policy = static_cast<const v1::GetPolicyResponse&>(*exchange.response).policy();
  time_zone_ = policy.time_zone();
  currency_ = policy.currency_code();
  policy_loaded_ = true;
  return absl::OkStatus();
}

absl::StatusOr<absl::TimeZone> Session::TenantZone() {
  if (absl::Status status = LoadPolicy(); !status.ok()) return status;
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(time_zone_, &zone)) {
    return absl::InvalidArgumentError(
        absl::StrCat("this machine does not know the tenant's time zone `", time_zone_,
                     "`; write the time with an offset, e.g. 2026-03-31T18:00:00+08:00"));
  }
  return zone;
}

absl::StatusOr<std::string> Session::TenantCurrency() {
  if (absl::Status status = LoadPolicy(); !status.ok()) return status;
  return currency_;
}

bool Session::color_out() const {
  return out_is_terminal && !flags.no_color && Variable("NO_COLOR").empty();
}

bool Session::color_err() const {
  return err_is_terminal && !flags.no_color && Variable("NO_COLOR").empty();
}

absl::StatusOr<OutputStyle> Session::Style() const {
  absl::StatusOr<OutputFormat> format = ParseOutputFormat(flags.output);
  if (!format.ok()) return format.status();
  return OutputStyle{.format = *format,
                     .table = {.color = color_out(), .max_width = terminal_width}};
}

void Session::NoteOutcome(const v1::Outcome& outcome) {
  if (outcome.repeated()) {
    err_ << "already done: this repeats a request that was answered at position "
         << outcome.position() << '\n';
  } else if (outcome.commit_id().empty()) {
    err_ << "nothing to change at position " << outcome.position() << '\n';
  } else {
    err_ << "committed at position " << outcome.position() << ", change set "
         << outcome.change_set() << '\n';
  }
  for (const std::string& note : outcome.notes()) err_ << "note: " << note << '\n';
}

}  // namespace retrace::cli
