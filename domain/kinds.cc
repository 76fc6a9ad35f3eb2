// The list of kinds.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "domain/announcement.h"
#include "domain/change_set.h"
#include "domain/counters.h"
#include "domain/customer.h"
#include "domain/delivery.h"
#include "domain/expiry.h"
#include "domain/follower.h"
#include "domain/hold.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/member.h"
#include "domain/notification.h"
#include "domain/operation.h"
#include "domain/policy.h"
#include "domain/projection.h"
#include "domain/recipient.h"
#include "domain/record.h"
#include "domain/server_log.h"
#include "domain/template.h"
#include "domain/tenant.h"
#include "domain/webhook.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;

std::vector<Kind>& List() {
  static auto* const kinds = new std::vector<Kind>{
      TenantKind(),         PolicyKind(),        MemberKind(),       CustomerKind(),
      RecordKind(),         ChangeSetKind(),     ServerKind(),       HoldKind(),
      OperationKind(),      OperationPartKind(), ExpiryKind(),       FollowerKind(),
      NotificationsKind(),  DeliveryKind(),      ContactPointKind(), WebhookKind(),
      AnnouncementKind(),   TemplatesKind(),     CountersKind(),     RequestKind(),
      ChangeSetTallyKind(),
  };
  return *kinds;
}

std::map<std::string, const Message*, std::less<>> EventsByType() {
  std::map<std::string, const Message*, std::less<>> events;
  for (const Message* event : LifecycleEvents()) {
    events.emplace(event->GetDescriptor()->name(), event);
  }
  for (const Kind& kind : List()) {
    for (const Message* event : kind.events) {
      events.emplace(event->GetDescriptor()->name(), event);
    }
  }
  return events;
}

}  // namespace

std::span<const Kind> Kinds() { return List(); }

void AddKind(Kind kind) { List().push_back(std::move(kind)); }

const Kind* FindKindByNumber(uint32_t number) {
  for (const Kind& kind : List()) {
    if (static_cast<uint32_t>(kind.number) == number) {
      return &kind;
    }
  }
  return nullptr;
}

const Kind& KindOf(KindNumber number) {
  const Kind* kind = FindKindByNumber(static_cast<uint32_t>(number));
  if (kind == nullptr) {
    std::abort();
  }
  return *kind;
}

const Kind* FindKind(std::string_view collection) {
  for (const Kind& kind : List()) {
    if (!kind.collection.empty() && kind.collection == collection) {
      return &kind;
    }
  }
  return nullptr;
}

const IndexDeclaration* FindIndex(const Kind& kind, uint8_t number) {
  const auto found =
      std::find_if(kind.indexes.begin(), kind.indexes.end(),
                   [number](const IndexDeclaration& index) { return index.number == number; });
  return found == kind.indexes.end() ? nullptr : &*found;
}

const Message* FindEvent(std::string_view type) {
  static const auto* const events =
      new std::map<std::string, const Message*, std::less<>>(EventsByType());
  const auto found = events->find(type);
  return found == events->end() ? nullptr : found->second;
}

}  // namespace retrace::domain
