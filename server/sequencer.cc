#include "server/sequencer.h"

#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/v1/tenants.pb.h"
#include "server/channel.h"
#include "server/decide_stage.h"
#include "server/fair_queue.h"
#include "server/replay.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using eventstore::AppendOutcome;
using eventstore::Position;

// Items that are synced, applied and answered together.
struct Group {
  std::vector<Item> items;
  size_t commits = 0;
  size_t bytes = 0;

  void Add(Item item) {
    if (item.is_commit) {
      ++commits;
      bytes += item.bytes.size();
    }
    items.push_back(std::move(item));
  }
};

absl::Status OutcomeUnknown() {
  return Refusal(v1::OUTCOME_UNKNOWN,
                 "Storage failed while the command was written; it may or may not have happened.")
      .Next("Send it again with the same request id: that settles it.");
}

absl::Status Overloaded(std::string_view what) {
  return Refusal(v1::QUEUE_FULL, fmt::format("Too many commands wait for {}.", what))
      .Next("Wait a moment and send it again with the same request id.")
      .RetryAfter(absl::Milliseconds(200));
}

absl::Status NotServing() {
  return Refusal(v1::NOT_SERVING, "The server is starting or stopping; nothing was done.")
      .Next("Send it again with the same request id.");
}

absl::Status DiskFull() {
  return Refusal(v1::DISK_FULL,
                 "Free space on the server fell below its reserve; commands are refused, queries "
                 "go on.")
      .Next("Ask the operator to make space.")
      .RetryAfter(absl::Seconds(10));
}

}  // namespace

class Sequencer::Stages {
 public:
  Stages(eventstore::CommitLog& log, eventstore::KeyStore& keys, eventstore::RowStore& rows,
         Tenants& tenants, SequencerOptions options)
      : log_(log),
        keys_(keys),
        rows_(rows),
        tenants_(tenants),
        options_(std::move(options)),
        queue_(options_),
        decide_stage_(log, keys, rows, options_),
        to_apply_(4),
        to_reply_(4) {
    deciding_ = std::thread([this] { DecideLoop(); });
    syncing_ = std::thread([this] { SyncLoop(); });
    applying_ = std::thread([this] { ApplyLoop(); });
    replying_ = std::thread([this] { ReplyLoop(); });
  }

  ~Stages() {
    Drain();
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    deciding_.join();
    syncing_.join();
    to_apply_.Close();
    applying_.join();
    to_reply_.Close();
    replying_.join();
  }

  void Submit(Command command) {
    absl::Status refused;
    {
      absl::MutexLock lock(&mutex_);
      if (draining_)
        refused = NotServing();
      else if (options_.disk_full && options_.disk_full())
        refused = DiskFull();
      else if (!queue_.HasRoom(command.tenant, QueueBytes(command)))
        refused = Overloaded("this tenant or the server");
      else {
        ++in_flight_;
        queue_.Push(std::move(command));
        return;
      }
    }
    command.done({.status = std::move(refused)});
  }

  void Drain() {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    mutex_.Await(absl::Condition(this, &Stages::NothingInFlight));
  }

  size_t queued() const {
    absl::MutexLock lock(&mutex_);
    return queue_.size();
  }

  Counts counts() const {
    absl::MutexLock lock(&mutex_);
    return counts_;
  }

 private:
  static constexpr size_t kWorthASync = 32;  // items
  // Keys from which on the group before is not kept waiting for the command.
  static constexpr size_t kLarge = 256;

  bool CanDecide() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || (!queue_.empty() && forming_.commits < options_.max_group_commits &&
                         forming_.bytes < options_.max_group_bytes &&
                         forming_.items.size() < 4 * options_.max_group_commits);
  }
  // Worth a sync: nothing more to decide at once, or enough already. A group costs two syncs and
  // three hand-overs whatever its size, so while commands wait it grows to a few dozen.
  bool CanSync() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ ||
           (!forming_.items.empty() && (queue_.empty() || deciding_large_ || !CanDecide() ||
                                        forming_.items.size() >= kWorthASync));
  }
  bool NothingInFlight() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return in_flight_ == 0; }

  void DecideLoop() {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Stages::CanDecide));
        if (stopping_) return;
      }
      Group lone = DecideNext();
      if (!lone.items.empty()) Carry(std::move(lone));
    }
  }

  // Decides a command and adds it to the group that is forming; returns it instead when nothing
  // else is in flight.
  Group DecideNext() {
    // Held from taking a command to adding its item, so that recovery sees every command in one
    // place or the other.
    absl::MutexLock deciding(&decide_mutex_);
    Group lone;
    std::optional<Command> command;
    {
      absl::MutexLock lock(&mutex_);
      command = queue_.Pop();
      deciding_large_ = command.has_value() && command->cost > kLarge;
    }
    if (!command.has_value()) return lone;
    Item item = decide_stage_.Decide(*std::move(command));
    absl::MutexLock lock(&mutex_);
    deciding_large_ = false;
    if (!item.is_commit && !item.result.status.ok()) ++counts_.refusals;
    if (item.repeat_of != 0) ++counts_.repeats;
    (in_flight_ == 1 ? lone : forming_).Add(std::move(item));
    return lone;
  }

  // All stages at once, for a command that is alone: handing it from thread to thread would take
  // longer than the stages do. The other threads have nothing meanwhile, for all that is in flight
  // is in this group or waits to be decided.
  void Carry(Group group) {
    if (!Sync(group)) return;
    Apply(group);
    Reply(group);
  }

  void SyncLoop() {
    while (true) {
      Group group;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Stages::CanSync));
        if (forming_.items.empty()) return;
        std::swap(group, forming_);
      }
      if (Sync(group)) to_apply_.Put(std::move(group));
    }
  }

  // False when the group was not durable as a whole: it was settled and must not be used further.
  bool Sync(Group& group) {
    if (group.commits == 0) return true;
    std::set<eventstore::TenantNumber> lost;
    for (const eventstore::TenantAppend& tenant : Append(group)) {
      if (tenant.outcome != AppendOutcome::kDurable) lost.insert(tenant.tenant);
    }
    if (!lost.empty()) Recover(std::move(group), lost);
    return lost.empty();
  }

  std::vector<eventstore::TenantAppend> Append(const Group& group) {
    std::vector<eventstore::PendingCommit> pending;
    pending.reserve(group.commits);
    uint64_t keys = 0;
    for (const Item& item : group.items) {
      if (!item.is_commit) continue;
      pending.push_back({.tenant = item.command.tenant->number,
                         .fence = item.fence,
                         .expected_head = item.position - 1,
                         .bytes = item.bytes});
      keys += item.changes.rows.size() + item.changes.entries.size();
    }
    {
      absl::MutexLock lock(&mutex_);
      ++counts_.groups;
      counts_.commits += pending.size();
      counts_.keys_written += keys;
    }
    return log_.Append(pending);
  }

  // After anything but DURABLE: the tenants' pending state is forgotten, they are acquired again
  // and read on, and waiting commands are settled by their commit ids: found ones are answered, the
  // others decided again.
  void Recover(Group group, const std::set<eventstore::TenantNumber>& lost) {
    absl::MutexLock deciding(&decide_mutex_);
    Group kept, later;
    std::map<Tenant*, std::vector<Item>> unsettled;
    {
      absl::MutexLock lock(&mutex_);
      for (Item& item : forming_.items) {
        if (lost.contains(item.command.tenant->number))
          group.items.push_back(std::move(item));
        else
          later.Add(std::move(item));
      }
      forming_ = std::move(later);
    }
    for (Item& item : group.items) {
      if (lost.contains(item.command.tenant->number))
        unsettled[item.command.tenant].push_back(std::move(item));
      else
        kept.Add(std::move(item));
    }
    if (!kept.items.empty()) to_apply_.Put(std::move(kept));
    to_apply_.AwaitIdle();
    for (auto& [tenant, items] : unsettled) Settle(*tenant, std::move(items));
  }

  void Settle(Tenant& tenant, std::vector<Item> items) {
    absl::StatusOr<std::set<std::string>> written = ReadOn(tenant);
    Group answers;
    std::vector<Command> again;
    for (Item& item : items) {
      const bool found = written.ok() && item.is_commit && written->contains(item.commit_id);
      if (!written.ok()) item.result = {.status = item.is_commit ? OutcomeUnknown() : NotServing()};
      if (found || !written.ok()) {
        item.is_commit = false;  // nothing left to sync or apply
        answers.Add(std::move(item));
      } else {
        again.push_back(std::move(item.command));
      }
    }
    {
      absl::MutexLock lock(&mutex_);
      queue_.PutBack(&tenant, std::move(again));
    }
    if (!answers.items.empty()) to_apply_.Put(std::move(answers));
  }

  // Acquires the tenant again and applies what the log holds beyond the rows; returns the commit
  // ids of that.
  absl::StatusOr<std::set<std::string>> ReadOn(Tenant& tenant) {
    RETRACE_ASSIGN(eventstore::Lease lease, decide_stage_.Reacquire(tenant));
    RETRACE_ASSIGN(eventstore::RowsCheckpoint checkpoint, rows_.CheckpointOf(tenant.number));
    std::set<std::string> written;
    Replay replay(keys_, rows_, tenant.number);
    Position position = checkpoint.position;
    while (position < lease.head.position) {
      RETRACE_ASSIGN(std::vector<eventstore::StoredCommit> commits,
                     log_.Read(tenant.number, position, 1u << 20));
      if (commits.empty()) break;
      RETRACE_RETURN_IF_ERROR(replay.Apply(commits));
      RETRACE_RETURN_IF_ERROR(replay.Await());
      for (const eventstore::StoredCommit& stored : commits) {
        RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(stored.bytes));
        written.insert(commit.commit_id());
        LearnTenants(tenant, commit);
        tenant.visible_time_us = commit.commit_time_us();
        tenant.visible = commit.position();
      }
      position = commits.back().position;
    }
    tenants_.NotifyVisible();
    return written;
  }

  void LearnTenants(const Tenant& tenant, const store::v1::Commit& commit) {
    if (tenant.number != eventstore::kSystemTenant) return;
    for (const store::v1::StoredEvent& event : commit.events()) {
      const domain::EntityRef entity{static_cast<domain::KindNumber>(event.entity().kind()),
                                     event.entity().id()};
      if (entity.kind != domain::KindNumber::kTenant) continue;
      const RowView view(rows_, tenant.number, eventstore::kLatest);
      absl::StatusOr<domain::RowPtr> row = view.Get(entity);
      if (row.ok() && *row != nullptr) {
        tenants_.Add(entity.id,
                     static_cast<eventstore::TenantNumber>((*row)->As<v1::Tenant>().number()));
      }
    }
  }

  // Of what the group's commits purged; before the rows, so that replay does it if a crash comes.
  absl::Status DestroyKeys(const Group& group) {
    for (const Item& item : group.items) {
      if (!item.is_commit || item.destroyed_keys.empty()) continue;
      RETRACE_RETURN_IF_ERROR(keys_.Destroy(item.command.tenant->number, item.destroyed_keys));
    }
    return absl::OkStatus();
  }

  void ApplyLoop() {
    while (std::optional<Group> group = to_apply_.Take()) {
      Apply(*group);
      to_reply_.Put(*std::move(group));
      to_apply_.Done();
    }
  }

  void Apply(Group& group) {
    if (group.commits == 0) return;
    std::vector<eventstore::RowChanges> changes;
    changes.reserve(group.commits);
    for (Item& item : group.items) {
      if (item.is_commit) changes.push_back(std::move(item.changes));
    }
    absl::Status applied = DestroyKeys(group);
    if (applied.ok()) applied = rows_.Apply(changes);
    if (!applied.ok() && options_.on_failure) options_.on_failure(applied);
    for (Item& item : group.items) {
      if (!item.is_commit) continue;
      if (!applied.ok()) {
        item.result = {.status = OutcomeUnknown()};
        continue;
      }
      for (const auto& [id, number] : item.new_tenants) tenants_.Add(id, number);
      item.command.tenant->visible_time_us = item.time_us;
      item.command.tenant->visible = item.position;
    }
    tenants_.NotifyVisible();
  }

  void ReplyLoop() {
    while (std::optional<Group> group = to_reply_.Take()) {
      Reply(*group);
      to_reply_.Done();
    }
  }

  void Reply(Group& group) {
    for (Item& item : group.items) {
      if (item.repeat_of != 0 && item.result.status.ok())
        item.result = Repeat(*item.command.tenant, item.repeat_of);
      item.command.done(std::move(item.result));
    }
    absl::MutexLock lock(&mutex_);
    in_flight_ -= group.items.size();
  }

  // The first answer again: from the commit, and the rows as of its position.
  CommandResult Repeat(const Tenant& tenant, Position position) {
    CommandResult result;
    result.status = FillRepeat(tenant, position, result);
    return result;
  }

  absl::Status FillRepeat(const Tenant& tenant, Position position, CommandResult& result) {
    RETRACE_ASSIGN(std::vector<eventstore::StoredCommit> commits,
                   log_.Read(tenant.number, position - 1, 1));
    if (commits.empty())
      return absl::DataLossError(
          fmt::format("Commit {} of tenant {} is missing.", position, tenant.id));
    RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(commits.front().bytes));
    domain::CommitHeader header;
    header.position = commit.position();
    header.epoch = commit.epoch();
    header.time_us = commit.commit_time_us();
    header.change_set = commit.change_set();
    header.commit_id = commit.commit_id();
    result.outcome = OutcomeOf(header, {commit.notes().begin(), commit.notes().end()});
    result.outcome.set_repeated(true);
    const RowView view(rows_, tenant.number, position);
    for (const store::v1::EntityRef& target : commit.targets()) {
      const domain::EntityRef entity{static_cast<domain::KindNumber>(target.kind()), target.id()};
      RETRACE_ASSIGN(domain::RowPtr row, view.Get(entity));
      result.targets.emplace_back(entity, std::move(row));
    }
    return absl::OkStatus();
  }

  eventstore::CommitLog& log_;
  eventstore::KeyStore& keys_;
  eventstore::RowStore& rows_;
  Tenants& tenants_;
  const SequencerOptions options_;

  mutable absl::Mutex mutex_;
  FairQueue queue_ ABSL_GUARDED_BY(mutex_);
  Group forming_ ABSL_GUARDED_BY(mutex_);
  size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  bool deciding_large_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Counts counts_ ABSL_GUARDED_BY(mutex_);

  // Taken before mutex_.
  absl::Mutex decide_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  DecideStage decide_stage_ ABSL_GUARDED_BY(decide_mutex_);

  Channel<Group> to_apply_;
  Channel<Group> to_reply_;
  std::thread deciding_, syncing_, applying_, replying_;
};

Sequencer::Sequencer(eventstore::CommitLog& log, eventstore::KeyStore& keys,
                     eventstore::RowStore& rows, Tenants& tenants, SequencerOptions options)
    : stages_(std::make_unique<Stages>(log, keys, rows, tenants, std::move(options))) {}
Sequencer::~Sequencer() = default;
void Sequencer::Submit(Command command) { stages_->Submit(std::move(command)); }
void Sequencer::Drain() { stages_->Drain(); }
size_t Sequencer::queued() const { return stages_->queued(); }
Sequencer::Counts Sequencer::counts() const { return stages_->counts(); }

}  // namespace retrace::server
