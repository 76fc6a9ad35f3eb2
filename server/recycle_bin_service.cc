#include <algorithm>

#include "domain/resource.h"
#include "retrace/v1/holds.pb.h"
#include "retrace/v1/recycle_bin.pb.h"
#include "server/services.h"

namespace retrace::server {
namespace {

constexpr int kMostSampled = 100;

// What was purged, or would be.
template <typename Reply>
absl::Status ShowPurge(const Tenant& tenant, const CommandResult& result, Message& message) {
  auto& reply = static_cast<Reply&>(message);
  reply.set_purge_count(static_cast<int64_t>(result.targets.size()));
  for (const auto& [entity, row] : result.targets) {
    if (reply.purge_sample_size() == kMostSampled) break;
    reply.add_purge_sample(domain::NameOf(tenant.id, entity));
  }
  return absl::OkStatus();
}

absl::Status ShowRestore(const Tenant& tenant, const CommandResult& result, Message& message) {
  auto& reply = static_cast<v1::RestoreEntitiesResponse&>(message);
  for (const auto& [entity, row] : result.targets) {
    const std::string name = domain::NameOf(tenant.id, entity);
    if (row != nullptr && row->live()) {
      reply.add_names(name);
    } else {
      reply.add_skipped_names(name);
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddRecycleBinService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.RecycleBin");
  service.Command<v1::RestoreEntitiesRequest, v1::RestoreEntitiesResponse>("RestoreEntities",
                                                                           ShowRestore);
  service.Command<v1::PurgeEntitiesRequest, v1::PurgeEntitiesResponse>(
      "PurgeEntities", ShowPurge<v1::PurgeEntitiesResponse>);
  service.Command<v1::EmptyBinRequest, v1::EmptyBinResponse>("EmptyBin",
                                                             ShowPurge<v1::EmptyBinResponse>);
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.recycle_bin->Answer(call, request);
  };
  service.Query<v1::ListBinnedEntitiesRequest, v1::ListBinnedEntitiesResponse>("ListBinnedEntities",
                                                                               answer);
  service.Query<v1::GetBinnedEntityRequest, v1::GetBinnedEntityResponse>("GetBinnedEntity", answer);
  service.Query<v1::GetRestoreClashesRequest, v1::GetRestoreClashesResponse>("GetRestoreClashes",
                                                                             answer);
}

void AddHoldsService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Holds");
  service.Command<v1::PlaceHoldRequest, v1::PlaceHoldResponse>("PlaceHold");
  service.Command<v1::ReleaseHoldRequest, v1::ReleaseHoldResponse>("ReleaseHold");
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.queries->Answer(call, request);
  };
  service.Query<v1::GetHoldRequest, v1::GetHoldResponse>("GetHold", answer);
  service.Query<v1::ListHoldsRequest, v1::ListHoldsResponse>("ListHolds", answer);
}

}  // namespace retrace::server
