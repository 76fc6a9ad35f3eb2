// Translates RocksDB's statuses into ours, in words that say what happened, where, and what to do.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/env.h"
#include "rocksdb/status.h"

namespace retrace::eventstore {

// OK for OK. `doing` says what was tried and where, e.g. "opening the commit log in /var/lib/x";
// `if_damaged` is the next step when bytes are corrupt or missing. Codes:
//   DATA_LOSS            corrupt bytes, a missing file
//   FAILED_PRECONDITION  no permission, locked by another process
//   RESOURCE_EXHAUSTED   no space
//   UNAVAILABLE          any other failure of the storage
absl::Status FromRocks(const rocksdb::Status& status, std::string_view doing,
                       std::string_view if_damaged);

// For what is opened read-only: swallows the messages that RocksDB would write beside the data.
std::shared_ptr<rocksdb::Logger> SilentLogger();

}  // namespace retrace::eventstore
