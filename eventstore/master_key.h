// The file with the master key.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "eventstore/key_store.h"

namespace retrace::eventstore {

// Reads the key; see KeyStore::Open for what is refused.
absl::StatusOr<SecretKey> ReadMasterKey(const std::string& file);

}  // namespace retrace::eventstore
