// What there is to say of a notification: from rows to the values that templates name.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "retrace/v1/notifications.pb.h"
#include "server/ledger.h"
#include "server/message.h"
#include "server/principals.h"

namespace retrace::server {

// As far as it still stands now. Titles of entities are what lists showed of them when the
// notification was asked for; of what was purged since nothing is known. `recipient` is a member, a
// principal or empty.
absl::StatusOr<MessageValues> ValuesOf(const Ledger& ledger, const Principals& principals,
                                       const Tenant& tenant, const std::string& name,
                                       const v1::Notification& notification,
                                       const std::string& recipient);

// The language that a recipient reads: their own, or the tenant's.
absl::StatusOr<std::string> LanguageOf(const Ledger& ledger, const Principals& principals,
                                       const Tenant& tenant, const std::string& recipient);
// Where e-mail for a recipient goes now; empty: nowhere.
absl::StatusOr<std::string> AddressOf(const Ledger& ledger, const Principals& principals,
                                      const Tenant& tenant, const std::string& recipient);

}  // namespace retrace::server
