// What people are told of: the one table of kinds of notifications.
#pragma once

#include <span>
#include <string_view>

namespace retrace::domain {

struct NotificationKind {
  std::string_view name;  // e.g. "customers.deleted"
  // Sent in spite of opt-outs. An optional one can be switched off by its recipient.
  bool transactional = false;
  // The kind that tells of the reverse, which corrects it; empty: there is none.
  std::string_view opposite;
  std::string_view description;     // what it tells, a sentence
  std::string_view description_zh;  // the same in Chinese
};

// By name.
std::span<const NotificationKind> NotificationKinds();
// Null when there is none of that name.
const NotificationKind* FindNotificationKind(std::string_view name);

}  // namespace retrace::domain
