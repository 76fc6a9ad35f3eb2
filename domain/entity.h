// Entities and their rows, as domain sees them.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include "google/protobuf/message.h"
#include "retrace/store/v1/row.pb.h"

namespace retrace::domain {

using Position = uint64_t;
inline constexpr Position kLatest = UINT64_MAX;

// Numbers of the kinds. They are on disk: never changed, never reused. Kinds from kFirstDerived on
// are computed from commits and hold no entity of their own.
enum class KindNumber : uint16_t {
  kTenant = 1,  // in tenant `system`
  kPolicy = 2,  // one per tenant, id "policy"
  kMember = 3,
  kCustomer = 4,
  kRecord = 5,
  kChangeSet = 6,  // only those begun with History.BeginChangeSet; id: decimal position
  kServer = 7,     // in tenant `system`: epochs and administrative acts, id "server"
  kHold = 8,
  kOperation = 10,      // see operation.h
  kOperationPart = 11,  // id: that of the operation and a number
  kExpiry = 12,         // announcements of what the bin purges next
  kFollower = 13,       // how far a follower with outside effects has come
  kNotification = 14,
  kDelivery = 15,
  kContactPoint = 16,
  kWebhook = 17,
  kTemplate = 18,
  kAnnouncement = 19,  // a plan that was announced
  kFirstDerived = 256,
  kCounters = 256,        // id: "" for the tenant, `customers/ID` for a customer's records
  kRequest = 257,         // id: see RequestRowId in context.h
  kChangeSetTally = 258,  // id: decimal position; of change sets that were begun
};

// Names one entity within a tenant.
struct EntityRef {
  KindNumber kind{};
  std::string id;
  auto operator<=>(const EntityRef&) const = default;
};

// One version of an entity: what every kind has, and the resource of its own kind. For derived
// kinds the head is empty. The resource leaves out what the head determines: name, etag, times, a
// DELETED state.
struct Row {
  store::v1::RowHead head;
  std::shared_ptr<const google::protobuf::Message> resource;

  bool live() const { return head.lifecycle() == store::v1::RowHead::LIVE; }
  bool binned() const { return head.lifecycle() == store::v1::RowHead::BINNED; }
  // A part of another entity.
  bool merged() const { return head.lifecycle() == store::v1::RowHead::MERGED; }
  // Live, in the bin, or a part of another entity.
  bool kept() const { return live() || binned() || merged(); }
  // This version was made by an undo.
  bool undone() const { return head.taken_back_size() > 0; }
  // Position of the commit that brought it into the bin; 0: it is not there.
  Position binned_at() const {
    const store::v1::Deletion& deletion = head.deletion();
    return !binned()                         ? 0
           : deletion.redone_position() != 0 ? deletion.redone_position()
           : deletion.last_position() != 0   ? deletion.last_position()
                                             : deletion.position();
  }
  // A tombstone: its resource is empty.
  bool purged() const { return head.lifecycle() == store::v1::RowHead::PURGED; }
  // The resource as its own type; the caller knows the kind.
  template <typename Resource>
  const Resource& As() const {
    return static_cast<const Resource&>(*resource);
  }
};
using RowPtr = std::shared_ptr<const Row>;  // null: there is no such entity

}  // namespace retrace::domain
