#include "server/export_replay.h"

#include <optional>
#include <utility>
#include <vector>

#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "server/commit_show.h"
#include "server/export_file.h"
#include "server/list_declarations.h"
#include "server/lists.h"
#include "server/moment.h"
#include "server/replay.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using eventstore::Position;
using eventstore::StoredCommit;
using google::protobuf::Message;
using google::protobuf::util::TimeUtil;

// In the scratch stores. A tenant's number is the server's affair: no event depends on it.
constexpr eventstore::TenantNumber kTenantNumber = 1;
constexpr size_t kBatchBytes = 1u << 20;
constexpr size_t kCacheBytes = 64u << 20;

// Commits up to the batch's size, with what the moment asked about needs to know of them.
class Commits {
 public:
  explicit Commits(ExportReader& reader) : reader_(reader) {}

  // `visit` is told every commit in order; then they are handed to the replay, batch by batch.
  // `leave_out` is told the later purges, when that is done.
  absl::Status ReplayAll(Replay& replay, const eventstore::KeyStore& keys, bool keys_given,
                         const std::function<void(const store::v1::Commit&)>& visit,
                         const std::function<absl::Status(const store::v1::Commit&)>& leave_out) {
    std::vector<StoredCommit> batch;
    size_t bytes = 0;
    while (true) {
      RETRACE_ASSIGN(std::optional<ExportedCommit> commit, reader_.Next());
      const bool all = !commit.has_value() || commit->later_purge;
      if (!batch.empty() && (all || bytes >= kBatchBytes)) {
        RETRACE_RETURN_IF_ERROR(replay.Apply(std::exchange(batch, {})));
        bytes = 0;
      }
      if (all) RETRACE_RETURN_IF_ERROR(replay.Await());
      if (!commit.has_value()) return absl::OkStatus();
      if (commit->later_purge) {
        RETRACE_RETURN_IF_ERROR(leave_out(commit->parsed));
        continue;
      }
      if (!keys_given) RETRACE_RETURN_IF_ERROR(RefuseSealed(commit->parsed, keys));
      visit(commit->parsed);
      bytes += commit->stored.bytes.size();
      batch.push_back(std::move(commit->stored));
    }
  }

 private:
  static absl::Status RefuseSealed(const store::v1::Commit& commit,
                                   const eventstore::KeyStore& keys) {
    for (const store::v1::StoredEvent& event : commit.events()) {
      for (const store::v1::SealedPart& part : event.sealed()) {
        RETRACE_ASSIGN(const bool there, keys.Contains(kTenantNumber, part.key_id()));
        if (there) continue;
        return absl::FailedPreconditionError(
            fmt::format("The commit at position {} holds personal fields, which are sealed. Give "
                        "the file with the keys (`--keys FILE`), which `retrace history export "
                        "--keys FILE` writes.",
                        commit.position()));
      }
    }
    return absl::OkStatus();
  }

  ExportReader& reader_;
};

}  // namespace

ExportReplay::ExportReplay(const ExportReplayOptions& options)
    : options_(options), directory_(options.scratch, "retrace-replay") {}

ExportReplay::~ExportReplay() = default;

absl::StatusOr<std::unique_ptr<ExportReplay>> ExportReplay::Open(ExportReplayOptions options) {
  std::unique_ptr<ExportReplay> replay(new ExportReplay(options));
  RETRACE_RETURN_IF_ERROR(replay->Replay());
  return replay;
}

absl::Status ExportReplay::OpenStores() {
  if (options_.remove_when_killed) {
    RETRACE_RETURN_IF_ERROR(directory_.RemoveWhenKilled());
  }
  RETRACE_RETURN_IF_ERROR(directory_.Make());
  const std::string master = directory_.path() + "/master.key";
  RETRACE_RETURN_IF_ERROR(eventstore::KeyStore::MakeMasterKey(master));
  RETRACE_ASSIGN(keys_, eventstore::KeyStore::Open({.directory = directory_.path() + "/keys",
                                                    .master_key_file = master,
                                                    .on_failure = [](const absl::Status&) {}}));
  RETRACE_ASSIGN(rows_, eventstore::RowStore::Open({.directory = directory_.path() + "/rows",
                                                    .layout_stamp = domain::LayoutStamp(),
                                                    .cache_bytes = kCacheBytes}));
  return absl::OkStatus();
}

absl::Status ExportReplay::ImportKeys() {
  if (options_.key_file.empty()) return absl::OkStatus();
  RETRACE_ASSIGN(const std::unique_ptr<ExportedKeys> given, ReadKeyFile(options_.key_file));
  RETRACE_RETURN_IF_ERROR(keys_->Import(kTenantNumber, given->keys));
  // Or events sealed under them would look like damage.
  return keys_->Destroy(kTenantNumber, given->destroyed);
}

absl::Status ExportReplay::LeaveOut(const store::v1::Commit& purge) {
  RETRACE_ASSIGN(OpenedCommit opened, OpenCommit(purge, kTenantNumber, *keys_));
  const RowView view(*rows_, kTenantNumber, eventstore::kLatest);
  std::vector<domain::DraftEvent> events;
  for (domain::DraftEvent& event : opened.events) {
    // It may have been created later.
    RETRACE_ASSIGN(const domain::RowPtr row, view.Get(event.entity));
    if (row != nullptr && !row->purged()) events.push_back(std::move(event));
  }
  if (events.empty()) return absl::OkStatus();
  left_out_ += static_cast<int64_t>(events.size());
  opened.events = std::move(events);
  RETRACE_ASSIGN(domain::Projection projection, ProjectStored(view, opened));
  // Rows take positions without a gap; nobody asks about those behind the last commit.
  domain::CommitHeader header = opened.header;
  header.position = ++rows_position_;
  const eventstore::RowChanges changes =
      ToRowChanges(kTenantNumber, header, {}, std::move(projection));
  return rows_->Apply({&changes, 1});
}

absl::Status ExportReplay::Replay() {
  RETRACE_ASSIGN(const std::unique_ptr<ExportReader> reader, ExportReader::Open(options_.file));
  header_ = reader->header();
  tenant_ = std::make_unique<Tenant>(header_.tenant(), kTenantNumber);
  RETRACE_RETURN_IF_ERROR(OpenStores());
  RETRACE_RETURN_IF_ERROR(ImportKeys());
  const v1::AsOf& until = options_.until;
  rows_position_ = header_.position();
  server::Replay replay(*keys_, *rows_, kTenantNumber);
  RETRACE_RETURN_IF_ERROR(Commits(*reader).ReplayAll(
      replay, *keys_, !options_.key_file.empty(),
      [&](const store::v1::Commit& commit) {
        if (commit.position() == 1) first_time_us_ = commit.commit_time_us();
        const bool beyond =
            (until.has_position() && static_cast<int64_t>(commit.position()) > until.position()) ||
            (until.has_time() &&
             commit.commit_time_us() > TimeUtil::TimestampToMicroseconds(until.time()));
        if (beyond) return;
        position_ = commit.position();
        commit_time_us_ = commit.commit_time_us();
        history_hash_ = reader->history().digest();
      },
      [this](const store::v1::Commit& purge) { return LeaveOut(purge); }));
  whole_history_hash_ = reader->history().digest();
  tenant_->visible = header_.position();
  return CheckMoment();
}

absl::Status ExportReplay::CheckMoment() const {
  const v1::AsOf& until = options_.until;
  const auto time = [](int64_t time_us) {
    return TimeUtil::ToString(TimeUtil::MicrosecondsToTimestamp(time_us));
  };
  if (until.has_position() &&
      (until.position() < 1 || static_cast<int64_t>(position_) != until.position())) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("Position {} is not in {}, which holds the positions 1 to {}.",
                               until.position(), options_.file, header_.position()))
        .Field("until.position", fmt::format("must be from 1 to {}", header_.position()));
  }
  if (!until.has_time()) return absl::OkStatus();
  const int64_t asked_us = TimeUtil::TimestampToMicroseconds(until.time());
  if (position_ > 0 && asked_us <= header_.commit_time_us()) return absl::OkStatus();
  return Refusal(v1::INVALID_FIELD,
                 fmt::format("The time {} is not in {}, whose commits are from {} to {}.",
                             TimeUtil::ToString(until.time()), options_.file, time(first_time_us_),
                             time(header_.commit_time_us())))
      .Field("until.time", "must lie between the first and the last commit");
}

std::string ExportReplay::epoch() const { return ShowEpoch(header_.epoch()); }

absl::StatusOr<ContentDigest> ExportReplay::Digest() const {
  return DigestContent(*rows_, kTenantNumber, position_, [] { return absl::OkStatus(); });
}

absl::StatusOr<std::unique_ptr<Message>> ExportReplay::Get(std::string_view name) const {
  const bool full = name.rfind("tenants/", 0) == 0;
  const std::string whole =
      full ? std::string(name) : fmt::format("tenants/{}/{}", tenant_->id, name);
  RETRACE_ASSIGN(const domain::EntityRef entity, ParseAnyEntity(*tenant_, whole, "name"));
  const RowView view(*rows_, kTenantNumber, position_);
  RETRACE_ASSIGN(const domain::RowPtr row, view.Get(entity));
  std::unique_ptr<Message> resource = Shown(*tenant_, entity, row.get());
  if (resource != nullptr) return resource;
  return Refusal(v1::ENTITY_NOT_FOUND,
                 fmt::format("There is no `{}` at position {}.", whole, position_))
      .About(domain::KindOf(entity.kind).singular, whole);
}

const Message* ExportReplay::TypeOf(std::string_view collection) {
  const domain::Kind* kind = domain::FindKind(collection);
  return kind == nullptr || ListOf(kind->number) == nullptr ? nullptr : kind->resource;
}

absl::Status ExportReplay::List(const ExportList& list,
                                const std::function<bool(const Message&)>& visit) const {
  const Message* type = TypeOf(list.collection);
  if (type == nullptr) {
    return Refusal(v1::INVALID_FIELD, fmt::format("There is no list of `{}`.", list.collection))
        .Field("kind", "must be a collection such as customers, records, members");
  }
  const ListDeclaration& declaration = *ListOf(domain::FindKind(list.collection)->number);
  const PageLimits limits;
  const v1::AsOf no_moment;
  const ListQuestion question{.request = *type,
                              .page_size = limits.max_size,
                              .filter = list.filter,
                              .order_by = list.order_by,
                              .query = list.query,
                              .show_inactive = list.show_inactive,
                              .show_deleted = list.show_deleted,
                              .as_of = no_moment};
  QueryCall call;
  call.tenant = tenant_.get();
  const RowView view(*rows_, kTenantNumber, position_);
  std::optional<store::v1::PageToken> next;
  do {
    std::vector<std::unique_ptr<Message>> page;
    RETRACE_ASSIGN(next,
                   ReadListPage(call, limits, declaration, question, view, std::move(next), [&] {
                     page.emplace_back(type->New());
                     return page.back().get();
                   }));
    for (const std::unique_ptr<Message>& entity : page) {
      if (!visit(*entity)) return absl::OkStatus();
    }
  } while (next.has_value());
  return absl::OkStatus();
}

}  // namespace retrace::server
