#include "tests/support/test_commit_log.h"

#include <algorithm>
#include <utility>

namespace retrace::testing {

using eventstore::AppendOutcome;
using eventstore::Head;
using eventstore::Lease;
using eventstore::PendingCommit;
using eventstore::Position;
using eventstore::StoredCommit;
using eventstore::TailCursor;
using eventstore::TailResult;
using eventstore::TenantAppend;
using eventstore::TenantNumber;

Head TestCommitLog::Tenant::head() const {
  if (commits.empty()) return {};
  return Head{commits.size(), eventstore::Sha256(commits.back())};
}

void TestCommitLog::FailNextAppend(Fault fault, std::string rival) {
  absl::MutexLock lock(&mutex_);
  script_.push_back({fault, std::move(rival)});
}

void TestCommitLog::SetUnknownLasts(bool lasts) {
  absl::MutexLock lock(&mutex_);
  unknown_lasts_ = lasts;
}

void TestCommitLog::Heal() {
  absl::MutexLock lock(&mutex_);
  down_ = false;
}

void TestCommitLog::Fence(TenantNumber tenant) {
  absl::MutexLock lock(&mutex_);
  tenants_[tenant].fence = next_fence_++;
}

void TestCommitLog::Block() {
  absl::MutexLock lock(&mutex_);
  blocked_ = true;
}

void TestCommitLog::AwaitBlocked() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](int* waiting) { return *waiting > 0; }, &waiting_));
}

void TestCommitLog::Release() {
  absl::MutexLock lock(&mutex_);
  blocked_ = false;
}

void TestCommitLog::OnWritten(std::function<void(absl::Span<const PendingCommit>)> observer) {
  absl::MutexLock lock(&mutex_);
  observer_ = std::move(observer);
}

uint64_t TestCommitLog::appends() const {
  absl::MutexLock lock(&mutex_);
  return appends_;
}

absl::StatusOr<Lease> TestCommitLog::Acquire(TenantNumber tenant) {
  absl::MutexLock lock(&mutex_);
  if (down_) return absl::UnavailableError("the test log is down");
  Tenant& found = tenants_[tenant];
  found.fence = next_fence_++;
  return Lease{tenant, found.fence, found.head()};
}

// Does what a rival would have done just before this append.
void TestCommitLog::Disturb(const Scripted& scripted, absl::Span<const PendingCommit> commits) {
  std::set<TenantNumber> named;
  for (const PendingCommit& commit : commits) named.insert(commit.tenant);
  if (scripted.fault == Fault::kConflict) ++batch_;
  for (const TenantNumber number : named) {
    Tenant& tenant = tenants_[number];
    if (scripted.fault == Fault::kConflict) {
      tenant.commits.push_back(scripted.rival);
      tenant.last_batch = batch_;
    } else if (scripted.fault == Fault::kFenced) {
      tenant.fence = next_fence_++;
    }
  }
}

std::vector<TenantAppend> TestCommitLog::Judge(absl::Span<const PendingCommit> commits) {
  std::vector<TenantAppend> results;
  std::map<TenantNumber, std::pair<size_t, Position>> seen;  // place in results, expected head
  for (const PendingCommit& commit : commits) {
    const Tenant& tenant = tenants_[commit.tenant];
    const auto [at, fresh] = seen.try_emplace(commit.tenant, results.size(), tenant.commits.size());
    if (fresh) results.push_back({commit.tenant, AppendOutcome::kDurable, {}});
    TenantAppend& result = results[at->second.first];
    if (tenant.fence == 0 || tenant.fence != commit.fence) {
      result = {commit.tenant, AppendOutcome::kFenced, {}};
    } else if (result.outcome == AppendOutcome::kDurable &&
               commit.expected_head != at->second.second) {
      result = {commit.tenant, AppendOutcome::kConflict, tenant.head()};
    }
    ++at->second.second;
  }
  return results;
}

void TestCommitLog::Store(absl::Span<const PendingCommit> commits,
                          std::vector<TenantAppend>& results) {
  ++batch_;
  for (TenantAppend& result : results) {
    if (result.outcome != AppendOutcome::kDurable) continue;
    Tenant& tenant = tenants_[result.tenant];
    for (const PendingCommit& commit : commits) {
      if (commit.tenant == result.tenant) tenant.commits.emplace_back(commit.bytes);
    }
    tenant.last_batch = batch_;
    result.head = tenant.head();
  }
}

std::vector<TenantAppend> TestCommitLog::Append(absl::Span<const PendingCommit> commits) {
  absl::MutexLock lock(&mutex_);
  ++appends_;
  ++waiting_;
  mutex_.Await(absl::Condition(
      +[](bool* blocked) { return !*blocked; }, &blocked_));
  --waiting_;
  std::optional<Fault> fault;
  if (!script_.empty() && !down_) {
    fault = script_.front().fault;
    Disturb(script_.front(), commits);
    script_.pop_front();
  }
  std::vector<TenantAppend> results = Judge(commits);
  const bool unknown = fault == Fault::kUnknownLost || fault == Fault::kUnknownWritten;
  if (!down_ && fault != Fault::kUnknownLost &&
      std::any_of(results.begin(), results.end(), [](const TenantAppend& result) {
        return result.outcome == AppendOutcome::kDurable;
      })) {
    Store(commits, results);
    if (observer_) observer_(commits);
  }
  if (unknown && unknown_lasts_) down_ = true;
  if (down_ || unknown) {
    for (TenantAppend& result : results) result = {result.tenant, AppendOutcome::kUnknown, {}};
  }
  return results;
}

absl::StatusOr<Head> TestCommitLog::HeadOf(TenantNumber tenant) const {
  absl::MutexLock lock(&mutex_);
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? Head{} : found->second.head();
}

absl::StatusOr<std::vector<StoredCommit>> TestCommitLog::Read(TenantNumber tenant, Position after,
                                                              size_t max_bytes) const {
  absl::MutexLock lock(&mutex_);
  std::vector<StoredCommit> result;
  const auto found = tenants_.find(tenant);
  if (found == tenants_.end()) return result;
  const std::vector<std::string>& commits = found->second.commits;
  size_t used = 0;
  for (Position position = after; position < commits.size(); ++position) {
    used += commits[position].size();
    if (!result.empty() && used > max_bytes) break;
    result.push_back({position + 1, commits[position]});
  }
  return result;
}

absl::StatusOr<TailResult> TestCommitLog::Tail(TailCursor cursor) const {
  absl::MutexLock lock(&mutex_);
  TailResult result;
  result.next.batch = batch_;
  for (const auto& [number, tenant] : tenants_) {
    if (tenant.last_batch > cursor.batch) result.moved.push_back(number);
  }
  return result;
}

absl::StatusOr<std::vector<TenantNumber>> TestCommitLog::Tenants() const {
  absl::MutexLock lock(&mutex_);
  std::vector<TenantNumber> result;
  for (const auto& [number, tenant] : tenants_) {
    if (!tenant.commits.empty()) result.push_back(number);
  }
  return result;
}

}  // namespace retrace::testing
