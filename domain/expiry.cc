#include "domain/expiry.h"

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "domain/batch.h"
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
// Entities that one announcement, or one firing of it, is about with all that goes with them: it is
// decided while other commands wait.
constexpr size_t kMostTouched = 200;
// Entries of the bin that are read at once. One commit has not brought as many there, so the
// entries behind any one of them are reached.
constexpr size_t kLookedAtOnce = kMostEntities + 1;
constexpr size_t kMostLookedThrough = 100'000;
constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;

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

enum class Going { kNot, kInPart, kWhole };

// Purges the entity in `trial`, as far as one commit does that. It may not go when the purge is
// refused, or takes what came into the bin since `since` or is not past its time at `time_us`.
absl::StatusOr<Going> TryToPurge(const Found& binned, int64_t time_us, Position since,
                                 const v1::Policy& policy, Draft& trial, const Context& context) {
  const absl::StatusOr<PurgePart> part = PurgeInParts(binned, trial, context);
  const absl::Status purged = part.ok() ? trial.Check(context) : part.status();
  if (!purged.ok()) {
    // Held, or with more below it than one commit takes; what is below goes first, by itself.
    return ReasonOf(purged) == v1::ERROR_REASON_UNSPECIFIED ? absl::StatusOr<Going>(purged)
                                                            : Going::kNot;
  }
  for (const Found& taken : part->taken) {
    if (taken.row->binned_at() >= since ||
        ExpireTimeUs(policy, KindOf(taken.entity.kind).collection,
                     taken.row->head.deletion().time_us()) > time_us) {
      return Going::kNot;
    }
  }
  return part->last ? Going::kWhole : Going::kInPart;
}

// What is to be announced, with how many entities the purge of that touches.
struct Expiring {
  std::vector<EntityRef> entities;
  size_t touched = 0;
  bool full() const { return entities.size() >= kMostAnnounced || touched >= kMostTouched; }
};

// Adds the entity if it is to be announced.
absl::Status AddExpiring(const Found& binned, const v1::Policy& policy, const View& view,
                         const Context& context, Expiring& expiring) {
  RETRACE_ASSIGN(const RowPtr announcement, AnnouncementOf(binned.entity, view));
  if (announcement != nullptr) {
    return absl::OkStatus();
  }
  Draft trial(view, context.header);
  RETRACE_ASSIGN(const Going going, TryToPurge(binned, context.header.time_us + kExpiryNoticeUs,
                                               context.header.position, policy, trial, context));
  if (going != Going::kNot) {
    expiring.entities.push_back(binned.entity);
    expiring.touched += trial.touched().size();
  }
  return absl::OkStatus();
}

// Looks at the next entries of one kind and adds what is to be announced. True when there are no
// more, or when those that come next came into the bin too late.
absl::StatusOr<bool> LookOn(const Kind& kind, const v1::Policy& policy, const View& view,
                            const Context& context, BinLook& look, Expiring& expiring) {
  const int64_t by_us = context.header.time_us + kExpiryNoticeUs;
  // Few are due as a rule: the first one tells.
  const size_t limit = look.value.empty() ? 1 : kLookedAtOnce;
  RETRACE_ASSIGN(const auto hits, view.Find({kind.number, kBinIndex, look.value, ""}, limit));
  for (const IndexHit& hit : hits) {
    if (std::tie(hit.value, hit.id) <= std::tie(look.value, look.id)) {
      continue;
    }
    if (expiring.full()) {
      return false;
    }
    Found one{{kind.number, hit.id}, nullptr};
    RETRACE_ASSIGN(one.row, view.Get(one.entity));
    if (one.row != nullptr && one.row->binned()) {
      if (ExpireTimeUs(policy, kind.collection, one.row->head.deletion().time_us()) > by_us) {
        return true;
      }
      RETRACE_RETURN_IF_ERROR(AddExpiring(one, policy, view, context, expiring));
    }
    look.value = hit.value;
    look.id = hit.id;
  }
  return hits.size() < limit;
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

absl::StatusOr<Found> FindAnnounced(const std::string& name, const Draft& draft) {
  RETRACE_ASSIGN(const ResourceName parsed,
                 ParseName(fmt::format("tenants/{}/{}", draft.header().tenant, name), "name"));
  const Kind* kind = FindKind(parsed.collection);
  Found found{{kind == nullptr ? KindNumber::kExpiry : kind->number, parsed.id}, nullptr};
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  return found;
}

absl::Status TakeOver(const Draft& trial, Draft& draft) {
  for (const DraftEvent& event : trial.events()) {
    RETRACE_RETURN_IF_ERROR(draft.Emit(event.entity, event.event));
  }
  for (const std::string& note : trial.notes()) {
    draft.Note(note);
  }
  return absl::OkStatus();
}

// Takes what may go, one after the other, and returns what is left for the next time: what one
// decision does not come to, and what it did only a part of. What may not go is dropped, each by
// itself; it is announced anew once it may.
absl::StatusOr<std::vector<std::string>> TakeAnnounced(const Found& announcement, size_t limit,
                                                       Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(draft));
  std::vector<std::string> left;
  size_t looked_at = 0;
  for (const std::string& name : announcement.row->As<Expiry>().entities()) {
    if (looked_at >= kMostTouched || (limit > 0 && draft.targets().size() >= limit)) {
      left.push_back(name);
      continue;
    }
    RETRACE_ASSIGN(const Found one, FindAnnounced(name, draft));
    if (one.row == nullptr || !one.row->binned()) {
      continue;
    }
    Draft trial(draft, context.header);
    RETRACE_ASSIGN(const Going going,
                   TryToPurge(one, context.header.time_us, announcement.row->head.create_position(),
                              policy, trial, context));
    looked_at += std::max<size_t>(1, trial.touched().size());
    if (going == Going::kNot) {
      continue;
    }
    // What is large goes alone.
    const bool fits = draft.touched().empty() || looked_at <= kMostTouched;
    if (fits) {
      RETRACE_RETURN_IF_ERROR(TakeOver(trial, draft));
    }
    if (fits && going == Going::kWhole) {
      draft.Target(one.entity);
    } else {
      left.push_back(name);
      looked_at = kMostTouched;
    }
  }
  return left;
}

absl::Status FireExpiry(const Found& announcement, const store::v1::Fire& fire, Draft& draft,
                        const Context& context) {
  const auto& expiry = announcement.row->As<Expiry>();
  auto event = std::make_shared<store::v1::ExpiryAdvanced>();
  if (MustWait(expiry, fire, context.header.time_us, *event->mutable_expiry())) {
    return draft.Emit(announcement.entity, std::move(event));
  }
  const auto limit = static_cast<size_t>(std::max(fire.limit(), 0));
  RETRACE_ASSIGN(const std::vector<std::string> left,
                 TakeAnnounced(announcement, limit, draft, context));
  if (!left.empty()) {
    event->mutable_expiry()->mutable_entities()->Assign(left.begin(), left.end());
    event->mutable_expiry()->set_due_us(expiry.due_us());
    event->mutable_expiry()->set_uptime_us(expiry.uptime_us());
  }
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

absl::StatusOr<std::vector<EntityRef>> FindExpiring(const View& view, const Context& context,
                                                    BinLook& look) {
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(view));
  Expiring expiring;
  // Many entries are read at most once in a call, so that whoever looks can stop in between.
  for (bool go_on = true; go_on && look.kind < Kinds().size();) {
    const Kind& kind = Kinds()[look.kind];
    const bool first = look.value.empty();
    bool all = true;
    if (!kind.derived) {
      RETRACE_ASSIGN(all, LookOn(kind, policy, view, context, look, expiring));
    }
    if (all) {
      look = {.kind = look.kind + 1};
    }
    go_on = (all || first) && !expiring.full();
  }
  look.ended = look.kind == Kinds().size();
  return std::move(expiring.entities);
}

absl::StatusOr<std::map<int64_t, ExpiringDay>> ExpiringByDay(const View& view,
                                                             const Context& context,
                                                             int64_t from_us, int64_t until_us,
                                                             size_t shown) {
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(view));
  std::map<int64_t, ExpiringDay> days;
  for (const Kind& kind : Kinds()) {
    if (kind.derived) {
      continue;
    }
    RETRACE_ASSIGN(const auto hits,
                   view.Find({kind.number, kBinIndex, "", ""}, kMostLookedThrough));
    for (const IndexHit& hit : hits) {
      const EntityRef entity{kind.number, hit.id};
      RETRACE_ASSIGN(const RowPtr row, view.Get(entity));
      if (row == nullptr || !row->binned()) {
        continue;
      }
      const int64_t expire_us =
          ExpireTimeUs(policy, kind.collection, row->head.deletion().time_us());
      if (expire_us >= until_us) {
        break;  // those that come next came into the bin later
      }
      RETRACE_ASSIGN(const auto hold,
                     HoldOn(entity, *row, /*as_part=*/true, view, context.header.tenant));
      if (expire_us < from_us || hold.has_value()) {
        continue;
      }
      ExpiringDay& day = days[expire_us / kDayUs];
      if (++day.count <= static_cast<int64_t>(shown)) {
        day.first.push_back(entity);
      }
    }
  }
  return days;
}

absl::StatusOr<std::optional<int64_t>> AnnouncedFor(const EntityRef& entity, const View& view) {
  RETRACE_ASSIGN(const RowPtr announcement, AnnouncementOf(entity, view));
  return announcement == nullptr ? std::nullopt
                                 : std::optional(announcement->As<Expiry>().due_us());
}

absl::Status Decide(const store::v1::AnnounceExpiry& command, Draft& draft,
                    const Context& context) {
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(draft));
  Expiring expiring;
  for (const store::v1::EntityRef& stored : command.entities()) {
    Found one{FromStored(stored), nullptr};
    RETRACE_ASSIGN(one.row, draft.Get(one.entity));
    if (one.row != nullptr && one.row->binned()) {
      RETRACE_RETURN_IF_ERROR(AddExpiring(one, policy, draft, context, expiring));
    }
  }
  auto event = std::make_shared<store::v1::ExpiryAnnounced>();
  for (const EntityRef& entity : expiring.entities) {
    event->mutable_expiry()->add_entities(ShortName(entity));
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
