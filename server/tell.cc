#include "server/tell.h"

#include <utility>

#include "absl/time/time.h"
#include "domain/commands.h"
#include "server/logging.h"
#include "server/submit.h"
#include "server/system_log.h"

namespace retrace::server {
namespace {

constexpr size_t kMostFaultBytes = 1000;

}  // namespace

absl::Status TellAsServer(Sequencer& sequencer, Tenant& tenant, const store::v1::Tell& tell,
                          std::string method) {
  Command command;
  command.tenant = &tenant;
  command.principal = ServerItself();
  command.method = std::move(method);
  command.decide = [&tell](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(tell, draft, context);
  };
  return SubmitAndAwait(sequencer, std::move(command)).status;
}

void TellOfFailedBackup(Ledger& ledger, Sequencer& sequencer, int64_t now_us,
                        const std::string& fault) {
  store::v1::Tell tell;
  tell.set_kind("backups.failed");
  tell.mutable_audience()->add_roles("administrator");
  tell.mutable_audience()->add_roles("operator");
  tell.set_message(fault.substr(0, kMostFaultBytes));
  tell.set_key(absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(now_us), absl::UTCTimeZone()));
  for (Tenant* tenant : ledger.tenants().All()) {
    const absl::Status told = TellAsServer(sequencer, *tenant, tell, "retraced.TellOfBackup");
    if (!told.ok()) {
      const std::string why(told.message());
      Log(LogLevel::kWarn, "a failed backup was not told",
          {{"tenant", tenant->id}, {"fault", why}});
    }
  }
}

}  // namespace retrace::server
