#include "server/watch.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/commit_show.h"
#include "server/envelope.h"
#include "server/moment.h"
#include "server/numbers.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using eventstore::Position;
using eventstore::StoredCommit;

constexpr size_t kReadBytes = 256u << 10;

absl::Status CheckKinds(const v1::WatchCommitsRequest& request,
                        absl::flat_hash_set<uint32_t>& kinds) {
  for (const std::string& collection : request.kinds()) {
    const domain::Kind* kind = domain::FindKind(collection);
    if (kind == nullptr || kind->derived) {
      return Refusal(v1::INVALID_FIELD, fmt::format("There is no collection `{}`.", collection))
          .Field("kinds", "each must be a collection such as customers, records, members");
    }
    kinds.insert(static_cast<uint32_t>(kind->number));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Position> WatchedFrom(Ledger& ledger, const Tenant& tenant, int64_t after_position,
                                     std::string_view epoch) {
  const Position visible = tenant.visible;
  if (after_position < -1) {
    return Refusal(v1::INVALID_FIELD, "after_position is below -1.")
        .Field("after_position", "must be a position, 0, or -1 for what comes from now on");
  }
  const std::optional<uint64_t> learnt_in = ReadNumber<uint64_t>(epoch, /*radix=*/16);
  if (!epoch.empty() && (epoch.size() != 16 || !learnt_in.has_value())) {
    return Refusal(v1::INVALID_FIELD, "The epoch is malformed.")
        .Field("epoch", "must be 16 hexadecimal digits");
  }
  if (after_position <= 0) return after_position < 0 ? visible : Position{0};
  if (learnt_in != ledger.log().epoch()) return EpochChanged(ledger, tenant, learnt_in.value_or(0));
  if (static_cast<Position>(after_position) > visible) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("Position {} is not there yet: tenant {} has come to {}.",
                               after_position, tenant.id, visible))
        .With("head", std::to_string(visible))
        .Field("after_position", fmt::format("must be at most {}", visible));
  }
  return static_cast<Position>(after_position);
}

CommitWatch::CommitWatch(Ledger& ledger, Tenant& tenant, const v1::WatchCommitsRequest& request,
                         WatchOptions options)
    : ledger_(ledger),
      tenant_(tenant),
      options_(std::move(options)),
      view_(request.view()),
      methods_(request.methods().begin(), request.methods().end()) {}

absl::StatusOr<std::unique_ptr<CommitWatch>> CommitWatch::Start(
    Ledger& ledger, const QueryCall& call, const v1::WatchCommitsRequest& request,
    WatchOptions options) {
  if (!options.now) options.now = [] { return absl::Now(); };
  std::unique_ptr<CommitWatch> watch(
      new CommitWatch(ledger, *call.tenant, request, std::move(options)));
  RETRACE_RETURN_IF_ERROR(CheckKinds(request, watch->kinds_));
  RETRACE_ASSIGN(watch->position_,
                 WatchedFrom(ledger, *call.tenant, request.after_position(), request.epoch()));
  watch->last_message_ = watch->options_.now();
  return watch;
}

absl::StatusOr<std::optional<v1::WatchCommitsResponse>> CommitWatch::Next(absl::Duration timeout) {
  const absl::Time end = options_.now() + timeout;
  while (true) {
    // Counted before the look, so that what becomes visible after it is not slept over.
    const uint64_t changes = ledger_.tenants().changes();
    RETRACE_ASSIGN(std::optional<v1::Commit> commit, NextCommit());
    std::optional<v1::WatchCommitsResponse> message;
    if (commit.has_value()) {
      message = Message();
      *message->mutable_commit() = *std::move(commit);
    } else if (!read_.empty() || position_ < tenant_.visible) {
      return std::nullopt;  // a good deal was left out: the caller looks after the stream
    } else if (!caught_up_) {
      caught_up_ = true;
      message = Message();
      message->mutable_caught_up();
    } else if (options_.now() - last_message_ >= options_.heartbeat) {
      message = Message();
      message->mutable_heartbeat();
    }
    if (message.has_value()) {
      last_message_ = options_.now();
      return message;
    }
    const absl::Time now = options_.now();
    if (now >= end) return std::nullopt;
    ledger_.tenants().WaitForChange(changes,
                                    std::min(end, last_message_ + options_.heartbeat) - now);
  }
}

absl::StatusOr<std::optional<v1::Commit>> CommitWatch::NextCommit() {
  Envelope envelope;
  for (size_t left_out = 0; left_out < options_.most_left_out; ++left_out) {
    if (read_.empty()) {
      const Position visible = tenant_.visible;
      if (position_ >= visible) return std::nullopt;
      RETRACE_RETURN_IF_ERROR(ReadMore(visible));
    }
    const StoredCommit stored = std::move(read_.front());
    read_.pop_front();
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored.bytes, /*with_events=*/true, envelope));
    const bool wanted =
        (methods_.empty() || methods_.find(envelope.method) != methods_.end()) &&
        (kinds_.empty() ||
         std::any_of(envelope.events.begin(), envelope.events.end(),
                     [this](const Envelope::Event& event) { return kinds_.contains(event.kind); }));
    std::optional<v1::Commit> commit;
    if (wanted) {
      RETRACE_ASSIGN(commit, ShowCommit(ledger_, tenant_, stored.bytes, view_));
    }
    position_ = stored.position;
    if (wanted) return commit;
  }
  return std::nullopt;
}

absl::Status CommitWatch::ReadMore(Position visible) {
  RETRACE_ASSIGN(std::vector<StoredCommit> commits,
                 ledger_.log().Read(tenant_.number, position_, kReadBytes));
  for (StoredCommit& commit : commits) {
    // What is durable is not yet in the rows: the stream never runs ahead of queries.
    if (commit.position <= visible) read_.push_back(std::move(commit));
  }
  if (!read_.empty() && read_.front().position == position_ + 1) return absl::OkStatus();
  return absl::DataLossError(fmt::format("The log lacks the commit at position {} of tenant {}.",
                                         position_ + 1, tenant_.id));
}

v1::WatchCommitsResponse CommitWatch::Message() const {
  v1::WatchCommitsResponse message;
  message.set_position(static_cast<int64_t>(position_));
  message.set_epoch(ShowEpoch(ledger_.log().epoch()));
  return message;
}

}  // namespace retrace::server
