#include "server/tell.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "domain/commands.h"
#include "server/logging.h"
#include "server/submit.h"
#include "server/system_log.h"

namespace retrace::server {
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

absl::Status TellOfBackups(Ledger& ledger, Sequencer& sequencer, int64_t now_us, BackupFault fault,
                           const std::string& last_good) {
  store::v1::Tell tell;
  tell.set_kind(fault == BackupFault::kDamaged ? "backups.damaged" : "backups.failed");
  tell.mutable_audience()->add_roles("administrator");
  tell.mutable_audience()->add_roles("operator");
  tell.set_key(
      absl::StrCat(absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(now_us), absl::UTCTimeZone()),
                   " ", last_good));
  absl::Status first;
  for (Tenant* tenant : ledger.tenants().All()) {
    const absl::Status told = TellAsServer(sequencer, *tenant, tell, "retraced.TellOfBackup");
    if (!told.ok()) {
      const std::string why(told.message());
      Log(LogLevel::kWarn, "a faulty backup was not told",
          {{"tenant", tenant->id}, {"fault", why}});
    }
    first.Update(told);
  }
  return first;
}

}  // namespace retrace::server
