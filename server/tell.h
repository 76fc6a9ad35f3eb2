// Telling people what no command of theirs caused.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "retrace/store/v1/notifications.pb.h"
#include "server/sequencer.h"

namespace retrace::server {

// Asks for the notification as a command of the server itself, `method` in history. Blocks until it
// is durable.
absl::Status TellAsServer(Sequencer& sequencer, Tenant& tenant, const store::v1::Tell& tell,
                          std::string method);

// Tells every tenant's administrators, and operators who may enter it, that a scheduled backup
// failed: of one day once. What cannot be told is logged.
void TellOfFailedBackup(Ledger& ledger, Sequencer& sequencer, int64_t now_us,
                        const std::string& fault);

}  // namespace retrace::server
