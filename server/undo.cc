#include "server/undo.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "domain/batch.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/undo.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/entities.pb.h"
#include "server/moment.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using store::v1::ResolvedUndo;
using store::v1::UndoneCommit;

// The first page is small: it mostly tells whether there are too many entities.
constexpr int kFirstPage = 16;
constexpr int kLargestPage = 1000;
// As many as the largest operation makes, and more.
constexpr size_t kMostCommits = 100'000;

// That an operation is at work on an entity is nothing that an undo takes back.
bool IsUndone(const v1::Event& event) {
  return event.type() != store::v1::Engaged::descriptor()->name() &&
         event.type() != store::v1::Released::descriptor()->name();
}

// Collects commits by position.
class Commits {
 public:
  // Whether the entities that the request chooses are too many is seen when it is decided.
  Commits(const History& history, const QueryCall& call, const v1::UndoRequest& request,
          UndoBound bound)
      : history_(history),
        call_(call),
        bounded_(bound == UndoBound::kOneCommit && request.entities().empty()) {}

  // Those that the filter matches; how many.
  absl::StatusOr<size_t> Add(const std::string& filter) {
    v1::ListCommitsRequest request;
    request.set_parent(fmt::format("tenants/{}", call_.tenant->id));
    request.set_filter(filter);
    request.set_page_size(kFirstPage);
    request.set_oldest_first(true);
    request.set_view(v1::NAMES);
    size_t added = 0;
    do {
      if (absl::Now() >= call_.deadline) {
        return Refusal(v1::DEADLINE_PASSED,
                       "The deadline passed while the commits were looked for; nothing was done.")
            .Next("Give the call a longer deadline, or restrict position or time.");
      }
      RETRACE_ASSIGN(const v1::ListCommitsResponse page, history_.Answer(call_, request));
      for (const v1::Commit& commit : page.commits()) {
        Take(commit);
        ++added;
      }
      if (entities_.size() > domain::kMostEntities) return domain::TooManyToUndo();
      if (commits_.size() > kMostCommits) {
        return Refusal(v1::USE_OPERATION,
                       fmt::format("These are more than {} commits.", kMostCommits))
            .Next("Undo a part of them at once.");
      }
      request.set_page_token(page.next_page_token());
      request.set_page_size(kLargestPage);
    } while (!request.page_token().empty());
    return added;
  }

  void MoveTo(ResolvedUndo& undo) && {
    for (auto& [position, commit] : commits_) {
      *undo.add_commits() = std::move(commit);
    }
  }

 private:
  void Take(const v1::Commit& shown) {
    UndoneCommit& commit = commits_[shown.position()];
    commit.Clear();
    commit.set_position(static_cast<uint64_t>(shown.position()));
    commit.set_time_us(
        google::protobuf::util::TimeUtil::TimestampToMicroseconds(shown.commit_time()));
    commit.set_actor(shown.actor());
    commit.set_change_set(static_cast<uint64_t>(shown.change_set()));
    std::set<std::string> names;
    for (const v1::Event& event : shown.events()) {
      const auto parsed = domain::ParseName(event.entity(), "entity");
      const domain::Kind* kind = parsed.ok() ? domain::FindKind(parsed->collection) : nullptr;
      if (kind == nullptr || !IsUndone(event) || !names.insert(event.entity()).second) continue;
      const domain::EntityRef entity{kind->number, parsed->id};
      *commit.add_entities() = domain::ToStored(entity);
      if (bounded_ && !kind->bookkeeping) entities_.insert(entity);
    }
  }

  const History& history_;
  const QueryCall& call_;
  const bool bounded_;
  std::map<int64_t, UndoneCommit> commits_;
  std::set<domain::EntityRef> entities_;  // of these commits, where they are bounded
};

absl::Status NoName(const std::string& field) {
  return Refusal(v1::INVALID_FIELD, field + " is no name of a change set or a commit.")
      .Field(field, "Give a name like `tenants/acme/changeSets/12` or `tenants/acme/commits/12`.");
}

absl::Status AddNamed(const History& history, const QueryCall& call, const std::string& name,
                      const std::string& field, Commits& commits) {
  RETRACE_ASSIGN(const domain::ResourceName parsed, domain::ParseName(name, field));
  eventstore::Position position = 0;
  if (parsed.tenant != call.tenant->id || !absl::SimpleAtoi(parsed.id, &position) ||
      position == 0) {
    return NoName(field);
  }
  if (parsed.collection == "changeSets") {
    RETRACE_ASSIGN(const v1::ChangeSet change_set,
                   history.ShowChangeSet(*call.tenant, position, call.tenant->visible));
    return commits
        .Add(fmt::format("change_set = {} AND position >= {} AND position <= {}", position,
                         position, change_set.last_position()))
        .status();
  }
  if (parsed.collection != "commits") {
    return NoName(field);
  }
  RETRACE_ASSIGN(const size_t added, commits.Add(fmt::format("position = {}", position)));
  if (added == 0) {
    return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no commit `{}`.", name))
        .About("commit", name)
        .Next("Check the position.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ResolvedUndo> ResolveUndo(const History& history, const QueryCall& call,
                                         const v1::UndoRequest& request, UndoBound bound) {
  if (request.names().empty() == request.filter().empty()) {
    return Refusal(v1::INVALID_FIELD, "An undo takes either names or a filter.")
        .Field("names", "Name change sets or commits, or leave this out and give a filter.");
  }
  if (!request.filter().empty() && !call.principal->Has(domain::kUndoAny)) {
    return domain::UndoByFilterIsForAdministrators();
  }
  Commits commits(history, call, request, bound);
  for (int i = 0; i < request.names_size(); ++i) {
    RETRACE_RETURN_IF_ERROR(
        AddNamed(history, call, request.names(i), fmt::format("names[{}]", i), commits));
  }
  if (!request.filter().empty()) {
    RETRACE_RETURN_IF_ERROR(commits.Add(request.filter()).status());
  }
  ResolvedUndo undo;
  *undo.mutable_request() = request;
  std::move(commits).MoveTo(undo);
  return undo;
}

absl::StatusOr<v1::GetUndoConflictsResponse> AnswerUndoConflicts(
    Ledger& ledger, const History& history, const QueryCall& call,
    const v1::GetUndoConflictsRequest& request) {
  v1::UndoRequest asked;
  asked.set_parent(request.parent());
  *asked.mutable_names() = request.names();
  asked.set_filter(request.filter());
  *asked.mutable_entities() = request.entities();
  RETRACE_ASSIGN(const ResolvedUndo undo, ResolveUndo(history, call, asked, UndoBound::kOneCommit));
  RETRACE_ASSIGN(Moment moment, MomentAt(ledger, *call.tenant, call.tenant->visible));
  const RowView view(ledger.rows(), call.tenant->number, moment.position);
  RETRACE_ASSIGN(auto conflicts, domain::FindUndoConflicts(undo, view, call.tenant->id));
  v1::GetUndoConflictsResponse response;
  for (v1::UndoConflict& conflict : conflicts) {
    *response.add_conflicts() = std::move(conflict);
  }
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

}  // namespace retrace::server
