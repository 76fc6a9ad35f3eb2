#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "domain/normalise.h"
#include "domain/notification_kinds.h"
#include "domain/phone.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/template.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"
#include "retrace/v1/templates.pb.h"
#include "server/built_in_templates.h"
#include "server/message.h"
#include "server/message_values.h"
#include "server/moment.h"
#include "server/row_view.h"
#include "server/services.h"

namespace retrace::server {
namespace {

using domain::FieldFaults;
using domain::KindNumber;

constexpr int64_t kMostCount = 1'000'000;
constexpr int64_t kMostListed = 10;
constexpr std::string_view kReadNotifications = "notifications.read";

v1::Template ToTemplate(const BuiltInTemplate& built_in) {
  v1::Template shown;
  shown.set_kind(built_in.kind);
  shown.set_language(built_in.language);
  shown.set_subject(built_in.subject);
  shown.set_text(built_in.text);
  shown.set_html(built_in.html);
  return shown;
}

v1::DescribeTemplatesResponse::Name::Use UseOf(domain::TemplateName::Type type) {
  using Name = v1::DescribeTemplatesResponse::Name;
  switch (type) {
    case domain::TemplateName::Type::kText:
    case domain::TemplateName::Type::kWords:
      return Name::VALUE;
    case domain::TemplateName::Type::kFlag:
      return Name::FLAG;
    case domain::TemplateName::Type::kList:
      return Name::LIST;
  }
  return Name::USE_UNSPECIFIED;
}

absl::Status NoSuchKind(const std::string& kind) {
  FieldFaults faults("");
  faults.Add("kind", fmt::format("There is no kind of notification {}; `retrace templates kinds` "
                                 "lists them.",
                                 domain::QuotedExcerpt(kind)));
  return faults.ToStatus();
}

absl::StatusOr<v1::DescribeTemplatesResponse> Describe(
    const v1::DescribeTemplatesRequest& request) {
  if (!request.kind().empty() && domain::FindNotificationKind(request.kind()) == nullptr) {
    return NoSuchKind(request.kind());
  }
  const auto wanted = [&request](std::string_view kind) {
    return request.kind().empty() || request.kind() == kind;
  };
  v1::DescribeTemplatesResponse response;
  for (const domain::NotificationKind& kind : domain::NotificationKinds()) {
    if (wanted(kind.name)) {
      auto& shown = *response.add_kinds();
      shown.set_name(std::string(kind.name));
      shown.set_description(std::string(kind.description));
      shown.set_transactional(kind.transactional);
    }
  }
  for (const domain::TemplateName& name : domain::TemplateNames()) {
    auto& shown = *response.add_names();
    shown.set_name(std::string(name.name));
    shown.set_use(UseOf(name.type));
    shown.set_meaning(std::string(name.meaning));
  }
  for (const BuiltInTemplate& each : BuiltInTemplates()) {
    if (wanted(each.kind)) {
      *response.add_built_in() = ToTemplate(each);
    }
  }
  return response;
}

// What notifications tell beside who, when and why, by how their kinds begin.
struct Sample {
  std::string_view kind;
  bool lists = false;      // tells of entities
  bool by_server = false;  // nobody causes it
  std::string_view about;  // below the tenant
  std::string_view message;
  std::string_view message_zh;
};
constexpr std::array kSamples = {
    Sample{.kind = "backups.", .by_server = true},
    Sample{.kind = "bin.",
           .lists = true,
           .by_server = true,
           .message = "2026-03-09",
           .message_zh = "2026-03-09"},
    Sample{.kind = "customers.", .lists = true},
    Sample{.kind = "followers.",
           .by_server = true,
           .about = "followers/notifications",
           .message = "The event could not be read.",
           .message_zh = "The event could not be read."},
    Sample{.kind = "operations.", .about = "operations/sample"},
    Sample{.kind = "plans.",
           .about = "announcements/sample",
           .message = "Please look through it by Friday.",
           .message_zh = "请在周五之前查看。"},
    Sample{.kind = "webhooks.",
           .by_server = true,
           .about = "webhooks/sample",
           .message = "answered 410",
           .message_zh = "answered 410"},
};

const Sample& SampleOf(std::string_view kind) {
  const auto* found = std::find_if(kSamples.begin(), kSamples.end(), [kind](const Sample& sample) {
    return kind.starts_with(sample.kind);
  });
  static constexpr Sample kAny = {.lists = true};
  return found == kSamples.end() ? kAny : *found;
}

// What a notification of the kind could tell.
absl::StatusOr<MessageValues> SampleValues(const Backend& backend, const Tenant& tenant,
                                           const v1::PreviewTemplateRequest& request,
                                           const std::string& kind, const std::string& language) {
  const bool chinese = &WordsFor(language) == &ChineseWords();
  const Sample& sample = SampleOf(kind);
  MessageValues values;
  values.kind = kind;
  RETRACE_ASSIGN(values.tenant, TitleOfTenant(*backend.ledger, tenant));
  values.recipient_name = chinese ? "王芳" : "Anna Snelling";
  values.by_server = sample.by_server;
  values.actor = chinese ? "李伟" : "Cecily Lampkin";
  values.reason = sample.by_server ? "" : chinese ? "客户已停业" : "Closed down";
  values.message = chinese ? sample.message_zh : sample.message;
  if (!sample.about.empty()) {
    values.about = fmt::format("tenants/{}/{}", tenant.id, sample.about);
  }
  values.time = "2026-03-02 14:03 (UTC)";
  values.change_set = 1204;
  if (sample.lists) {
    values.count = request.count() == 0 ? 1 : request.count();
  }
  for (int64_t i = 1; i <= std::min(values.count, kMostListed); ++i) {
    values.entities.push_back({fmt::format("tenants/{}/customers/sample-{}", tenant.id, i),
                               fmt::format("{} {}", chinese ? "示例客户" : "Sample & Sons", i)});
  }
  values.correction = request.correction();
  if (values.correction) {
    values.corrected_time = "2026-03-01 09:30 (UTC)";
  }
  const domain::NotificationKind* known = domain::FindNotificationKind(kind);
  if (known != nullptr && !known->transactional) {
    values.unsubscribe_url = "https://crm.example/u/sample";
  }
  return values;
}

// The values of a notification of the tenant.
absl::StatusOr<MessageValues> RealValues(const Backend& backend, const Principals& principals,
                                         const QueryCall& call, const std::string& name,
                                         const RowView& view) {
  RETRACE_ASSIGN(const domain::ResourceName parsed, domain::ParseName(name, "notification"));
  const std::string_view collection = domain::KindOf(KindNumber::kNotification).collection;
  if (parsed.collection != collection || parsed.tenant != call.tenant->id) {
    FieldFaults faults("");
    faults.Add("notification",
               fmt::format("Must look like tenants/{}/{}/ID.", call.tenant->id, collection));
    return faults.ToStatus();
  }
  RETRACE_ASSIGN(const domain::RowPtr row, view.Get({KindNumber::kNotification, parsed.id}));
  // What others were told is not for everybody who may read templates.
  if (row == nullptr || !call.principal->Has(kReadNotifications)) {
    return domain::Refusal(v1::ENTITY_NOT_FOUND,
                           fmt::format("There is no notification `{}`.", name))
        .About("notification", name)
        .Next("`retrace notifications all` lists them.");
  }
  const auto& notification = row->As<v1::Notification>();
  const auto& recipients = notification.audience().recipients();
  return ValuesOf(*backend.ledger, principals, *call.tenant, name, notification,
                  recipients.empty() ? std::string() : recipients[0]);
}

// The template that the request gives or names; its texts are empty when it does neither.
absl::StatusOr<v1::Template> WordingOf(const v1::PreviewTemplateRequest& request,
                                       const QueryCall& call, const RowView& view) {
  v1::Template wording;
  if (request.name().empty()) {
    wording.set_kind(request.kind());
    wording.set_language(request.language().empty() ? "en" : request.language());
    wording.set_subject(request.subject());
    wording.set_text(request.text());
    wording.set_html(request.html());
    return wording;
  }
  RETRACE_ASSIGN(const domain::ResourceName parsed, domain::ParseName(request.name(), "name"));
  if (parsed.collection != domain::KindOf(KindNumber::kTemplate).collection ||
      parsed.tenant != call.tenant->id) {
    FieldFaults faults("");
    faults.Add("name", fmt::format("Must look like tenants/{}/templates/ID.", call.tenant->id));
    return faults.ToStatus();
  }
  const domain::EntityRef entity{KindNumber::kTemplate, parsed.id};
  RETRACE_ASSIGN(const domain::RowPtr row, view.Get(entity));
  if (row == nullptr) {
    return domain::Refusal(v1::ENTITY_NOT_FOUND,
                           fmt::format("There is no template `{}`.", request.name()))
        .About("template", request.name())
        .Next("Check the name, or search for it in the list.");
  }
  if (row->purged()) {
    return domain::WasPurged(entity, *row, call.tenant->id);
  }
  return row->As<v1::Template>();
}

absl::Status CheckPreview(const v1::PreviewTemplateRequest& request) {
  FieldFaults faults("");
  if (!request.language().empty() && !domain::IsLanguage(request.language())) {
    faults.Add("language", "Is no language of BCP 47; it looks like zh-CN.");
  }
  if (request.count() < 0 || request.count() > kMostCount) {
    faults.Add("count", fmt::format("Is not from 0 to {}.", kMostCount));
  }
  const bool given = !request.subject().empty() || !request.text().empty() ||
                     !request.html().empty() || !request.language().empty() ||
                     !request.kind().empty();
  if (given && !request.name().empty()) {
    faults.Add("name", "A stored template is shown as it is; give its name, or texts.");
  }
  return faults.ToStatus();
}

void ShowFaults(const v1::Template& wording, v1::PreviewTemplateResponse& response) {
  for (const domain::FieldFault& each :
       domain::FaultsOf(wording.subject(), wording.text(), wording.html())) {
    v1::TemplateFault& fault = *response.add_faults();
    fault.set_field(each.field);
    fault.set_line(each.fault.line);
    fault.set_column(each.fault.column);
    fault.set_problem(each.fault.problem);
    fault.set_nearest(each.fault.nearest);
  }
}

absl::StatusOr<v1::PreviewTemplateResponse> Preview(const Backend& backend,
                                                    const Principals& principals,
                                                    const QueryCall& call,
                                                    const v1::PreviewTemplateRequest& request) {
  RETRACE_RETURN_IF_ERROR(CheckPreview(request));
  RETRACE_ASSIGN(Moment moment, MomentAt(*backend.ledger, *call.tenant, call.tenant->visible));
  const RowView view(backend.ledger->rows(), call.tenant->number, moment.position);
  RETRACE_ASSIGN(v1::Template wording, WordingOf(request, call, view));
  MessageValues values;
  if (!request.notification().empty()) {
    RETRACE_ASSIGN(values, RealValues(backend, principals, call, request.notification(), view));
    if (wording.kind().empty()) {
      wording.set_kind(values.kind);
    }
  } else {
    RETRACE_ASSIGN(
        values, SampleValues(backend, *call.tenant, request, wording.kind(), wording.language()));
  }
  if (domain::FindNotificationKind(wording.kind()) == nullptr) {
    return NoSuchKind(wording.kind());
  }
  const bool as_sent =
      wording.subject().empty() && wording.text().empty() && wording.html().empty();
  WrittenMessage message =
      as_sent ? Compose(view, {wording.language()}, values) : ComposeBy(wording, values);
  v1::PreviewTemplateResponse response;
  if (!as_sent) {
    ShowFaults(wording, response);
    if (response.faults().empty() && domain::MayBeEmpty(wording.subject())) {
      response.add_warnings(std::string(domain::kMayBeEmpty));
    }
  }
  if (response.faults().empty() && !message.fault.empty()) {
    response.add_faults()->set_problem(message.fault);
  }
  response.set_subject(std::move(message.subject));
  response.set_text(std::move(message.text));
  response.set_html(std::move(message.html));
  response.set_language(std::move(message.language));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

}  // namespace

void AddTemplatesService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Templates");
  service.Command<v1::CreateTemplateRequest, v1::CreateTemplateResponse>("CreateTemplate");
  service.Command<v1::UpdateTemplateRequest, v1::UpdateTemplateResponse>("UpdateTemplate");
  service.Command<v1::DeleteTemplateRequest, v1::DeleteTemplateResponse>("DeleteTemplate");
  service.Command<v1::UndeleteTemplateRequest, v1::UndeleteTemplateResponse>("UndeleteTemplate");
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.queries->Answer(call, request);
  };
  service.Query<v1::GetTemplateRequest, v1::GetTemplateResponse>("GetTemplate", answer);
  service.Query<v1::ListTemplatesRequest, v1::ListTemplatesResponse>("ListTemplates", answer);
  service.Query<v1::PreviewTemplateRequest, v1::PreviewTemplateResponse>(
      "PreviewTemplate",
      [&backend, &rpc](const QueryCall& call, const v1::PreviewTemplateRequest& request) {
        return Preview(backend, rpc.principals(), call, request);
      });
  service.Query<v1::DescribeTemplatesRequest, v1::DescribeTemplatesResponse>(
      "DescribeTemplates", [](const QueryCall&, const v1::DescribeTemplatesRequest& request) {
        return Describe(request);
      });
}

}  // namespace retrace::server
