#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "domain/commands.h"
#include "domain/index_values.h"
#include "domain/operation.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/longrunning/operations.pb.h"
#include "google/protobuf/empty.pb.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/v1/operations.pb.h"
#include "server/lists.h"
#include "server/numbers.h"
#include "server/operation_start.h"
#include "server/page_token.h"
#include "server/row_view.h"
#include "server/services.h"
#include "server/submit.h"

namespace retrace::server {
namespace {

using domain::KindNumber;
using domain::Refusal;
using domain::RowPtr;
using google::longrunning::Operation;
using store::v1::OperationRow;

constexpr int kDefaultPage = 100;
constexpr int kLargestPage = 1000;
// How long a wait looks away, so that it ends when its caller went away; and how long it keeps its
// thread when others wait for one: then it answers with what there is.
constexpr absl::Duration kLook = absl::Milliseconds(250);
// A wait answers this long before the caller's deadline.
constexpr absl::Duration kMargin = absl::Milliseconds(200);

// An operation that was found, with its id.
struct FoundOperation {
  std::string id;
  RowPtr row;
};

absl::StatusOr<FoundOperation> Find(Backend& backend, const QueryCall& call,
                                    const std::string& name, std::string_view field) {
  RETRACE_ASSIGN(const domain::ResourceName parsed, domain::ParseName(name, field));
  const RowView view(backend.ledger->rows(), call.tenant->number, call.tenant->visible);
  RowPtr row;
  if (parsed.collection == "operations") {
    RETRACE_ASSIGN(row, view.Get({KindNumber::kOperation, parsed.id}));
  }
  if (row == nullptr) {
    return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no operation `{}`.", name))
        .About("operation", name)
        .Next("ListOperations shows those that there are.");
  }
  return FoundOperation{parsed.id, std::move(row)};
}

absl::StatusOr<Operation> Get(Backend& backend, const QueryCall& call, const std::string& name) {
  RETRACE_ASSIGN(const FoundOperation found, Find(backend, call, name, "name"));
  const RowView view(backend.ledger->rows(), call.tenant->number, call.tenant->visible);
  return ShowOperation(call.tenant->id, found.id, *found.row, view);
}

absl::StatusOr<Operation> Wait(Rpc& rpc, Backend& backend, const QueryCall& call,
                               const google::longrunning::WaitOperationRequest& request) {
  const absl::Time turn_over = absl::Now() + kLook;
  absl::Time until = call.deadline - kMargin;
  if (request.has_timeout()) {
    until = std::min(
        until,
        call.start + absl::Microseconds(google::protobuf::util::TimeUtil::DurationToMicroseconds(
                         request.timeout())));
  }
  Tenants& tenants = backend.ledger->tenants();
  uint64_t seen = tenants.changes();
  while (true) {
    RETRACE_ASSIGN(Operation operation, Get(backend, call, request.name()));
    const absl::Duration left = until - absl::Now();
    const bool yields = absl::Now() >= turn_over && rpc.pool(Lane::kWait).waiting() > 0;
    if (operation.done() || left <= absl::ZeroDuration() || yields || call.gone()) {
      return operation;
    }
    seen = tenants.WaitForChange(seen, std::min(left, kLook));
  }
}

// The newest first. The token is where the last page ended: the number of an operation's first
// commit, which no other has.
absl::StatusOr<google::longrunning::ListOperationsResponse> List(
    Backend& backend, const QueryCall& call,
    const google::longrunning::ListOperationsRequest& request) {
  if (!request.filter().empty()) {
    return Refusal(v1::INVALID_FILTER, "Operations are not filtered.")
        .Field("filter", "Leave it empty.");
  }
  RETRACE_ASSIGN(const size_t size, PageSizeOf(request.page_size(), kDefaultPage, kLargestPage));
  domain::IndexRange range{KindNumber::kOperation, domain::kNewestFirstIndex, "", ""};
  store::v1::PageToken token;
  token.set_position(call.tenant->visible);
  if (!request.page_token().empty()) {
    RETRACE_ASSIGN(token, OpenPageToken(*backend.ledger, call, request, request.page_token()));
    range.lower = domain::EncodeNumber(1 - ReadNumber<int64_t>(token.id()).value_or(1));
  }
  const RowView view(backend.ledger->rows(), call.tenant->number, token.position());
  RETRACE_ASSIGN(const auto hits, view.Find(range, size + 1));
  google::longrunning::ListOperationsResponse response;
  for (size_t i = 0; i < std::min(size, hits.size()); ++i) {
    RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kOperation, hits[i].id}));
    RETRACE_ASSIGN(*response.add_operations(),
                   ShowOperation(call.tenant->id, hits[i].id, *row, view));
    if (i + 1 == size && hits.size() > size) {
      token.set_id(fmt::format("{}", row->head.create_position()));
      RETRACE_ASSIGN(*response.mutable_next_page_token(),
                     SealPageToken(*backend.ledger, call, request, std::move(token)));
    }
  }
  return response;
}

// A command without options: it is its own retry.
absl::StatusOr<google::protobuf::Empty> Cancel(
    Backend& backend, const QueryCall& call,
    const google::longrunning::CancelOperationRequest& request) {
  store::v1::OperationCancel cancel;
  cancel.set_name(request.name());
  Command command;
  command.tenant = call.tenant;
  command.principal = call.principal;
  command.method = call.method;
  command.deadline = call.deadline;
  command.decide = [&cancel](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(cancel, draft, context);
  };
  RETRACE_RETURN_IF_ERROR(SubmitAndAwait(*backend.sequencer, std::move(command)).status);
  return google::protobuf::Empty();
}

absl::StatusOr<google::protobuf::Empty> Delete(
    Backend& /*backend*/, const QueryCall& /*call*/,
    const google::longrunning::DeleteOperationRequest& /*request*/) {
  return Refusal(v1::METHOD_UNKNOWN, "Operations are part of history and stay.")
      .Next("CancelOperation stops one; undoing its change set takes it back.");
}

absl::StatusOr<v1::ListOperationItemsResponse> ListItems(
    Backend& backend, const QueryCall& call, const v1::ListOperationItemsRequest& request) {
  RETRACE_ASSIGN(const FoundOperation found, Find(backend, call, request.parent(), "parent"));
  RETRACE_ASSIGN(const size_t size, PageSizeOf(request.page_size(), kDefaultPage, kLargestPage));
  const uint32_t parts = found.row->As<OperationRow>().item_parts();
  store::v1::PageToken token;
  if (!request.page_token().empty()) {
    RETRACE_ASSIGN(token, OpenPageToken(*backend.ledger, call, request, request.page_token()));
  }
  uint32_t part = token.part();
  const RowView view(backend.ledger->rows(), call.tenant->number, call.tenant->visible);
  v1::ListOperationItemsResponse response;
  while (part < parts && static_cast<size_t>(response.items_size()) < size) {
    RETRACE_ASSIGN(const RowPtr row, view.Get(domain::ItemPart(found.id, ++part)));
    if (row != nullptr) {
      response.mutable_items()->MergeFrom(row->As<store::v1::OperationPartRow>().items());
    }
  }
  if (part < parts) {
    token.set_position(call.tenant->visible);
    token.set_part(part);
    RETRACE_ASSIGN(*response.mutable_next_page_token(),
                   SealPageToken(*backend.ledger, call, request, std::move(token)));
  }
  return response;
}

absl::Status ShowTargets(const Tenant& tenant, const CommandResult& result, Message& reply) {
  auto& response = static_cast<v1::AddTargetsResponse&>(reply);
  const auto& [entity, row] = result.targets.front();
  response.set_operation(domain::NameOf(tenant.id, entity));
  response.set_target_count(row->As<OperationRow>().target_count());
  return absl::OkStatus();
}

absl::Status ShowStarted(Backend& backend, const Tenant& tenant, const CommandResult& result,
                         Message& reply) {
  const auto& [entity, row] = result.targets.front();
  backend.runner->Wake(*backend.ledger->tenants().Find(tenant.number));
  const RowView view(backend.ledger->rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(static_cast<Operation&>(reply), ShowOperation(tenant.id, entity.id, *row, view));
  return absl::OkStatus();
}

}  // namespace

void AddOperationsService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Operations");
  service.Command<v1::AddTargetsRequest, v1::AddTargetsResponse>("AddTargets", ShowTargets);
  service.ResolvedCommand<v1::StartOperationRequest, Operation, store::v1::ResolvedOperation>(
      "StartOperation",
      [&rpc, &backend](const QueryCall& call, const v1::StartOperationRequest& request) {
        return ResolveOperation(rpc, *backend.ledger, call, request);
      },
      [&backend](const Tenant& tenant, const CommandResult& result, Message& reply) {
        return ShowStarted(backend, tenant, result, reply);
      });
  const auto with = [&backend](auto handler) {
    return [&backend, handler](const QueryCall& call, const auto& request) {
      return handler(backend, call, request);
    };
  };
  service.Query<v1::ListOperationItemsRequest, v1::ListOperationItemsResponse>("ListOperationItems",
                                                                               with(ListItems));
  namespace lro = google::longrunning;
  RpcService& googles = rpc.AddService("google.longrunning.Operations");
  googles.Query<lro::ListOperationsRequest, lro::ListOperationsResponse>("ListOperations",
                                                                         with(List));
  googles.Query<lro::GetOperationRequest, Operation>(
      "GetOperation", [&backend](const QueryCall& call, const auto& request) {
        return Get(backend, call, request.name());
      });
  googles.Query<lro::DeleteOperationRequest, google::protobuf::Empty>("DeleteOperation",
                                                                      with(Delete));
  googles.Query<lro::CancelOperationRequest, google::protobuf::Empty>("CancelOperation",
                                                                      with(Cancel));
  googles.Query<lro::WaitOperationRequest, Operation>(
      "WaitOperation",
      [&rpc, &backend](const QueryCall& call, const auto& request) {
        return Wait(rpc, backend, call, request);
      },
      Lane::kWait);
}

}  // namespace retrace::server
