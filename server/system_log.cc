#include "server/system_log.h"

#include <memory>
#include <utility>

#include "domain/commands.h"
#include "domain/server_log.h"
#include "domain/status_macros.h"
#include "domain/text_excerpt.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/store/v1/row.pb.h"
#include "server/row_view.h"
#include "server/submit.h"

namespace retrace::server {
namespace {

constexpr size_t kMostDescriptionBytes = 16 << 10;

// Submits a command that records `event` and waits for its answer.
template <typename Event>
absl::StatusOr<v1::Outcome> Record(Sequencer& sequencer, const Tenants& tenants,
                                   PrincipalPtr principal, std::string method, Event event) {
  Command command;
  command.tenant = tenants.system();
  command.principal = std::move(principal);
  command.method = std::move(method);
  command.decide = [&event](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(event, draft, context);
  };
  const CommandResult answer = SubmitAndAwait(sequencer, std::move(command));
  RETRACE_RETURN_IF_ERROR(answer.status);
  return answer.outcome;
}

}  // namespace

PrincipalPtr ServerItself() {
  static const auto* const principal = [] {
    auto made = std::make_shared<Principal>();
    made->id = std::string(domain::kServerActor);
    made->kind = Principal::Kind::kSystem;
    made->every_tenant = true;
    return new PrincipalPtr(std::move(made));
  }();
  return *principal;
}

absl::StatusOr<v1::Outcome> RecordAct(Sequencer& sequencer, const Tenants& tenants,
                                      PrincipalPtr principal, std::string method, std::string act,
                                      std::string_view description) {
  store::v1::AdministrativeActDone done;
  done.set_act(std::move(act));
  done.set_description(domain::WholeUtf8(description, kMostDescriptionBytes));
  return Record(sequencer, tenants, std::move(principal), std::move(method), std::move(done));
}

absl::StatusOr<bool> RecordEpoch(Ledger& ledger, Sequencer& sequencer, std::string_view cause,
                                 std::string_view description) {
  const Tenant& system = *ledger.tenants().system();
  const RowView view(ledger.rows(), system.number, system.visible);
  RETRACE_ASSIGN(const domain::RowPtr row, view.Get({domain::KindNumber::kServer, "server"}));
  store::v1::EpochBegan began;
  began.set_epoch(ledger.log().epoch());
  began.set_cause("CREATED");
  if (row != nullptr) {
    began.set_previous(row->As<store::v1::ServerRow>().epoch());
    if (began.previous() == began.epoch()) {
      return false;
    }
    began.set_cause(std::string(cause));
  }
  began.set_description(domain::WholeUtf8(description, kMostDescriptionBytes));
  RETRACE_ASSIGN(const v1::Outcome outcome,
                 Record(sequencer, ledger.tenants(), ServerItself(),
                        std::string(domain::kServerActor), std::move(began)));
  static_cast<void>(outcome);
  return true;
}

}  // namespace retrace::server
