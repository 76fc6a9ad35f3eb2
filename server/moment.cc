#include "server/moment.h"

#include <algorithm>
#include <array>
#include <limits>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "server/envelope.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using eventstore::Epoch;
using eventstore::Position;

// What a Timestamp can hold: years 1 to 9999.
constexpr int64_t kFirstSecond = -62135596800;
constexpr int64_t kLastSecond = 253402300799;

// Every answer tells the time of its position, and most are asked at the same one: each thread
// remembers a few. A visible commit never changes within an epoch.
struct KnownTime {
  Epoch epoch = 0;
  eventstore::TenantNumber tenant = 0;
  Position position = 0;
  int64_t time_us = 0;
};

KnownTime& RememberedTime(Epoch epoch, eventstore::TenantNumber tenant, Position position) {
  thread_local std::array<KnownTime, 64> remembered;
  return remembered[(epoch * 31 + tenant * 7 + position) % remembered.size()];
}

absl::StatusOr<Epoch> EpochAt(const Ledger& ledger, const Tenant& tenant, Position position) {
  RETRACE_ASSIGN(std::string bytes, ledger.ReadStored(tenant, position));
  Envelope envelope;
  RETRACE_RETURN_IF_ERROR(ReadEnvelope(bytes, /*with_events=*/false, envelope));
  return envelope.epoch;
}

// The last position from `first` on, up to `last`, of the same epoch as `first`. Epochs follow one
// another, none comes back.
absl::StatusOr<Position> EndOfEpoch(const Ledger& ledger, const Tenant& tenant, Position first,
                                    Position last, Epoch epoch) {
  while (first < last) {
    const Position middle = first + (last - first + 1) / 2;
    RETRACE_ASSIGN(Epoch there, EpochAt(ledger, tenant, middle));
    if (there == epoch) {
      first = middle;
    } else {
      last = middle - 1;
    }
  }
  return first;
}

absl::StatusOr<Position> PositionOfTime(Ledger& ledger, Tenant& tenant,
                                        const google::protobuf::Timestamp& time,
                                        std::string_view field) {
  if (time.seconds() < kFirstSecond || time.seconds() > kLastSecond || time.nanos() < 0 ||
      time.nanos() > 999999999) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("The time of {} is none that a Timestamp can hold.", field))
        .Field(fmt::format("{}.time", field),
               "must lie between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z");
  }
  const int64_t time_us = google::protobuf::util::TimeUtil::TimestampToMicroseconds(time);
  absl::StatusOr<Position> position = ledger.PositionAt(tenant, time_us);
  if (absl::IsOutOfRange(position.status())) {
    return Refusal(v1::FUTURE_AS_OF,
                   fmt::format("The time {} of {} lies in the future.",
                               google::protobuf::util::TimeUtil::ToString(time), field))
        .Field(fmt::format("{}.time", field), "must not lie in the future")
        .Next(fmt::format("Leave {} unset to ask about now.", field));
  }
  return position;
}

}  // namespace

std::string ShowEpoch(Epoch epoch) { return fmt::format("{:016x}", epoch); }

absl::StatusOr<int64_t> CommitTimeOf(const Ledger& ledger, const Tenant& tenant,
                                     Position position) {
  if (position == 0) return 0;
  const Epoch epoch = ledger.rocks_log().epoch();
  KnownTime& known = RememberedTime(epoch, tenant.number, position);
  if (known.epoch != epoch || known.tenant != tenant.number || known.position != position) {
    RETRACE_ASSIGN(std::string bytes, ledger.ReadStored(tenant, position));
    Envelope envelope;
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(bytes, /*with_events=*/false, envelope));
    known = {epoch, tenant.number, position, envelope.commit_time_us};
  }
  return known.time_us;
}

absl::StatusOr<Moment> MomentAt(const Ledger& ledger, const Tenant& tenant, Position position) {
  Moment moment{.position = position};
  RETRACE_ASSIGN(moment.time_us, CommitTimeOf(ledger, tenant, position));
  moment.answered.set_position(static_cast<int64_t>(position));
  moment.answered.set_epoch(ShowEpoch(ledger.rocks_log().epoch()));
  if (position > 0) {
    *moment.answered.mutable_commit_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(moment.time_us);
  }
  return moment;
}

absl::StatusOr<Moment> ResolveAsOf(Ledger& ledger, Tenant& tenant, const v1::AsOf& as_of,
                                   std::string_view field) {
  Position position = tenant.visible;
  if (as_of.has_position()) {
    if (as_of.position() < 0) {
      return Refusal(v1::INVALID_FIELD, fmt::format("The position of {} is negative.", field))
          .Field(fmt::format("{}.position", field),
                 "must be 0 (before the first commit) or a commit's position");
    }
    if (static_cast<Position>(as_of.position()) > position) {
      return Refusal(v1::FUTURE_AS_OF,
                     fmt::format("Position {} of {} lies in the future: tenant {} has come to {}.",
                                 as_of.position(), field, tenant.id, position))
          .With("head", std::to_string(position))
          .Field(fmt::format("{}.position", field), fmt::format("must be at most {}", position))
          .Next(fmt::format("Leave {} unset to ask about now.", field));
    }
    position = static_cast<Position>(as_of.position());
  } else if (as_of.has_time()) {
    RETRACE_ASSIGN(position, PositionOfTime(ledger, tenant, as_of.time(), field));
  }
  return MomentAt(ledger, tenant, position);
}

absl::StatusOr<Moment> ResolveEnd(Ledger& ledger, Tenant& tenant, const v1::AsOf& as_of,
                                  std::string_view field) {
  RETRACE_ASSIGN(Moment moment, ResolveAsOf(ledger, tenant, as_of, field));
  if (!as_of.has_time() || moment.position > 0) return moment;
  using google::protobuf::util::TimeUtil;
  const std::string time = TimeUtil::ToString(as_of.time());
  if (tenant.visible == 0) {
    return Refusal(v1::INVALID_FIELD, fmt::format("Tenant {} has no history yet.", tenant.id))
        .Field(fmt::format("{}.time", field), "must lie within the tenant's history");
  }
  RETRACE_ASSIGN(const int64_t first_us, CommitTimeOf(ledger, tenant, 1));
  const std::string first = TimeUtil::ToString(TimeUtil::MicrosecondsToTimestamp(first_us));
  return Refusal(v1::INVALID_FIELD,
                 fmt::format("The time {} of {} lies before the first commit of tenant {}, which "
                             "was at {}.",
                             time, field, tenant.id, first))
      .With("first-commit-time", first)
      .Field(fmt::format("{}.time", field), fmt::format("must not lie before {}", first));
}

absl::Status CheckOrder(const Moment& from, const Moment& until) {
  if (from.position <= until.position) return absl::OkStatus();
  return Refusal(v1::INVALID_FIELD,
                 fmt::format("`from` (position {}) comes after `until` (position {}).",
                             from.position, until.position))
      .Field("until", "must not lie before `from`")
      .Next("Swap the two.");
}

absl::StatusOr<Position> BranchPosition(const Ledger& ledger, const Tenant& tenant, Epoch epoch) {
  const Position head = tenant.visible;
  const Epoch current = ledger.rocks_log().epoch();
  Position last_of_older = 0;
  for (Position first = 1; first <= head;) {
    RETRACE_ASSIGN(Epoch here, EpochAt(ledger, tenant, first));
    if (here == current) break;
    RETRACE_ASSIGN(last_of_older, EndOfEpoch(ledger, tenant, first, head, here));
    if (here == epoch) break;
    first = last_of_older + 1;
  }
  return last_of_older;
}

absl::Status EpochChanged(const Ledger& ledger, const Tenant& tenant, Epoch epoch) {
  RETRACE_ASSIGN(Position branch, BranchPosition(ledger, tenant, epoch));
  return Refusal(v1::EPOCH_CHANGED,
                 fmt::format("The log of tenant {} is not the one that this was learnt from: it "
                             "was recovered, or continued "
                             "after a loss. Up to position {} both are the same.",
                             tenant.id, branch))
      .With("branch-position", std::to_string(branch))
      .With("epoch", ShowEpoch(ledger.rocks_log().epoch()))
      .Unmet("EPOCH", tenant.id, fmt::format("epoch {} is over", ShowEpoch(epoch)))
      .Next(fmt::format("Forget what was learnt after position {}, and go on from there with the "
                        "epoch in this error.",
                        branch));
}

}  // namespace retrace::server
