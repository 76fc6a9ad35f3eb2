#include <algorithm>
#include <limits>
#include <memory>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/field_values.h"
#include "clients/cli/nouns.h"
#include "clients/cli/operation_output.h"
#include "clients/cli/operation_wait.h"
#include "google/longrunning/operations.pb.h"
#include "retrace/v1/operations.pb.h"

namespace retrace::cli {
namespace {

using google::longrunning::Operation;

constexpr int64_t kLargestPage = 1000;

struct PageFlags {
  int64_t limit = 50;
  bool all = false;

  int64_t most() const { return all ? std::numeric_limits<int64_t>::max() : limit; }
};

void AddPageFlags(CLI::App& verb, PageFlags& flags) {
  verb.add_option("--limit", flags.limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
  verb.add_flag("--all", flags.all, "every one");
}

absl::StatusOr<std::string> NameOf(Session& session, const std::string& id) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  return FullName(*tenant, "operations", id);
}

absl::StatusOr<Operation> Get(Session& session, const std::string& id) {
  absl::StatusOr<std::string> name = NameOf(session, id);
  if (!name.ok()) return name.status();
  google::longrunning::GetOperationRequest request;
  request.set_name(*name);
  return session.Ask<Operation>("google.longrunning.Operations.GetOperation", request);
}

absl::Status RunList(Session& session, const PageFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  OperationOutput output(*style, session.out());
  google::longrunning::ListOperationsRequest request;
  request.set_name(*tenant);
  int64_t left = flags.most();
  do {
    request.set_page_size(static_cast<int32_t>(std::min(left, kLargestPage)));
    const auto reply = session.Ask<google::longrunning::ListOperationsResponse>(
        "google.longrunning.Operations.ListOperations", request);
    if (!reply.ok()) return reply.status();
    for (const Operation& operation : reply->operations()) output.Add(operation);
    left -= reply->operations_size();
    request.set_page_token(reply->next_page_token());
  } while (left > 0 && !request.page_token().empty());
  output.Finish();
  return absl::OkStatus();
}

absl::Status RunShow(Session& session, const std::string& id) {
  absl::StatusOr<Operation> operation = Get(session, id);
  if (!operation.ok()) return operation.status();
  return PrintOperation(session, *operation);
}

absl::Status RunWait(Session& session, const std::string& id) {
  absl::StatusOr<Operation> operation = Get(session, id);
  if (!operation.ok()) return operation.status();
  absl::StatusOr<Operation> ended = AwaitOperation(session, *operation);
  if (!ended.ok()) return ended.status();
  return PrintEnded(session, *ended);
}

absl::Status RunCancel(Session& session, const std::string& id) {
  absl::StatusOr<std::string> name = NameOf(session, id);
  if (!name.ok()) return name.status();
  Exchange cancel = NewExchange("google.longrunning.Operations.CancelOperation");
  SetText(*cancel.request, "name", *name);
  if (absl::Status status = session.Run(cancel); !status.ok()) return status;
  return RunShow(session, *name);
}

absl::Status RunItems(Session& session, const std::string& id, const PageFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> name = NameOf(session, id);
  if (!name.ok()) return name.status();
  RowOutput rows(
      *style, {{"ENTITY", "name"}, {"RESULT", "result"}, {"REASON", "reason"}, {"WHY", "message"}},
      *v1::OperationItem::descriptor(), session.out());
  v1::ListOperationItemsRequest request;
  request.set_parent(*name);
  const int64_t most = flags.most();
  do {
    request.set_page_size(static_cast<int32_t>(std::min(most - rows.rows(), kLargestPage)));
    const auto reply =
        session.Ask<v1::ListOperationItemsResponse>("Operations.ListOperationItems", request);
    if (!reply.ok()) return reply.status();
    for (const v1::OperationItem& item : reply->items()) {
      if (rows.rows() < most) rows.Add(item);
    }
    request.set_page_token(reply->next_page_token());
  } while (rows.rows() < most && !request.page_token().empty());
  rows.Finish();
  return absl::OkStatus();
}

CLI::App* AddNamed(CLI::App& noun, Session& session, const char* name, const char* about,
                   absl::Status (*run)(Session& session, const std::string& id)) {
  CLI::App* verb =
      AddVerb(noun, name, about, absl::StrCat("retrace operations ", name, " 01jd8e6x2k"));
  auto id = std::make_shared<std::string>();
  verb->add_option("id", *id, "id or full name")->required()->option_text("ID");
  verb->callback(
      [&session, id, run] { session.Choose([&session, id, run] { return run(session, *id); }); });
  return verb;
}

}  // namespace

void AddOperationVerbs(CLI::App& noun, Session& session) {
  CLI::App* list =
      AddVerb(noun, "list", "operations, newest first", "retrace operations list --limit 5");
  auto page = std::make_shared<PageFlags>();
  AddPageFlags(*list, *page);
  list->callback(
      [&session, page] { session.Choose([&session, page] { return RunList(session, *page); }); });
  AddNamed(noun, session, "show", "what one was asked to do, and how far it has come", RunShow);
  AddNamed(noun, session, "wait", "wait for its end, and print what came of it", RunWait);
  AddNamed(noun, session, "cancel", "end it where it is; what it did stays, and can be undone",
           RunCancel);
  CLI::App* items = AddVerb(noun, "items", "the entities to which it was not done, and why",
                            "retrace operations items 01jd8e6x2k --all -o csv");
  auto id = std::make_shared<std::string>();
  auto item_page = std::make_shared<PageFlags>();
  items->add_option("id", *id, "id or full name")->required()->option_text("ID");
  AddPageFlags(*items, *item_page);
  items->callback([&session, id, item_page] {
    session.Choose([&session, id, item_page] { return RunItems(session, *id, *item_page); });
  });
}

}  // namespace retrace::cli
