#include "server/export.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "domain/purge.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "openssl/crypto.h"
#include "server/commit_codec.h"
#include "server/digest.h"
#include "server/envelope.h"
#include "server/history_hash.h"
#include "server/log_walk.h"
#include "server/moment.h"

namespace retrace::server {
namespace {

using eventstore::Position;
using eventstore::StoredCommit;

constexpr size_t kMessageBytes = 512u << 10;
constexpr int kKeysInMessage = 1000;
constexpr Position kCommitsBetweenLooks = 1000;

// The last position that is exported; there is at least one.
absl::StatusOr<Position> EndOf(Ledger& ledger, const QueryCall& call, const v1::AsOf& until) {
  RETRACE_ASSIGN(const Moment moment, ResolveEnd(ledger, *call.tenant, until, "until"));
  if (moment.position > 0) return moment.position;
  return domain::Refusal(v1::INVALID_FIELD,
                         fmt::format("Tenant {} has no commit up to then.", call.tenant->id))
      .With("head", std::to_string(call.tenant->visible))
      .Field("until", "must be a moment after the tenant's first commit");
}

absl::Status SendHeader(Ledger& ledger, const Tenant& tenant, Position end, StreamWriter& writer) {
  v1::ExportCommitsResponse message;
  v1::ExportCommitsResponse::Header& header = *message.mutable_header();
  RETRACE_ASSIGN(const std::string last, ledger.ReadStored(tenant, end));
  RETRACE_ASSIGN(const int64_t time_us, CommitTimeOf(ledger, tenant, end));
  header.set_tenant(tenant.id);
  header.set_epoch(ShowEpoch(ledger.log().epoch()));
  header.set_position(static_cast<int64_t>(end));
  *header.mutable_commit_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(time_us);
  header.set_head_hash(ShowDigest(eventstore::Sha256(last)));
  return writer.Write(message);
}

// Takes everything out of a commit but its envelope and what it purged.
void KeepPurges(store::v1::Commit& commit) {
  auto& events = *commit.mutable_events();
  events.erase(std::remove_if(events.begin(), events.end(),
                              [](const store::v1::StoredEvent& event) {
                                return !domain::TakesPastAway(event.type());
                              }),
               events.end());
  commit.clear_targets();
  commit.clear_notes();
}

// What was purged after `end`: it may be in what is exported, and no position shows it any more.
absl::Status SendLaterPurges(Ledger& ledger, const Tenant& tenant, Position end,
                             StreamWriter& writer) {
  LogWalk walk(ledger.log(), tenant.number, end + 1, tenant.visible, /*backwards=*/false);
  Envelope envelope;
  v1::ExportCommitsResponse message;
  size_t bytes = 0;
  while (true) {
    RETRACE_ASSIGN(const StoredCommit* stored, walk.Next());
    if (bytes > 0 && (stored == nullptr || bytes > kMessageBytes)) {
      RETRACE_RETURN_IF_ERROR(writer.Write(message));
      message.Clear();
      bytes = 0;
    }
    if (stored == nullptr) return absl::OkStatus();
    if (stored->position % kCommitsBetweenLooks == 0) RETRACE_RETURN_IF_ERROR(writer.Alive());
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored->bytes, /*with_events=*/true, envelope));
    if (std::none_of(
            envelope.events.begin(), envelope.events.end(),
            [](const Envelope::Event& event) { return domain::TakesPastAway(event.type); })) {
      continue;
    }
    RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(stored->bytes));
    KeepPurges(commit);
    std::string& purge = *message.mutable_later_purges()->add_purges();
    purge = commit.SerializeAsString();
    bytes += purge.size();
  }
}

// Keys of events that were not sent yet.
class KeySender {
 public:
  KeySender(Ledger& ledger, const Tenant& tenant, StreamWriter& writer)
      : ledger_(ledger), tenant_(tenant), writer_(writer) {}

  absl::Status Add(const store::v1::Commit& commit) {
    for (const store::v1::StoredEvent& event : commit.events()) {
      for (const store::v1::SealedPart& part : event.sealed()) {
        if (!sent_.insert(part.key_id()).second) continue;
        RETRACE_RETURN_IF_ERROR(AddKey(part.key_id()));
      }
    }
    return message_.keys_size() < kKeysInMessage ? absl::OkStatus() : Flush();
  }

  absl::Status Flush() {
    if (message_.keys().empty()) return absl::OkStatus();
    const absl::Status written = writer_.Write(message_);
    for (auto& key : *message_.mutable_keys()) {
      OPENSSL_cleanse(key.mutable_secret()->data(), key.secret().size());
    }
    message_.Clear();
    return written;
  }

 private:
  absl::Status AddKey(const std::string& key_id) {
    absl::StatusOr<eventstore::SecretKey> secret = ledger_.keys().Find(tenant_.number, key_id);
    if (!secret.ok() && !absl::IsNotFound(secret.status())) return secret.status();
    v1::ExportKeysResponse::Key& key = *message_.add_keys();
    key.set_key_id(key_id);
    if (secret.ok()) {
      key.set_secret(secret->data(), secret->size());
      OPENSSL_cleanse(secret->data(), secret->size());
    }
    return absl::OkStatus();
  }

  Ledger& ledger_;
  const Tenant& tenant_;
  StreamWriter& writer_;
  absl::flat_hash_set<std::string> sent_;
  v1::ExportKeysResponse message_;
};

}  // namespace

absl::Status StreamStoredCommits(Ledger& ledger, const QueryCall& call,
                                 const v1::ExportCommitsRequest& request, StreamWriter& writer) {
  RETRACE_ASSIGN(const Position end, EndOf(ledger, call, request.until()));
  RETRACE_RETURN_IF_ERROR(SendHeader(ledger, *call.tenant, end, writer));
  LogWalk walk(ledger.log(), call.tenant->number, 1, end, /*backwards=*/false);
  HistoryHash history;
  v1::ExportCommitsResponse message;
  size_t bytes = 0;
  while (true) {
    RETRACE_ASSIGN(const StoredCommit* stored, walk.Next());
    if (bytes > 0 && (stored == nullptr || bytes + stored->bytes.size() > kMessageBytes)) {
      RETRACE_RETURN_IF_ERROR(writer.Write(message));
      message.Clear();
      bytes = 0;
    }
    if (stored == nullptr) break;
    history.Add(stored->bytes);
    message.mutable_commits()->add_stored(stored->bytes);
    bytes += stored->bytes.size();
  }
  RETRACE_RETURN_IF_ERROR(SendLaterPurges(ledger, *call.tenant, end, writer));
  message.mutable_end()->set_commit_count(static_cast<int64_t>(end));
  message.mutable_end()->set_history_hash(history.text());
  return writer.Write(message);
}

absl::Status StreamSubjectKeys(Ledger& ledger, const QueryCall& call,
                               const v1::ExportKeysRequest& request, StreamWriter& writer) {
  RETRACE_ASSIGN(const Position end, EndOf(ledger, call, request.until()));
  LogWalk walk(ledger.log(), call.tenant->number, 1, end, /*backwards=*/false);
  KeySender sender(ledger, *call.tenant, writer);
  while (true) {
    RETRACE_ASSIGN(const StoredCommit* stored, walk.Next());
    if (stored == nullptr) return sender.Flush();
    if (stored->position % kCommitsBetweenLooks == 0) RETRACE_RETURN_IF_ERROR(writer.Alive());
    RETRACE_ASSIGN(const store::v1::Commit commit, ParseCommit(stored->bytes));
    RETRACE_RETURN_IF_ERROR(sender.Add(commit));
  }
}

}  // namespace retrace::server
