// Addressing: from a notification to its deliveries. Resolves who is meant, as of the moment at
// which it was asked for, and by which ways they can be reached.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/view.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "server/envelope.h"
#include "server/ledger.h"
#include "server/principals.h"
#include "server/row_view.h"
#include "server/sequencer.h"

namespace retrace::server {

// Thread-compatible.
class Addressing {
 public:
  struct Parts {
    Ledger* ledger = nullptr;
    Sequencer* sequencer = nullptr;
    const Principals* principals = nullptr;
    bool mail = false;  // e-mail can be sent at all
    // Notifications that one event addresses at once, so that nobody waits long for its end.
    size_t most_at_once = 1000;
  };
  explicit Addressing(const Parts& parts) : parts_(parts) {}

  // For LogFollower. UNAVAILABLE when there is more to address: what was, is not again.
  static bool Wants(const Envelope::Event& event);
  absl::StatusOr<bool> Handle(Tenant& tenant, const Envelope& commit,
                              const Envelope::Event& event) const;

  // Everybody whom an audience names, by every way that there is, whether they want it or not.
  absl::StatusOr<std::vector<store::v1::Recipient>> Resolve(Tenant& tenant,
                                                            const v1::Audience& audience,
                                                            const std::string& kind,
                                                            eventstore::Position as_of) const;

 private:
  absl::StatusOr<bool> AddressClosed(Tenant& tenant, eventstore::Position change_set) const;
  absl::StatusOr<bool> AddressResolved(Tenant& tenant) const;
  // Counts those of which something was made. Leaves none or so many to be addressed later.
  absl::Status AddressEach(Tenant& tenant, const std::vector<domain::IndexHit>& hits,
                           size_t together, size_t least_left, size_t& made) const;
  // `together` are as many notifications of the same change set.
  absl::StatusOr<bool> Address(Tenant& tenant, const std::string& id, size_t together) const;
  absl::StatusOr<std::vector<store::v1::Recipient>> Missing(Tenant& tenant, const std::string& id,
                                                            const v1::Notification& notification,
                                                            const RowView& view) const;
  absl::Status Send(Tenant& tenant, const store::v1::AddressNotification& command) const;

  const Parts parts_;
};

}  // namespace retrace::server
