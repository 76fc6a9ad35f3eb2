#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "retrace/v1/history.pb.h"
#include "server/commit_show.h"
#include "server/compare.h"
#include "server/explanation.h"
#include "server/export.h"
#include "server/history_replay.h"
#include "server/moment.h"
#include "server/services.h"
#include "server/undo.h"
#include "server/watch.h"

namespace retrace::server {
namespace {

// How long a stream waits for a commit before it asks whether it may go on.
constexpr absl::Duration kLook = absl::Seconds(1);

absl::Status Watch(Backend& backend, const QueryCall& call, const v1::WatchCommitsRequest& request,
                   StreamWriter& writer) {
  RETRACE_ASSIGN(const std::unique_ptr<CommitWatch> watch,
                 CommitWatch::Start(*backend.ledger, call, request, {}));
  while (true) {
    RETRACE_RETURN_IF_ERROR(writer.Alive());
    RETRACE_ASSIGN(const std::optional<v1::WatchCommitsResponse> message, watch->Next(kLook));
    if (message.has_value()) {
      RETRACE_RETURN_IF_ERROR(writer.Write(*message));
    }
  }
}

// A change set tells more than its row: its commits, its methods, its times.
template <typename Reply>
absl::Status ShowChangeSet(Backend& backend, const Tenant& tenant, const CommandResult& result,
                           Message& reply) {
  eventstore::Position number = 0;
  if (result.targets.empty() || !absl::SimpleAtoi(result.targets.front().first.id, &number)) {
    return absl::InternalError("a command on a change set has no change set as its target");
  }
  RETRACE_ASSIGN(*static_cast<Reply&>(reply).mutable_change_set(),
                 backend.history->ShowChangeSet(
                     tenant, number, static_cast<eventstore::Position>(result.outcome.position())));
  return absl::OkStatus();
}

absl::Status ShowUndone(const Tenant& tenant, const CommandResult& result, Message& reply) {
  for (const auto& [entity, row] : result.targets) {
    static_cast<v1::UndoResponse&>(reply).add_entities(domain::NameOf(tenant.id, entity));
  }
  return absl::OkStatus();
}

absl::StatusOr<store::v1::ResolvedRestoreTo> ResolveRestoreTo(Ledger& ledger, const QueryCall& call,
                                                              const v1::RestoreToRequest& request) {
  if (request.as_of().moment_case() == v1::AsOf::MOMENT_NOT_SET) {
    return domain::Refusal(v1::INVALID_FIELD, "`as_of` names no moment.")
        .Field("as_of", "must hold a position or a time");
  }
  RETRACE_ASSIGN(const Moment moment, ResolveAsOf(ledger, *call.tenant, request.as_of()));
  store::v1::ResolvedRestoreTo restore;
  *restore.mutable_request() = request;
  restore.set_position(moment.position);
  return restore;
}

absl::Status ShowRestored(const Tenant& tenant, const CommandResult& result, Message& reply) {
  for (const auto& [entity, row] : result.targets) {
    if (const auto shown = Shown(tenant, entity, row.get())) {
      static_cast<v1::RestoreToResponse&>(reply).mutable_entity()->PackFrom(*shown);
    }
  }
  return absl::OkStatus();
}

// What asks the past itself: replay, comparison, explanation, export.
void AddReplay(RpcService& service, Backend& backend) {
  service.Stream<v1::ReplayRequest, v1::ReplayResponse>(
      "Replay",
      [&backend](const QueryCall& call, const v1::ReplayRequest& request, StreamWriter& writer) {
        return StreamReplay(*backend.ledger, call, request, writer);
      });
  service.Stream<v1::CompareRequest, v1::CompareResponse>(
      "Compare",
      [&backend](const QueryCall& call, const v1::CompareRequest& request, StreamWriter& writer) {
        return StreamComparison(*backend.ledger, call, request, writer);
      });
  service.Query<v1::ExplainRequest, v1::ExplainResponse>(
      "Explain", [&backend](const QueryCall& call, const v1::ExplainRequest& request) {
        return ExplainEntity(*backend.ledger, call, request);
      });
  service.Stream<v1::ExportCommitsRequest, v1::ExportCommitsResponse>(
      "ExportCommits", [&backend](const QueryCall& call, const v1::ExportCommitsRequest& request,
                                  StreamWriter& writer) {
        return StreamStoredCommits(*backend.ledger, call, request, writer);
      });
  service.Stream<v1::ExportKeysRequest, v1::ExportKeysResponse>(
      "ExportKeys", [&backend](const QueryCall& call, const v1::ExportKeysRequest& request,
                               StreamWriter& writer) {
        return StreamSubjectKeys(*backend.ledger, call, request, writer);
      });
}

}  // namespace

void AddHistoryService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.History");
  service.Command<v1::BeginChangeSetRequest, v1::BeginChangeSetResponse>(
      "BeginChangeSet",
      [&backend](const Tenant& tenant, const CommandResult& result, Message& reply) {
        return ShowChangeSet<v1::BeginChangeSetResponse>(backend, tenant, result, reply);
      });
  service.Command<v1::EndChangeSetRequest, v1::EndChangeSetResponse>(
      "EndChangeSet",
      [&backend](const Tenant& tenant, const CommandResult& result, Message& reply) {
        return ShowChangeSet<v1::EndChangeSetResponse>(backend, tenant, result, reply);
      });
  service.ResolvedCommand<v1::UndoRequest, v1::UndoResponse, store::v1::ResolvedUndo>(
      "Undo",
      [&backend](const QueryCall& call, const v1::UndoRequest& request) {
        return ResolveUndo(*backend.history, call, request, UndoBound::kOneCommit);
      },
      ShowUndone, Lane::kSlow);
  service
      .ResolvedCommand<v1::RestoreToRequest, v1::RestoreToResponse, store::v1::ResolvedRestoreTo>(
          "RestoreTo",
          [&backend](const QueryCall& call, const v1::RestoreToRequest& request) {
            return ResolveRestoreTo(*backend.ledger, call, request);
          },
          ShowRestored);
  service.Query<v1::GetUndoConflictsRequest, v1::GetUndoConflictsResponse>(
      "GetUndoConflicts",
      [&backend](const QueryCall& call, const v1::GetUndoConflictsRequest& request) {
        return AnswerUndoConflicts(*backend.ledger, *backend.history, call, request);
      },
      Lane::kSlow);
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.history->Answer(call, request);
  };
  service.Query<v1::ListChangeSetsRequest, v1::ListChangeSetsResponse>("ListChangeSets", answer);
  service.Query<v1::ListCommitsRequest, v1::ListCommitsResponse>("ListCommits", answer);
  service.Query<v1::GetCommitRequest, v1::GetCommitResponse>("GetCommit", answer);
  service.Query<v1::ListChangesRequest, v1::ListChangesResponse>("ListChanges", answer);
  service.Query<v1::GetDigestRequest, v1::GetDigestResponse>("GetDigest", answer, Lane::kSlow);
  service.Stream<v1::WatchCommitsRequest, v1::WatchCommitsResponse>(
      "WatchCommits",
      [&backend](const QueryCall& call, const v1::WatchCommitsRequest& request,
                 StreamWriter& writer) { return Watch(backend, call, request, writer); });
  AddReplay(service, backend);
}

void AddAllServices(Rpc& rpc, Backend& backend) {
  AddCustomersService(rpc, backend);
  AddRecordsService(rpc, backend);
  AddMembersService(rpc, backend);
  AddHistoryService(rpc, backend);
  AddNotificationsService(rpc, backend);
  AddOperationsService(rpc, backend);
  AddRecycleBinService(rpc, backend);
  AddHoldsService(rpc, backend);
  AddPlansService(rpc, backend);
  AddTemplatesService(rpc, backend);
  AddWebhooksService(rpc, backend);
  AddTenantsService(rpc, backend);
  AddAdminService(rpc, backend);
}

}  // namespace retrace::server
