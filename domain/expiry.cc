#include "domain/expiry.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/hold.h"
#include "domain/index_values.h"
#include "domain/lifecycle.h"
#include "domain/policy.h"
#include "domain/purge.h"
#include "domain/resource.h"
#include "domain/retention.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/store/v1/timers.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using store::v1::Expiry;

constexpr uint8_t kDueIndex = 1;
constexpr uint8_t kEntityIndex = 2;
// Entities of one announcement.
constexpr size_t kMostAnnounced = 100;
// Entities of the bin that one look passes by, of each kind.
constexpr size_t kMostLookedAt = 10'000;

void ApplyExpiry(const Message& event, const CommitHeader& /*header*/, Row& row) {
  const bool announced = event.GetDescriptor() == store::v1::ExpiryAnnounced::descriptor();
  row.resource = std::make_shared<Expiry>(
      announced ? static_cast<const store::v1::ExpiryAnnounced&>(event).expiry()
                : static_cast<const store::v1::ExpiryAdvanced&>(event).expiry());
}

// As an announcement names it: without the tenant.
std::string ShortName(const EntityRef& entity) {
  return fmt::format("{}/{}", KindOf(entity.kind).collection, entity.id);
}

absl::StatusOr<RowPtr> AnnouncementOf(const EntityRef& entity, const View& view) {
  const std::string name = ShortName(entity);
  RETRACE_ASSIGN(const auto hits,
                 view.Find({KindNumber::kExpiry, kEntityIndex, name, name + '\0'}, 1));
  return hits.empty() ? RowPtr() : view.Get({KindNumber::kExpiry, hits.front().id});
}

// True when a purge of the entity would take nothing but what came into the bin before `since` and
// is past its time at `time_us`, and nothing that is held.
absl::StatusOr<bool> MayGo(const Found& binned, int64_t time_us, Position since,
                           const v1::Policy& policy, const View& view, const Context& context) {
  Draft trial(view, context.header);
  absl::Status purged = PurgeAll({binned}, trial);
  if (purged.ok()) {
    purged = CheckHolds(trial, context);
  }
  if (!purged.ok()) {
    // Held, or with more below it than one commit takes; what is below goes first, by itself.
    return ReasonOf(purged) == v1::ERROR_REASON_UNSPECIFIED ? absl::StatusOr<bool>(purged) : false;
  }
  for (const auto& [entity, touched] : trial.touched()) {
    if (touched.after->purged() &&
        (touched.before->binned_at() >= since ||
         ExpireTimeUs(policy, KindOf(entity.kind).collection,
                      touched.before->head.deletion().time_us()) > time_us)) {
      return false;
    }
  }
  return true;
}

absl::StatusOr<bool> IsToBeAnnounced(const Found& binned, const v1::Policy& policy,
                                     const View& view, const Context& context) {
  RETRACE_ASSIGN(const RowPtr announcement, AnnouncementOf(binned.entity, view));
  if (announcement != nullptr) {
    return false;
  }
  return MayGo(binned, context.header.time_us + kExpiryNoticeUs, context.header.position, policy,
               view, context);
}

// Adds what is to be announced of one kind.
absl::Status FindOfKind(const Kind& kind, const v1::Policy& policy, const View& view,
                        const Context& context, std::vector<EntityRef>& found) {
  const int64_t by_us = context.header.time_us + kExpiryNoticeUs;
  std::vector<IndexHit> hits;
  size_t looked_at = 0;
  // Few are due as a rule: the first one tells.
  for (size_t limit = 1; limit <= kMostLookedAt; limit *= 10) {
    RETRACE_ASSIGN(hits, view.Find({kind.number, kBinIndex, "", ""}, limit));
    for (; looked_at < hits.size() && found.size() < kMostAnnounced; ++looked_at) {
      Found one{{kind.number, hits[looked_at].id}, nullptr};
      RETRACE_ASSIGN(one.row, view.Get(one.entity));
      if (one.row == nullptr || !one.row->binned()) {
        continue;
      }
      if (ExpireTimeUs(policy, kind.collection, one.row->head.deletion().time_us()) > by_us) {
        return absl::OkStatus();  // the others came later
      }
      RETRACE_ASSIGN(const bool is_new, IsToBeAnnounced(one, policy, view, context));
      if (is_new) {
        found.push_back(one.entity);
      }
    }
    if (hits.size() < limit || found.size() == kMostAnnounced) {
      break;
    }
  }
  return absl::OkStatus();
}

// Too little of the server's uptime has passed: the clock went ahead, or the server was down.
bool MustWait(const Expiry& expiry, const store::v1::Fire& fire, int64_t now_us, Expiry& next) {
  // A server that lost count begins anew.
  const int64_t passed = std::max<int64_t>(0, fire.uptime_us() - expiry.uptime_us());
  if (passed >= kExpiryNoticeUs) {
    return false;
  }
  next = expiry;
  next.set_uptime_us(fire.uptime_us() - passed);
  next.set_due_us(now_us + kExpiryNoticeUs - passed);
  return true;
}

absl::Status FireExpiry(const Found& announcement, const store::v1::Fire& fire, Draft& draft,
                        const Context& context) {
  const auto& expiry = announcement.row->As<Expiry>();
  auto event = std::make_shared<store::v1::ExpiryAdvanced>();
  if (MustWait(expiry, fire, context.header.time_us, *event->mutable_expiry())) {
    return draft.Emit(announcement.entity, std::move(event));
  }
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(draft));
  std::vector<Found> going;
  for (const std::string& name : expiry.entities()) {
    if (fire.limit() > 0 && going.size() >= static_cast<size_t>(fire.limit())) {
      event->mutable_expiry()->add_entities(name);
      continue;
    }
    RETRACE_ASSIGN(const ResourceName parsed,
                   ParseName(fmt::format("tenants/{}/{}", context.header.tenant, name), "name"));
    const Kind* kind = FindKind(parsed.collection);
    Found one{{kind == nullptr ? KindNumber::kExpiry : kind->number, parsed.id}, nullptr};
    RETRACE_ASSIGN(one.row, draft.Get(one.entity));
    if (one.row == nullptr || !one.row->binned()) {
      continue;
    }
    RETRACE_ASSIGN(const bool may_go,
                   MayGo(one, context.header.time_us, announcement.row->head.create_position(),
                         policy, draft, context));
    if (may_go) {
      going.push_back(std::move(one));
    }
  }
  if (!event->expiry().entities().empty()) {
    event->mutable_expiry()->set_due_us(expiry.due_us());
    event->mutable_expiry()->set_uptime_us(expiry.uptime_us());
  }
  for (const Found& one : going) {
    draft.Target(one.entity);
  }
  RETRACE_RETURN_IF_ERROR(PurgeAll(going, draft));
  return draft.Emit(announcement.entity, std::move(event));
}

}  // namespace

Kind ExpiryKind() {
  Kind kind;
  kind.number = KindNumber::kExpiry;
  kind.singular = "expiry";
  kind.collection = "expiries";
  kind.resource = &Expiry::default_instance();
  kind.events = {&store::v1::ExpiryAnnounced::default_instance(),
                 &store::v1::ExpiryAdvanced::default_instance()};
  kind.indexes = {
      {.number = kDueIndex, .name = "due", .fields = {"due_us"}, .normaliser = Normaliser::kNumber},
      {.number = kEntityIndex,
       .name = "entity",
       .fields = {"entities"},
       .normaliser = Normaliser::kExact}};
  kind.due_index = kDueIndex;
  kind.apply = ApplyExpiry;
  kind.fire = FireExpiry;
  return kind;
}

absl::StatusOr<std::vector<EntityRef>> FindExpiring(const View& view, const Context& context) {
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(view));
  std::vector<EntityRef> found;
  for (const Kind& kind : Kinds()) {
    if (!kind.derived) {
      RETRACE_RETURN_IF_ERROR(FindOfKind(kind, policy, view, context, found));
    }
  }
  return found;
}

absl::StatusOr<std::optional<int64_t>> AnnouncedFor(const EntityRef& entity, const View& view) {
  RETRACE_ASSIGN(const RowPtr announcement, AnnouncementOf(entity, view));
  return announcement == nullptr ? std::nullopt
                                 : std::optional(announcement->As<Expiry>().due_us());
}

absl::Status Decide(const store::v1::AnnounceExpiry& command, Draft& draft,
                    const Context& context) {
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(draft));
  auto event = std::make_shared<store::v1::ExpiryAnnounced>();
  for (const store::v1::EntityRef& stored : command.entities()) {
    Found one{FromStored(stored), nullptr};
    RETRACE_ASSIGN(one.row, draft.Get(one.entity));
    if (one.row == nullptr || !one.row->binned()) {
      continue;
    }
    RETRACE_ASSIGN(const bool is_new, IsToBeAnnounced(one, policy, draft, context));
    if (is_new) {
      event->mutable_expiry()->add_entities(ShortName(one.entity));
    }
  }
  if (event->expiry().entities().empty()) {
    return absl::OkStatus();
  }
  event->mutable_expiry()->set_due_us(context.header.time_us + kExpiryNoticeUs);
  event->mutable_expiry()->set_uptime_us(command.uptime_us());
  const EntityRef announcement{KindNumber::kExpiry, context.new_id()};
  draft.Target(announcement);
  return draft.Emit(announcement, std::move(event));
}

}  // namespace retrace::domain
