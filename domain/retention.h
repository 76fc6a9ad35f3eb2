// How long the recycle bin keeps what was deleted. Nothing is stored with what was deleted: when it
// expires follows from the policy in force when somebody asks.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "domain/normalise.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::domain {

inline constexpr int32_t kDefaultRetentionDays = 60;

// Days in force at a moment (microseconds since 1970).
int32_t RetentionDaysAt(const v1::Policy& policy, std::string_view collection, int64_t time_us);
// When what was deleted at `deleted_us` expires if the policy stays as it is.
int64_t ExpireTimeUs(const v1::Policy& policy, std::string_view collection, int64_t deleted_us);

// Puts the retentions of `after` into their stored form: a lengthening is in force at once, a
// shortening against `before` from its effective time, by default 7 days after `now_us`.
void NormaliseRetentions(const v1::Policy& before, int64_t now_us, v1::Policy& after,
                         FieldFaults& faults);

// Refuses retentions that are shorter at `now_us` than they were: an undo gives no notice.
absl::Status CheckNotice(const v1::Policy& before, const v1::Policy& after, int64_t now_us);

}  // namespace retrace::domain
