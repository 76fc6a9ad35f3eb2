#include "server/replay.h"

#include <utility>

#include "domain/purge.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/row_view.h"

namespace retrace::server {

eventstore::RowChanges ToRowChanges(eventstore::TenantNumber tenant,
                                    const domain::CommitHeader& header,
                                    const eventstore::Sha256Digest& commit_hash,
                                    domain::Projection&& projection) {
  eventstore::RowChanges changes{.tenant = tenant,
                                 .position = header.position,
                                 .epoch = header.epoch,
                                 .commit_hash = commit_hash};
  changes.rows.reserve(projection.rows.size());
  for (domain::ProjectedRow& row : projection.rows) {
    changes.rows.push_back({static_cast<eventstore::KindNumber>(row.entity.kind), row.entity.id,
                            std::move(row.bytes), row.position});
  }
  changes.entries.reserve(projection.entries.size());
  for (domain::ProjectedEntry& entry : projection.entries) {
    changes.entries.push_back({static_cast<eventstore::KindNumber>(entry.kind), entry.index,
                               std::move(entry.value), std::move(entry.id),
                               static_cast<eventstore::Mark>(entry.mark), entry.position});
  }
  for (domain::RemovedRow& row : projection.removed_rows) {
    changes.removed_rows.push_back({static_cast<eventstore::KindNumber>(row.entity.kind),
                                    std::move(row.entity.id), row.position});
  }
  for (domain::ProjectedEntry& entry : projection.removed_entries) {
    changes.removed_entries.push_back({static_cast<eventstore::KindNumber>(entry.kind), entry.index,
                                       std::move(entry.value), std::move(entry.id),
                                       entry.position});
  }
  return changes;
}

void AddDestroyedKeys(absl::Span<const domain::DraftEvent> events, std::vector<std::string>& keys) {
  for (const domain::DraftEvent& event : events) {
    if (const auto* destroyed = domain::DestroyedKeys(*event.event)) {
      keys.insert(keys.end(), destroyed->begin(), destroyed->end());
    }
  }
}

absl::StatusOr<domain::Projection> ProjectStored(const domain::View& view,
                                                 const OpenedCommit& commit) {
  domain::Draft draft(view, commit.header);
  for (const domain::DraftEvent& event : commit.events) {
    RETRACE_RETURN_IF_ERROR(draft.Emit(event.entity, event.event));
  }
  for (const OpenedCommit::Key& key : commit.keys)
    draft.SetKey(key.entity, key.subject, key.key_id);
  return draft.Project();
}

Replay::~Replay() {
  if (opening_.valid()) opening_.wait();
  if (written_.valid()) written_.wait();
}

absl::Status Replay::Apply(std::vector<eventstore::StoredCommit> commits) {
  std::future<OpenedCommits> before = std::move(opening_);
  opening_ = std::async(std::launch::async,
                        [this, commits = std::move(commits)] { return Open(commits); });
  return Advance(std::move(before));
}

absl::Status Replay::Await() {
  RETRACE_RETURN_IF_ERROR(Advance(std::move(opening_)));
  return AwaitWritten();
}

Replay::OpenedCommits Replay::Open(const std::vector<eventstore::StoredCommit>& commits) const {
  std::vector<Opened> all;
  all.reserve(commits.size());
  for (const eventstore::StoredCommit& stored : commits) {
    RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(stored.bytes));
    if (commit.position() != stored.position) {
      return absl::DataLossError(
          fmt::format("The log holds the commit of position {} of tenant {} at position {}.",
                      commit.position(), commit.tenant(), stored.position));
    }
    RETRACE_ASSIGN(OpenedCommit opened, OpenCommit(commit, tenant_, keys_));
    if (opened.key_lost) {
      return absl::DataLossError(
          fmt::format("The key of a subject in the commit at position {} of tenant {} is missing "
                      "from the key store, and no "
                      "event says that it was destroyed. Put the key store's backup back.",
                      stored.position, commit.tenant()));
    }
    all.push_back({std::move(opened), eventstore::Sha256(stored.bytes)});
  }
  return all;
}

absl::Status Replay::Advance(std::future<OpenedCommits> opening) {
  if (!opening.valid()) return absl::OkStatus();
  RETRACE_ASSIGN(std::vector<Opened> commits, opening.get());
  if (commits.empty()) return absl::OkStatus();
  return Project(commits);
}

absl::Status Replay::Project(const std::vector<Opened>& commits) {
  const RowView base(rows_, tenant_, eventstore::kLatest);
  const LiveView view(base, pending_);
  std::vector<eventstore::RowChanges> changes;
  changes.reserve(commits.size());
  std::vector<std::string> destroyed;
  for (const Opened& opened : commits) {
    const domain::CommitHeader& header = opened.commit.header;
    AddDestroyedKeys(opened.commit.events, destroyed);
    RETRACE_ASSIGN(domain::Projection projection, ProjectStored(view, opened.commit));
    pending_.Add(header.position, projection);
    changes.push_back(ToRowChanges(tenant_, header, opened.hash, std::move(projection)));
  }
  RETRACE_RETURN_IF_ERROR(AwaitWritten());
  // Again: a crash may have come between the commit and the end of its keys.
  if (!destroyed.empty()) RETRACE_RETURN_IF_ERROR(keys_.Destroy(tenant_, destroyed));
  written_to_ = changes.back().position;
  writing_ = std::move(changes);
  written_ = std::async(std::launch::async, [this] { return rows_.Apply(writing_); });
  return absl::OkStatus();
}

absl::Status Replay::AwaitWritten() {
  if (!written_.valid()) return absl::OkStatus();
  RETRACE_RETURN_IF_ERROR(written_.get());
  pending_.Forget(written_to_);
  return absl::OkStatus();
}

}  // namespace retrace::server
