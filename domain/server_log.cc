#include "domain/server_log.h"

#include <memory>
#include <utility>

#include "domain/commands.h"
#include "domain/tenant.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;

void ApplyServerEvent(const Message& event, const CommitHeader& /*header*/, Row& row) {
  auto server = row.resource == nullptr
                    ? std::make_shared<store::v1::ServerRow>()
                    : std::make_shared<store::v1::ServerRow>(row.As<store::v1::ServerRow>());
  if (event.GetDescriptor() == store::v1::EpochBegan::descriptor()) {
    const auto& began = static_cast<const store::v1::EpochBegan&>(event);
    server->set_epoch(began.epoch());
    server->set_previous_epoch(began.previous());
    server->set_cause(began.cause());
    server->set_description(began.description());
  } else {
    const auto& done = static_cast<const store::v1::AdministrativeActDone&>(event);
    server->set_last_act(done.act());
    server->set_last_act_description(done.description());
  }
  row.resource = std::move(server);
}

template <typename Event>
absl::Status DecideServerEvent(const Event& event, Draft& draft) {
  if (draft.header().tenant != kSystemTenant) {
    return absl::InternalError("the server's own events belong to tenant `system`");
  }
  draft.Target(ServerRef());
  return draft.Emit(ServerRef(), std::make_shared<Event>(event));
}

}  // namespace

EntityRef ServerRef() { return {KindNumber::kServer, "server"}; }

Kind ServerKind() {
  Kind kind;
  kind.number = KindNumber::kServer;
  kind.singular = "server";
  kind.collection = "server";
  kind.resource = &store::v1::ServerRow::default_instance();
  kind.events = {&store::v1::EpochBegan::default_instance(),
                 &store::v1::AdministrativeActDone::default_instance()};
  kind.apply = ApplyServerEvent;
  return kind;
}

absl::Status Decide(const store::v1::EpochBegan& event, Draft& draft, const Context& /*context*/) {
  return DecideServerEvent(event, draft);
}

absl::Status Decide(const store::v1::AdministrativeActDone& event, Draft& draft,
                    const Context& /*context*/) {
  return DecideServerEvent(event, draft);
}

}  // namespace retrace::domain
