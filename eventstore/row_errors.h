// What goes wrong with rows, in words. Rows are disposable, so the next step is always the same.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/status.h"

namespace retrace::eventstore {

// See FromRocks.
absl::Status RowsStatus(const rocksdb::Status& status, std::string_view directory);

// DATA_LOSS: the key does not have the form, or its value not the content, that `what` says.
absl::Status DamagedRow(std::string_view directory, std::string_view what, std::string_view key);

}  // namespace retrace::eventstore
