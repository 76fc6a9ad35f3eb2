// Telling people what no command of theirs caused.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "retrace/store/v1/notifications.pb.h"
#include "server/backup_schedule.h"
#include "server/sequencer.h"

namespace retrace::server {

// Asks for the notification as a command of the server itself, `method` in history. Blocks until it
// is durable.
absl::Status TellAsServer(Sequencer& sequencer, Tenant& tenant, const store::v1::Tell& tell,
                          std::string method);

// Tells every tenant's administrators, and operators who may enter it, of scheduled backups: that
// one failed, or that one is damaged; of each once a day, and again after another good one. What
// cannot be told is logged, and the first error returned: call it again.
absl::Status TellOfBackups(Ledger& ledger, Sequencer& sequencer, int64_t now_us, BackupFault fault,
                           const std::string& last_good);

}  // namespace retrace::server
