// The content digest: what a tenant's rows say, in 32 bytes.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/row_store.h"
#include "eventstore/types.h"

namespace retrace::server {

struct ContentDigest {
  eventstore::Sha256Digest digest{};
  int64_t entities = 0;
};

// SHA-256 over the live and binned entities of all content kinds in key order as of a position,
// each as domain::DigestForm says it (without derived fields and times), with its length before it.
// `go_on` is asked now and then; its error ends the walk. Thread-safe.
absl::StatusOr<ContentDigest> DigestContent(const eventstore::RowStore& rows,
                                            eventstore::TenantNumber tenant,
                                            eventstore::Position position,
                                            const std::function<absl::Status()>& go_on);

// Lower-case hexadecimal.
std::string ShowDigest(const eventstore::Sha256Digest& digest);

}  // namespace retrace::server
