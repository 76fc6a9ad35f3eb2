#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "clients/cli/app.h"
#include "clients/cli/nouns.h"
#include "clients/cli/plans.h"
#include "clients/cli/row_output.h"
#include "retrace/v1/webhooks.pb.h"

namespace retrace::cli {
namespace {

constexpr int64_t kLargestPage = 1000;

struct WebhookFlags {
  std::string webhook, delivery, url, description, kinds, filter;
  bool sets_url = false, sets_description = false, sets_kinds = false;
  bool deleted = false;
  bool end_old_now = false;
  int64_t limit = 50;
  PlanFlags plan;
};

absl::StatusOr<std::string> NameOf(Session& session, absl::string_view collection,
                                   const std::string& text) {
  if (absl::StartsWith(text, "tenants/")) return text;
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  return absl::StrCat(*tenant, "/", collection, "/", text);
}

void FillKinds(const std::string& kinds, v1::Webhook& webhook) {
  for (absl::string_view kind : absl::StrSplit(kinds, ',', absl::SkipWhitespace())) {
    webhook.add_kinds(std::string(kind));
  }
}

// Prints what a command made of a webhook, with its secret when the reply holds one.
template <typename Response>
absl::Status PrintReply(Session& session, const absl::StatusOr<Response>& reply) {
  if (!reply.ok()) return reply.status();
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if constexpr (requires { reply->delivery(); }) {
    PrintMessage(reply->delivery(), *style, session.out());
  } else if (style->format == OutputFormat::kTable) {
    PrintMessage(reply->webhook(), *style, session.out());
    if constexpr (requires { reply->secret(); }) {
      session.out() << "\nsecret  " << reply->secret() << "\n";
      session.err() << "Keep the secret: it is not shown again.\n";
    }
  } else {
    // For programs: the secret beside the webhook.
    PrintMessage(*reply, *style, session.out());
  }
  session.NoteOutcome(reply->outcome());
  return absl::OkStatus();
}

absl::Status RunCreate(Session& session, const WebhookFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::CreateWebhookRequest request;
  request.set_parent(*tenant);
  request.mutable_webhook()->set_url(flags.url);
  request.mutable_webhook()->set_description(flags.description);
  FillKinds(flags.kinds, *request.mutable_webhook());
  return PrintReply(session,
                    session.Ask<v1::CreateWebhookResponse>("Webhooks.CreateWebhook", request));
}

absl::Status RunUpdate(Session& session, const WebhookFlags& flags) {
  absl::StatusOr<std::string> name = NameOf(session, "webhooks", flags.webhook);
  if (!name.ok()) return name.status();
  v1::UpdateWebhookRequest request;
  v1::Webhook& webhook = *request.mutable_webhook();
  webhook.set_name(*name);
  webhook.set_url(flags.url);
  webhook.set_description(flags.description);
  FillKinds(flags.kinds, webhook);
  if (flags.sets_url) request.mutable_update_mask()->add_paths("url");
  if (flags.sets_description) request.mutable_update_mask()->add_paths("description");
  if (flags.sets_kinds) request.mutable_update_mask()->add_paths("kinds");
  if (request.update_mask().paths().empty()) {
    return absl::InvalidArgumentError("nothing to change: say --url, --description or --kinds");
  }
  return PrintReply(session,
                    session.Ask<v1::UpdateWebhookResponse>("Webhooks.UpdateWebhook", request));
}

absl::Status RunShow(Session& session, const WebhookFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> name = NameOf(session, "webhooks", flags.webhook);
  if (!name.ok()) return name.status();
  v1::GetWebhookRequest request;
  request.set_name(*name);
  const auto reply = session.Ask<v1::GetWebhookResponse>("Webhooks.GetWebhook", request);
  if (!reply.ok()) return reply.status();
  PrintMessage(reply->webhook(), *style, session.out());
  return absl::OkStatus();
}

// Reads pages until there are enough rows, or no more.
template <typename Response, typename Request, typename Elements>
absl::Status PrintPages(Session& session, const char* method, Request& request,
                        std::vector<Column> columns, const google::protobuf::Descriptor& type,
                        int64_t limit, Elements elements) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  RowOutput rows(*style, std::move(columns), type, session.out());
  for (int64_t left = limit; left > 0;) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kLargestPage)));
    const auto reply = session.Ask<Response>(method, request);
    if (!reply.ok()) return reply.status();
    for (const auto& element : elements(*reply)) rows.Add(element);
    left -= elements(*reply).size();
    if (reply->next_page_token().empty()) break;
    request.set_page_token(reply->next_page_token());
  }
  rows.Finish();
  return absl::OkStatus();
}

absl::Status RunList(Session& session, const WebhookFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListWebhooksRequest request;
  request.set_parent(*tenant);
  request.set_filter(flags.filter);
  request.set_show_deleted(flags.deleted);
  return PrintPages<v1::ListWebhooksResponse>(
      session, "Webhooks.ListWebhooks", request,
      {{"ID", "name"},
       {"URL", "url"},
       {"KINDS", "kinds"},
       {"DESCRIPTION", "description"},
       {"STATE", "state"},
       {"WHY", "disable_reason"}},
      *v1::Webhook::descriptor(), flags.limit,
      [](const auto& reply) -> const auto& { return reply.webhooks(); });
}

absl::Status RunDeliveries(Session& session, const WebhookFlags& flags) {
  absl::StatusOr<std::string> name = NameOf(session, "webhooks", flags.webhook);
  if (!name.ok()) return name.status();
  v1::ListWebhookDeliveriesRequest request;
  request.set_parent(*name);
  request.set_filter(flags.filter);
  return PrintPages<v1::ListWebhookDeliveriesResponse>(
      session, "Webhooks.ListWebhookDeliveries", request,
      {{"ID", "name"},
       {"KIND", "kind"},
       {"STATE", "state"},
       {"ATTEMPTS", "attempt_count"},
       {"LAST RESULT", "last_result"},
       {"NEXT", "next_attempt_time"},
       {"SENT", "send_time"}},
      *v1::Delivery::descriptor(), flags.limit,
      [](const auto& reply) -> const auto& { return reply.deliveries(); });
}

// Commands that take nothing but the name.
template <typename Request, typename Response>
absl::Status RunNamed(Session& session, const char* method, const WebhookFlags& flags) {
  absl::StatusOr<std::string> name = NameOf(session, "webhooks", flags.webhook);
  if (!name.ok()) return name.status();
  Request request;
  request.set_name(*name);
  if constexpr (requires { request.set_end_old_now(true); }) {
    request.set_end_old_now(flags.end_old_now);
  }
  if constexpr (requires { request.set_delivery(""); }) {
    absl::StatusOr<std::string> delivery = NameOf(session, "deliveries", flags.delivery);
    if (!delivery.ok()) return delivery.status();
    request.set_delivery(*std::move(delivery));
  }
  return PrintReply(session, session.Ask<Response>(method, request));
}

// Delete and Undelete, which can be planned.
template <typename Response>
absl::Status RunPlanned(Session& session, const char* method, const WebhookFlags& flags) {
  absl::StatusOr<std::string> name = NameOf(session, "webhooks", flags.webhook);
  if (!name.ok()) return name.status();
  Exchange exchange = NewExchange(method);
  SetText(*exchange.request, "name", *name);
  const absl::StatusOr<bool> done = RunCommand(session, exchange, flags.plan);
  if (!done.ok() || !*done) return done.status();
  return PrintReply<Response>(session, static_cast<const Response&>(*exchange.response));
}

absl::Status RunRotate(Session& session, const WebhookFlags& flags) {
  return RunNamed<v1::RotateSecretRequest, v1::RotateSecretResponse>(
      session, "Webhooks.RotateSecret", flags);
}
absl::Status RunPause(Session& session, const WebhookFlags& flags) {
  return RunNamed<v1::PauseWebhookRequest, v1::PauseWebhookResponse>(
      session, "Webhooks.PauseWebhook", flags);
}
absl::Status RunResume(Session& session, const WebhookFlags& flags) {
  return RunNamed<v1::ResumeWebhookRequest, v1::ResumeWebhookResponse>(
      session, "Webhooks.ResumeWebhook", flags);
}
absl::Status RunTest(Session& session, const WebhookFlags& flags) {
  return RunNamed<v1::TestWebhookRequest, v1::TestWebhookResponse>(session, "Webhooks.TestWebhook",
                                                                   flags);
}
absl::Status RunRedeliver(Session& session, const WebhookFlags& flags) {
  return RunNamed<v1::RedeliverWebhookRequest, v1::RedeliverWebhookResponse>(
      session, "Webhooks.RedeliverWebhook", flags);
}
absl::Status RunDelete(Session& session, const WebhookFlags& flags) {
  return RunPlanned<v1::DeleteWebhookResponse>(session, "Webhooks.DeleteWebhook", flags);
}
absl::Status RunUndelete(Session& session, const WebhookFlags& flags) {
  return RunPlanned<v1::UndeleteWebhookResponse>(session, "Webhooks.UndeleteWebhook", flags);
}

using Run = absl::Status (*)(Session&, const WebhookFlags&);

std::shared_ptr<WebhookFlags> Begin(CLI::App* verb, Session& session, Run run) {
  auto flags = std::make_shared<WebhookFlags>();
  verb->callback([verb, &session, flags, run] {
    for (auto [name, given] : {std::pair("--url", &flags->sets_url),
                               std::pair("--description", &flags->sets_description),
                               std::pair("--kinds", &flags->sets_kinds)}) {
      const CLI::Option* option = verb->get_option_no_throw(name);
      *given = option != nullptr && option->count() > 0;
    }
    session.Choose([&session, flags, run] { return run(session, *flags); });
  });
  return flags;
}

std::shared_ptr<WebhookFlags> BeginNamed(CLI::App* verb, Session& session, Run run) {
  auto flags = Begin(verb, session, run);
  verb->add_option("webhook", flags->webhook, "its id")->option_text("ID")->required();
  return flags;
}

void AddFields(CLI::App* verb, WebhookFlags& flags) {
  verb->add_option("--description", flags.description, "what it is for")->option_text("TEXT");
  verb->add_option("--kinds", flags.kinds,
                   "kinds of notifications that it wants, with commas between; all when empty")
      ->option_text("KIND,...");
}

void AddListFlags(CLI::App* verb, WebhookFlags& flags) {
  verb->add_option("--filter", flags.filter, "AIP-160 filter")->option_text("FILTER");
  verb->add_option("--limit", flags.limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
}

void AddKeeping(CLI::App& noun, Session& session) {
  CLI::App* create = AddVerb(noun, "create", "tell an endpoint what happens",
                             "retrace webhooks create https://example.com/hook "
                             "--kinds customers.deleted,customers.restored");
  auto flags = Begin(create, session, RunCreate);
  create->add_option("url", flags->url, "where to post to")->option_text("URL")->required();
  AddFields(create, *flags);
  CLI::App* list = AddVerb(noun, "list", "the endpoints that are told", "retrace webhooks list");
  flags = Begin(list, session, RunList);
  AddListFlags(list, *flags);
  list->add_flag("--show-deleted", flags->deleted, "deleted ones, too");
  BeginNamed(AddVerb(noun, "show", "one of them", "retrace webhooks show 01j..."), session,
             RunShow);
  CLI::App* update = AddVerb(noun, "update", "change address, description or kinds",
                             "retrace webhooks update 01j... --url https://example.com/new");
  flags = BeginNamed(update, session, RunUpdate);
  update->add_option("--url", flags->url, "where to post to")->option_text("URL");
  AddFields(update, *flags);
  CLI::App* gone = AddVerb(noun, "delete", "tell it nothing more; it goes to the recycle bin",
                           "retrace webhooks delete 01j...");
  flags = BeginNamed(gone, session, RunDelete);
  AddPlanFlags(*gone, flags->plan);
  CLI::App* back = AddVerb(noun, "undelete", "bring it back from the recycle bin",
                           "retrace webhooks undelete 01j...");
  flags = BeginNamed(back, session, RunUndelete);
  AddPlanFlags(*back, flags->plan);
}

void AddSending(CLI::App& noun, Session& session) {
  CLI::App* rotate = AddVerb(noun, "rotate-secret", "make a new secret; the old one lasts a day",
                             "retrace webhooks rotate-secret 01j...");
  auto flags = BeginNamed(rotate, session, RunRotate);
  rotate->add_flag("--end-old-now", flags->end_old_now, "the old secret is known to others");
  BeginNamed(AddVerb(noun, "pause", "tell it nothing for a while", "retrace webhooks pause 01j..."),
             session, RunPause);
  BeginNamed(AddVerb(noun, "resume", "tell it again, also after it was disabled",
                     "retrace webhooks resume 01j..."),
             session, RunResume);
  BeginNamed(AddVerb(noun, "test", "send it something to try", "retrace webhooks test 01j..."),
             session, RunTest);
  CLI::App* deliveries = AddVerb(noun, "deliveries", "what was sent to it, and what came of it",
                                 "retrace webhooks deliveries 01j... --filter 'state = FAILED'");
  flags = BeginNamed(deliveries, session, RunDeliveries);
  AddListFlags(deliveries, *flags);
  CLI::App* redeliver = AddVerb(noun, "redeliver", "send a delivery once more",
                                "retrace webhooks redeliver 01j... 0000000000a-4hj2");
  flags = BeginNamed(redeliver, session, RunRedeliver);
  redeliver->add_option("delivery", flags->delivery, "id of the delivery")
      ->option_text("DELIVERY")
      ->required();
}

}  // namespace

void AddWebhookVerbs(CLI::App& noun, Session& session) {
  AddKeeping(noun, session);
  AddSending(noun, session);
}

}  // namespace retrace::cli
