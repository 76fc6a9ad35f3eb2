#include "domain/retention.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "domain/kind.h"
#include "domain/refusal.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::domain {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;
constexpr int64_t kNoticeUs = 7 * kDayUs;
constexpr int32_t kMostDays = 36'500;

v1::Retention RetentionOf(const v1::Policy& policy, std::string_view collection) {
  for (const v1::Retention& retention : policy.retentions()) {
    if (retention.collection() == collection) {
      return retention;
    }
  }
  v1::Retention usual;
  usual.set_collection(std::string(collection));
  usual.set_days(kDefaultRetentionDays);
  return usual;
}

int64_t EffectiveUs(const v1::Retention& retention) {
  return TimeUtil::TimestampToMicroseconds(retention.effective_time());
}

// Checks what the caller gave of one retention.
bool CheckOne(const v1::Policy& before, const v1::Retention& given, int64_t now_us,
              const std::string& element, FieldFaults& faults) {
  const Kind* kind = FindKind(given.collection());
  if (kind == nullptr || kind->derived || kind->subject == nullptr) {
    faults.Add(element + ".collection", "Is no collection that has a bin, such as `customers`.");
    return false;
  }
  if (given.days() < 1 || given.days() > kMostDays) {
    faults.Add(element + ".days", fmt::format("Must be 1 to {}.", kMostDays));
    return false;
  }
  // What was read may be given back as it is.
  if (given.has_effective_time() && EffectiveUs(given) < now_us &&
      EffectiveUs(given) != EffectiveUs(RetentionOf(before, given.collection()))) {
    faults.Add(element + ".effective_time", "Lies in the past.");
    return false;
  }
  return true;
}

// The stored form of a retention that follows on `old`.
v1::Retention Following(const v1::Policy& before, const v1::Retention& given, int64_t now_us) {
  const v1::Retention old = RetentionOf(before, given.collection());
  const bool same_time = !given.has_effective_time() ||
                         (old.has_effective_time() && EffectiveUs(old) == EffectiveUs(given));
  if (old.days() == given.days() && same_time) {
    return old;
  }
  v1::Retention stored;
  stored.set_collection(given.collection());
  stored.set_days(given.days());
  const int32_t in_force = RetentionDaysAt(before, given.collection(), now_us);
  if (given.days() < in_force) {
    stored.set_previous_days(in_force);
    *stored.mutable_effective_time() = given.has_effective_time()
                                           ? given.effective_time()
                                           : TimeUtil::MicrosecondsToTimestamp(now_us + kNoticeUs);
  }
  return stored;
}

}  // namespace

int32_t RetentionDaysAt(const v1::Policy& policy, std::string_view collection, int64_t time_us) {
  const v1::Retention retention = RetentionOf(policy, collection);
  const bool still_longer = retention.previous_days() > 0 && time_us < EffectiveUs(retention);
  return still_longer ? retention.previous_days() : retention.days();
}

int64_t ExpireTimeUs(const v1::Policy& policy, std::string_view collection, int64_t deleted_us) {
  const v1::Retention retention = RetentionOf(policy, collection);
  const int64_t expires = deleted_us + retention.days() * kDayUs;
  if (retention.previous_days() == 0) {
    return expires;
  }
  // Until a shortening is in force only what is as old as it was before expires.
  return std::min(deleted_us + retention.previous_days() * kDayUs,
                  std::max(expires, EffectiveUs(retention)));
}

void NormaliseRetentions(const v1::Policy& before, int64_t now_us, v1::Policy& after,
                         FieldFaults& faults) {
  std::map<std::string, v1::Retention> stored;
  for (int i = 0; i < after.retentions_size(); ++i) {
    const v1::Retention& given = after.retentions(i);
    const std::string element = fmt::format("retentions[{}]", i);
    if (!CheckOne(before, given, now_us, element, faults)) {
      continue;
    }
    if (!stored.emplace(given.collection(), Following(before, given, now_us)).second) {
      faults.Add(element + ".collection", "Is in the list already.");
    }
  }
  // What is no longer given goes back to the default, which may be a shortening.
  for (const v1::Retention& old : before.retentions()) {
    if (!stored.contains(old.collection()) &&
        RetentionDaysAt(before, old.collection(), now_us) > kDefaultRetentionDays) {
      v1::Retention usual;
      usual.set_collection(old.collection());
      usual.set_days(kDefaultRetentionDays);
      stored.emplace(old.collection(), Following(before, usual, now_us));
    }
  }
  after.clear_retentions();
  for (auto& [collection, retention] : stored) {
    *after.add_retentions() = std::move(retention);
  }
}

absl::Status CheckNotice(const v1::Policy& before, const v1::Policy& after, int64_t now_us) {
  for (const Kind& kind : Kinds()) {
    if (RetentionDaysAt(after, kind.collection, now_us) >=
        RetentionDaysAt(before, kind.collection, now_us)) {
      continue;
    }
    return Refusal(v1::STATE_REFUSED,
                   fmt::format("The bin would keep {} shorter from now on, without notice.",
                               kind.collection))
        .Next("Set `retentions` by an update of the policy, which gives notice of 7 days.");
  }
  return absl::OkStatus();
}

}  // namespace retrace::domain
