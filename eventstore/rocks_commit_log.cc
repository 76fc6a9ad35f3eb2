#include "eventstore/rocks_commit_log.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/files.h"
#include "eventstore/log_and_witness.h"
#include "eventstore/log_database.h"
#include "eventstore/log_keys.h"
#include "eventstore/rocks_status.h"
#include "eventstore/witness.h"
#include "fmt/format.h"

namespace retrace::eventstore {
namespace {

using store::v1::BatchRecord;

uint64_t RandomNumber() {
  uint64_t number = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof(number)) != 1) std::abort();
  return number;
}

// An open log. Two locks: append_mutex_ is held through an append, storage included, so that
// Acquire fences between appends and never during one; state_mutex_ guards what readers see, only
// for moments.
class WitnessedLog : public RocksCommitLog {
 public:
  WitnessedLog(RocksCommitLogOptions options, std::unique_ptr<LogAndWitness> opened,
               std::unique_ptr<Witness> witness);

  Epoch epoch() const override { return epoch_; }
  absl::StatusOr<Lease> Acquire(TenantNumber tenant) override;
  std::vector<TenantAppend> Append(absl::Span<const PendingCommit> commits) override;
  absl::StatusOr<std::vector<StoredCommit>> Read(TenantNumber tenant, Position after,
                                                 size_t max_bytes) const override;
  absl::StatusOr<TailResult> Tail(TailCursor cursor) const override;
  absl::StatusOr<std::vector<TenantNumber>> Tenants() const override;
  absl::StatusOr<Head> HeadOf(TenantNumber tenant) const override;
  absl::Status Checkpoint(const std::string& directory) const override;
  absl::Status Verify() const override;

 private:
  // A tenant with commits or with a holder.
  struct Tenant {
    TenantNumber number = 0;
    Head head;                                // durable
    uint64_t fence = 0;                       // of the present holder; 0: none yet
    uint64_t last_batch = 0;                  // group of the last commit
    std::list<Tenant*>::iterator by_recency;  // valid when it has commits
    // Scratch of the appending thread: the append that it was last part of, and its place there.
    uint64_t append_number = 0;
    size_t part = 0;
  };
  // One tenant's share of an append. Commits are indices, chained by next_.
  struct Part {
    Tenant* tenant = nullptr;
    size_t first = 0;
    size_t last = 0;
    Position expected = kNoPosition;  // head that the next commit must name
  };
  static constexpr size_t kNoNext = SIZE_MAX;

  Tenant* FindOrMake(TenantNumber number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  std::vector<TenantAppend> Judge(absl::Span<const PendingCommit> commits)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(append_mutex_);
  absl::Status WriteGroup(absl::Span<const PendingCommit> commits,
                          const std::vector<TenantAppend>& results)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(append_mutex_);
  void Publish(std::vector<TenantAppend>& results) ABSL_EXCLUSIVE_LOCKS_REQUIRED(append_mutex_);
  std::map<TenantNumber, Head> PublishedHeads() const;

  const RocksCommitLogOptions options_;
  rocksdb::Env* const env_;
  // Locks first, so that they are released last.
  const std::unique_ptr<LogAndWitness> opened_;
  LogDatabase& log_;
  const std::unique_ptr<Witness> witness_;
  const Epoch epoch_;

  absl::Mutex append_mutex_ ABSL_ACQUIRED_BEFORE(state_mutex_);
  bool failed_ ABSL_GUARDED_BY(append_mutex_) = false;
  uint64_t next_fence_ ABSL_GUARDED_BY(append_mutex_) = RandomNumber() >> 1 | 1;
  uint64_t append_number_ ABSL_GUARDED_BY(append_mutex_) = 0;
  // The last group written, then the one being written. The buffers below are kept for their
  // memory.
  BatchRecord record_ ABSL_GUARDED_BY(append_mutex_);
  rocksdb::WriteBatch batch_ ABSL_GUARDED_BY(append_mutex_);
  std::string serialized_ ABSL_GUARDED_BY(append_mutex_);
  std::vector<Part> parts_ ABSL_GUARDED_BY(append_mutex_);
  std::vector<size_t> next_ ABSL_GUARDED_BY(append_mutex_);
  std::vector<Sha256Digest> hashes_ ABSL_GUARDED_BY(append_mutex_);

  mutable absl::Mutex state_mutex_;
  absl::flat_hash_map<TenantNumber, std::unique_ptr<Tenant>> tenants_ ABSL_GUARDED_BY(state_mutex_);
  // Tenants with commits, the one that moved last in front.
  std::list<Tenant*> recency_ ABSL_GUARDED_BY(state_mutex_);
  uint64_t published_batch_ ABSL_GUARDED_BY(state_mutex_) = 0;
};

WitnessedLog::WitnessedLog(RocksCommitLogOptions options, std::unique_ptr<LogAndWitness> opened,
                           std::unique_ptr<Witness> witness)
    : options_(std::move(options)),
      env_(EnvOrDefault(options_.env)),
      opened_(std::move(opened)),
      log_(*opened_->log),
      witness_(std::move(witness)),
      epoch_(opened_->end->header.epoch()),
      record_(opened_->end->last),
      batch_(64 << 10, 0, /*protection_bytes_per_key=*/8, 0) {
  absl::MutexLock lock(&state_mutex_);
  published_batch_ = opened_->end->last.number();
  for (const auto& [number, head] : opened_->end->heads) {
    Tenant* tenant = FindOrMake(number);
    tenant->head = head;
    tenant->last_batch = published_batch_;
    tenant->by_recency = recency_.insert(recency_.end(), tenant);
  }
}

WitnessedLog::Tenant* WitnessedLog::FindOrMake(TenantNumber number) {
  std::unique_ptr<Tenant>& tenant = tenants_[number];
  if (tenant == nullptr) {
    tenant = std::make_unique<Tenant>();
    tenant->number = number;
  }
  return tenant.get();
}

absl::StatusOr<Lease> WitnessedLog::Acquire(TenantNumber number) {
  absl::MutexLock append_lock(&append_mutex_);
  if (failed_) {
    return absl::UnavailableError(fmt::format(
        "the storage of the commit log in {} failed; restart the daemon", options_.directory));
  }
  absl::MutexLock lock(&state_mutex_);
  Tenant* tenant = FindOrMake(number);
  tenant->fence = next_fence_++;
  return Lease{number, tenant->fence, tenant->head};
}

std::vector<TenantAppend> WitnessedLog::Append(absl::Span<const PendingCommit> commits) {
  std::vector<TenantAppend> results;
  absl::Status status;
  {
    absl::MutexLock lock(&append_mutex_);
    results = Judge(commits);
    const auto durable = [](const TenantAppend& result) {
      return result.outcome == AppendOutcome::kDurable;
    };
    if (!failed_ && std::none_of(results.begin(), results.end(), durable)) return results;
    if (!failed_) status = WriteGroup(commits, results);
    if (!failed_ && status.ok()) {
      Publish(results);
      return results;
    }
    // Whatever happened to these commits, nothing more is written: a second sync could say OK over
    // lost bytes.
    failed_ = true;
    for (TenantAppend& result : results) result = {result.tenant, AppendOutcome::kUnknown, {}};
  }
  if (!status.ok()) options_.on_failure(status);
  return results;
}

// Sorts the commits by tenant and says who may append; a tenant that may is kDurable for now.
std::vector<TenantAppend> WitnessedLog::Judge(absl::Span<const PendingCommit> commits) {
  std::vector<TenantAppend> results;
  parts_.clear();
  next_.assign(commits.size(), kNoNext);
  ++append_number_;
  absl::MutexLock lock(&state_mutex_);
  Tenant* tenant = nullptr;
  for (size_t i = 0; i < commits.size(); ++i) {
    const PendingCommit& commit = commits[i];
    if (tenant == nullptr || tenant->number != commit.tenant) tenant = FindOrMake(commit.tenant);
    if (tenant->append_number != append_number_) {
      tenant->append_number = append_number_;
      tenant->part = parts_.size();
      parts_.push_back(Part{tenant, i, i, tenant->head.position});
      results.push_back(TenantAppend{commit.tenant, AppendOutcome::kDurable, {}});
    } else {
      next_[parts_[tenant->part].last] = i;
      parts_[tenant->part].last = i;
    }
    Part& part = parts_[tenant->part];
    TenantAppend& result = results[tenant->part];
    if (tenant->fence == 0 || commit.fence != tenant->fence) {
      result.outcome = AppendOutcome::kFenced;
      result.head = {};
    } else if (result.outcome == AppendOutcome::kDurable && commit.expected_head != part.expected) {
      result.outcome = AppendOutcome::kConflict;
      result.head = tenant->head;
    }
    ++part.expected;
  }
  return results;
}

// Writes the commits of every part that is still kDurable, and their batch record, to log and
// witness.
absl::Status WitnessedLog::WriteGroup(absl::Span<const PendingCommit> commits,
                                      const std::vector<TenantAppend>& results) {
  absl::Status status = log_.BackgroundFailure();
  if (!status.ok()) return status;
  batch_.Clear();
  hashes_.resize(commits.size());
  record_.set_number(record_.number() + 1);
  record_.mutable_previous_chain_hash()->swap(*record_.mutable_chain_hash());
  record_.clear_tenants();
  Sha256Hasher chain;
  chain.Update(record_.previous_chain_hash());
  rocksdb::Status put;
  for (size_t p = 0; p < parts_.size() && put.ok(); ++p) {
    if (results[p].outcome != AppendOutcome::kDurable) continue;
    const Part& part = parts_[p];
    store::v1::TenantRange& range = *record_.add_tenants();
    range.set_tenant(part.tenant->number);
    range.set_first(commits[part.first].expected_head + 1);
    range.set_last(commits[part.last].expected_head + 1);
    for (size_t i = part.first; i != kNoNext && put.ok(); i = next_[i]) {
      const std::string_view bytes = commits[i].bytes;
      const CommitKey key = MakeCommitKey(commits[i].tenant, commits[i].expected_head + 1);
      const CheckSum sum = MakeCheckSum({key.data(), key.size()}, bytes);
      const rocksdb::Slice key_part(key.data(), key.size());
      const rocksdb::Slice value_parts[] = {{sum.data(), sum.size()}, {bytes.data(), bytes.size()}};
      put = batch_.Put(log_.commits(), rocksdb::SliceParts(&key_part, 1),
                       rocksdb::SliceParts(value_parts, 2));
      hashes_[i] = Sha256(bytes);
      chain.Update(AsView(hashes_[i]));
    }
  }
  const Sha256Digest chain_hash = chain.Finish();
  record_.set_chain_hash(chain_hash.data(), chain_hash.size());
  record_.SerializeToString(&serialized_);
  if (put.ok()) put = log_.PutBatchRecord(record_.number(), serialized_, &batch_);
  status = FromRocks(put, "collecting commits for " + options_.directory, "Restart the daemon.");
  if (status.ok()) status = log_.Write(&batch_);
  if (status.ok()) status = witness_->Write(record_, serialized_);
  return status;
}

// Lets readers see the group that was just written.
void WitnessedLog::Publish(std::vector<TenantAppend>& results) {
  absl::MutexLock lock(&state_mutex_);
  published_batch_ = record_.number();
  for (size_t p = 0; p < parts_.size(); ++p) {
    if (results[p].outcome != AppendOutcome::kDurable) continue;
    const Part& part = parts_[p];
    Tenant& tenant = *part.tenant;
    const bool first_commit = tenant.head.position == kNoPosition;
    tenant.head = Head{part.expected, hashes_[part.last]};
    tenant.last_batch = published_batch_;
    if (first_commit) {
      tenant.by_recency = recency_.insert(recency_.begin(), &tenant);
    } else {
      recency_.splice(recency_.begin(), recency_, tenant.by_recency);
    }
    results[p].head = tenant.head;
  }
}

absl::StatusOr<Head> WitnessedLog::HeadOf(TenantNumber number) const {
  absl::ReaderMutexLock lock(&state_mutex_);
  const auto tenant = tenants_.find(number);
  return tenant == tenants_.end() ? Head{} : tenant->second->head;
}

absl::StatusOr<std::vector<StoredCommit>> WitnessedLog::Read(TenantNumber number, Position after,
                                                             size_t max_bytes) const {
  // What lies beyond the published head may not be durable yet.
  absl::StatusOr<Head> head = HeadOf(number);
  if (!head.ok()) return head.status();
  std::vector<StoredCommit> result;
  size_t used = 0;
  const absl::Status status = log_.ReadCommits(
      number, after, head->position, [&](Position position, std::string_view bytes) {
        if (!result.empty() && (used > max_bytes || bytes.size() > max_bytes - used)) return false;
        used += bytes.size();
        result.push_back(StoredCommit{position, std::string(bytes)});
        return true;
      });
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<TailResult> WitnessedLog::Tail(TailCursor cursor) const {
  TailResult result;
  absl::ReaderMutexLock lock(&state_mutex_);
  result.next.batch = published_batch_;
  for (const Tenant* tenant : recency_) {
    if (tenant->last_batch <= cursor.batch) break;
    result.moved.push_back(tenant->number);
  }
  return result;
}

absl::StatusOr<std::vector<TenantNumber>> WitnessedLog::Tenants() const {
  std::vector<TenantNumber> numbers;
  {
    absl::ReaderMutexLock lock(&state_mutex_);
    for (const Tenant* tenant : recency_) numbers.push_back(tenant->number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::map<TenantNumber, Head> WitnessedLog::PublishedHeads() const {
  std::map<TenantNumber, Head> heads;
  absl::ReaderMutexLock lock(&state_mutex_);
  for (const Tenant* tenant : recency_) heads[tenant->number] = tenant->head;
  return heads;
}

// DATA_LOSS unless `log` has the last commits of all of `published`. Returns where it ends.
absl::StatusOr<LogEnd> FindHeads(const LogDatabase& log,
                                 const std::map<TenantNumber, Head>& published) {
  absl::StatusOr<std::optional<LogEnd>> end = log.ReadEnd();
  if (!end.ok()) return end.status();
  if (!end->has_value()) {
    return absl::DataLossError(fmt::format("the commit log in {} is empty", log.directory()));
  }
  for (const auto& [tenant, head] : published) {
    const auto found = (*end)->heads.find(tenant);
    if (found == (*end)->heads.end() || found->second.position < head.position) {
      return absl::DataLossError(fmt::format("the commit log in {} lacks tenant {}'s commit {}",
                                             log.directory(), tenant, head.position));
    }
    Sha256Digest hash{};
    absl::Status status = log.ReadCommits(tenant, head.position - 1, head.position,
                                          [&hash](Position, std::string_view bytes) {
                                            hash = Sha256(bytes);
                                            return true;
                                          });
    if (!status.ok()) return status;
    if (hash != head.commit_hash) {
      return absl::DataLossError(
          fmt::format("in the commit log in {} tenant {}'s commit {} is not the one that was "
                      "written",
                      log.directory(), tenant, head.position));
    }
  }
  return **std::move(end);
}

absl::Status WitnessedLog::Verify() const {
  absl::StatusOr<LogEnd> end = FindHeads(log_, PublishedHeads());
  return end.ok() ? log_.Verify(end->heads) : end.status();
}

absl::Status WitnessedLog::Checkpoint(const std::string& directory) const {
  const std::map<TenantNumber, Head> published = PublishedHeads();
  if (env_->FileExists(directory).ok()) {
    return absl::AlreadyExistsError(
        fmt::format("{} exists; name a directory that does not", directory));
  }
  absl::Status status = log_.Copy(directory);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<LogDatabase>> copy =
      LogDatabase::Open(env_, directory, DatabaseMode::kReadOnly);
  if (!copy.ok()) return copy.status();
  return FindHeads(**copy, published).status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksCommitLog>> RocksCommitLog::Open(
    RocksCommitLogOptions options) {
  auto opened = std::make_unique<LogAndWitness>();
  absl::Status status = OpenBoth(options, Purpose::kServe, *opened);
  if (!status.ok()) return status;
  rocksdb::Env* env = EnvOrDefault(options.env);
  if (!Agree(*opened)) {
    return RefuseDifference(options, *opened);
  }
  if (!opened->end.has_value()) {
    absl::StatusOr<LogEnd> end = BeginEpochIn(options, *opened);
    if (!end.ok()) return end.status();
    opened->end = *std::move(end);
  } else {
    // Mends a witness that a crash left torn, unmade, or one group behind. Otherwise, too: what was
    // read may come from a page cache whose sync failed before the last restart.
    status = ReplaceWitness(env, options.witness_directory, opened->end->last);
    if (!status.ok()) return status;
  }
  absl::StatusOr<std::unique_ptr<Witness>> witness = Witness::Open(env, options.witness_directory);
  if (!witness.ok()) return witness.status();
  return std::make_unique<WitnessedLog>(std::move(options), std::move(opened), *std::move(witness));
}

absl::StatusOr<std::optional<WitnessDifference>> RocksCommitLog::AcceptLoss(
    RocksCommitLogOptions options) {
  LogAndWitness opened;
  absl::Status status = OpenBoth(options, Purpose::kAcceptLoss, opened);
  if (!status.ok()) return status;
  if (!opened.salvaged && Agree(opened)) return std::nullopt;
  // Only what can be read whole may be continued.
  if (opened.end.has_value()) {
    if (status = opened.log->Verify(opened.end->heads); !status.ok()) return status;
  }
  WitnessDifference difference = DifferenceOf(options, opened);
  absl::StatusOr<LogEnd> end = BeginEpochIn(options, opened);
  if (!end.ok()) return end.status();
  return difference;
}

absl::StatusOr<Epoch> RocksCommitLog::BeginEpoch(RocksCommitLogOptions options) {
  LogAndWitness opened;
  absl::Status status = OpenBoth(options, Purpose::kNewEpoch, opened);
  if (!status.ok()) return status;
  if (opened.witness.exists && !Agree(opened)) {
    return RefuseDifference(options, opened);
  }
  absl::StatusOr<LogEnd> end = BeginEpochIn(options, opened);
  if (!end.ok()) return end.status();
  return end->header.epoch();
}

}  // namespace retrace::eventstore
