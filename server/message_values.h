// What there is to say of a notification: from rows to the values that templates name.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "retrace/v1/notifications.pb.h"
#include "server/ledger.h"
#include "server/message.h"
#include "server/principals.h"

namespace retrace::server {

// As far as it still stands now. Titles of entities are what lists showed of them after what is
// told of them happened; of what was purged since nothing is known. `recipient` is a member, a
// principal or empty.
absl::StatusOr<MessageValues> ValuesOf(const Ledger& ledger, const Principals& principals,
                                       const Tenant& tenant, const std::string& name,
                                       const v1::Notification& notification,
                                       const std::string& recipient);

// As lists show it.
absl::StatusOr<std::string> TitleOfTenant(const Ledger& ledger, const Tenant& tenant);

// The languages that a recipient reads, best first: their own, then the tenant's.
absl::StatusOr<std::vector<std::string>> LanguagesOf(const Ledger& ledger,
                                                     const Principals& principals,
                                                     const Tenant& tenant,
                                                     const std::string& recipient);
// Where e-mail for a recipient goes now; empty: nowhere.
absl::StatusOr<std::string> AddressOf(const Ledger& ledger, const Principals& principals,
                                      const Tenant& tenant, const std::string& recipient);

}  // namespace retrace::server
