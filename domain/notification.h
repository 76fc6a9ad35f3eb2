// Notifications: what is to be told to whom. Asked for in the commit that causes it, so nothing is
// told that did not happen and nothing that happened goes untold.
//
// A notification is known by its change set, its kind and a key: what happens to more entities of
// the same change set extends it. What is undone of it before it left is taken out of it; what is
// undone afterwards asks for a correction, which is the notification of the opposite kind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "domain/kind.h"
#include "retrace/v1/notifications.pb.h"

namespace retrace::domain {

// Entities that a notification shows; the others are counted.
inline constexpr int kMostShown = 10;
// The index of notifications whose change set is open, by its number (EncodeNumber).
inline constexpr uint8_t kGatheringIndex = 1;
// The index of all notifications, by the name of their state.
inline constexpr uint8_t kNotificationStateIndex = 3;

Kind NotificationsKind();

// False when everything that it tells of was undone.
bool Stands(const v1::Notification& notification);

struct Notice {
  std::string kind;  // of NotificationKinds()
  v1::Audience audience;
  // What it is about: a resource name, or nothing.
  std::string about;
  // Words for the recipients.
  std::string message;
  // Why; empty: as the commit says that asks for it.
  std::string reason;
  // The earliest moment at which it goes out, microseconds since 1970.
  int64_t not_before_us = 0;
  // Tells several of a kind in one change set apart; empty: `about`.
  std::string key;
  // Asked for once with this key, whatever the change set: not a second time.
  bool once = false;
  // One for all change sets in a stretch of time so long, microseconds, which goes out at its end;
  // 0: one for each change set.
  int64_t window_us = 0;
  // Entities that it tells of, as far as they are shown, and how many there are.
  std::vector<v1::NotifiedEntity> entities;
  int64_t count = 0;
  // The change set that it tells of, and that may be undone; 0: the one that asks for it.
  Position change_set = 0;
  // Nobody else is to be found for it: it is done with by the commit that asks for it.
  bool addressed = false;
  // Name of the notification that it corrects.
  std::string corrects;
};

// Asks for a notification, or extends the one that the change set has of it. NOBODY_TO_TELL when
// the audience is empty.
absl::Status Notify(const Notice& notice, Draft& draft, const Context& context);

// The notification that it asks for, or extends.
EntityRef RefOf(const Notice& notice, const Draft& draft);
EntityRef NotificationRef(Position change_set, std::string_view kind, std::string_view key);
// The entity that a notification's or a delivery's name names; the name may be of any tenant.
std::string IdOfName(std::string_view name);

// Asks for the correction of a notification of which something was undone after it left; or, when
// it was asked for already, for telling those whom it left out. Who was told knew that `known`
// entities had been taken back.
absl::Status Correct(const Found& notification, int64_t known, Draft& draft,
                     const Context& context);

}  // namespace retrace::domain
