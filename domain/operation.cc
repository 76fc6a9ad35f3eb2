#include "domain/operation.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "domain/batch.h"
#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/index_values.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using store::v1::OperationAdvanced;
using store::v1::OperationEnded;
using store::v1::OperationPartRow;
using store::v1::OperationRow;
using store::v1::OperationTask;
using v1::OperationItem;
using State = v1::OperationMetadata::State;
using Metadata = v1::OperationMetadata;

// Names of one part, so that its event stays small.
constexpr int kNamesPerPart = 500;
// An operation's change set is open as long as the operation runs.
constexpr int64_t kNeverUs = 100LL * 365 * 24 * 3600 * 1'000'000;
constexpr size_t kLongestMessage = 300;

template <typename Event>
const Event* As(const Message& event) {
  return event.GetDescriptor() == Event::descriptor() ? static_cast<const Event*>(&event) : nullptr;
}

void Advance(const OperationAdvanced& by, OperationRow& row) {
  row.set_ok(row.ok() + by.ok());
  row.set_refused(row.refused() + by.refused());
  row.set_drifted(row.drifted() + by.drifted());
  row.set_skipped(row.skipped() + by.skipped());
  row.set_item_parts(row.item_parts() + (by.refused() + by.drifted() + by.skipped() > 0 ? 1 : 0));
}

void Start(const store::v1::OperationStarted& started, const CommitHeader& header,
           OperationRow& row) {
  *row.mutable_task() = started.task();
  row.set_state(Metadata::COUNTING);
  row.set_unfinished(kUnfinished);
  if (started.target_parts() > 0) {
    row.set_target_parts(started.target_parts());
  }
  row.set_change_set(started.task().plan_only() ? 0 : header.position);
  row.set_actor(header.actor);
  row.set_on_behalf_of(header.on_behalf_of);
  row.set_reason(header.reason);
}

void ApplyOperationEvent(const Message& event, const CommitHeader& header, Row& row) {
  auto after = row.resource == nullptr ? std::make_shared<OperationRow>()
                                       : std::make_shared<OperationRow>(row.As<OperationRow>());
  if (row.resource == nullptr) {
    after->set_actor(header.actor);
    after->set_newest_first(-static_cast<int64_t>(header.position));
    after->set_state(Metadata::COLLECTING);
  }
  if (const auto* added = As<store::v1::OperationTargetsCounted>(event)) {
    after->set_target_count(after->target_count() + added->count());
    after->set_target_parts(after->target_parts() + 1);
  } else if (const auto* started = As<store::v1::OperationStarted>(event)) {
    Start(*started, header, *after);
  } else if (const auto* counted = As<store::v1::OperationCounted>(event)) {
    after->set_target_count(counted->count());
    after->set_state(Metadata::RUNNING);
  } else if (const auto* advanced = As<OperationAdvanced>(event)) {
    Advance(*advanced, *after);
  } else if (const auto* ended = As<OperationEnded>(event)) {
    after->set_state(ended->state());
    after->clear_unfinished();
    *after->mutable_end() = *ended;
  }
  row.resource = std::move(after);
}

void ApplyPartEvent(const Message& event, const CommitHeader& /*header*/, Row& row) {
  auto part = std::make_shared<OperationPartRow>();
  if (const auto* added = As<store::v1::OperationTargetsAdded>(event)) {
    *part->mutable_names() = added->names();
  } else if (const auto* told = As<store::v1::OperationItemsTold>(event)) {
    *part->mutable_items() = told->items();
  }
  row.resource = std::move(part);
}

std::string SubjectOfOperation(const EntityRef& entity, const Row& /*row*/) {
  return "operations/" + entity.id.substr(0, entity.id.find('-'));
}

absl::StatusOr<Found> FindOperation(const std::string& id, const Draft& draft) {
  EntityRef entity{KindNumber::kOperation, id};
  RETRACE_ASSIGN(RowPtr row, draft.Get(entity));
  if (row == nullptr) {
    return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no operation {}.", id));
  }
  return Found{std::move(entity), std::move(row)};
}

absl::Status NotThere(const Found& found, std::string_view wanted) {
  return Refusal(v1::STATE_REFUSED,
                 fmt::format("Operation {} is {}, not {}.", found.entity.id,
                             Metadata::State_Name(found.row->As<OperationRow>().state()), wanted));
}

absl::Status End(const Found& found, std::shared_ptr<OperationEnded> ended, Draft& draft) {
  const auto change_set = found.row->As<OperationRow>().change_set();
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(ended)));
  if (change_set == 0) {
    return absl::OkStatus();
  }
  return draft.Emit({KindNumber::kChangeSet, fmt::format("{}", change_set)},
                    std::make_shared<store::v1::ChangeSetEnded>());
}

absl::Status EndIn(const Found& found, State state, std::string message, v1::ErrorReason reason,
                   Draft& draft) {
  auto ended = std::make_shared<OperationEnded>();
  ended->set_state(state);
  ended->set_message(std::move(message));
  if (reason != v1::ERROR_REASON_UNSPECIFIED) {
    ended->set_reason(v1::ErrorReason_Name(reason));
  }
  return End(found, std::move(ended), draft);
}

// The operation of that name, which the caller collects targets in or has only planned.
absl::StatusOr<Found> FindOwn(const std::string& name, const Draft& draft, const Context& context) {
  v1::CommandOptions no_etag;
  RETRACE_ASSIGN(Found found,
                 FindLive(KindNumber::kOperation, name, no_etag, draft, context, "operation"));
  const auto& row = found.row->As<OperationRow>();
  if (row.actor() != context.header.actor) {
    return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("`{}` is no operation that you began.", name))
        .About("operation", name);
  }
  return found;
}

absl::Status StartedAlready(const std::string& name) {
  return Refusal(v1::STATE_REFUSED, fmt::format("`{}` was started already.", name))
      .Field("operation", "must not have been started")
      .Next("Name targets in a new operation.");
}

bool IsCollecting(const Found& found) {
  return found.row->As<OperationRow>().state() == Metadata::COLLECTING;
}

// The operation that is started for named targets: the one that was given the names or, when that
// only planned, a new one.
absl::StatusOr<EntityRef> StartNamed(const std::string& name, const Draft& draft,
                                     const Context& context, store::v1::OperationStarted& started) {
  RETRACE_ASSIGN(const Found found, FindOwn(name, draft, context));
  if (IsCollecting(found)) {
    return found.entity;
  }
  const auto& row = found.row->As<OperationRow>();
  if (!row.task().plan_only() || row.target_parts() == 0) {
    return StartedAlready(name);
  }
  const std::string& holder = row.task().targets_of();
  started.mutable_task()->set_targets_of(holder.empty() ? found.entity.id : holder);
  started.set_target_parts(row.target_parts());
  return EntityRef{KindNumber::kOperation, context.new_id()};
}

absl::Status CheckName(const std::string& name, const std::string& field, const Context& context) {
  RETRACE_ASSIGN(const ResourceName parsed, ParseName(name, field));
  const Kind* kind = FindKind(parsed.collection);
  if (parsed.tenant != context.header.tenant || kind == nullptr || kind->derived ||
      kind->bookkeeping) {
    return Refusal(v1::INVALID_FIELD, field + " names no entity of the tenant.")
        .Field(field,
               fmt::format("Give a name like `tenants/{}/customers/4hj2`.", context.header.tenant));
  }
  return absl::OkStatus();
}

OperationItem Item(const OperationTarget& target, OperationItem::Result result,
                   std::string_view message) {
  OperationItem item;
  item.set_name(target.name);
  item.set_result(result);
  item.set_message(std::string(message.substr(0, kLongestMessage)));
  return item;
}

// Who wrote the target since; empty when nobody did.
absl::StatusOr<std::string> DriftOf(const OperationTask& task, const OperationTarget& target,
                                    const Draft& draft) {
  if (target.entity.kind == KindNumber{}) {
    return std::string();
  }
  RETRACE_ASSIGN(const RowPtr row, draft.Get(target.entity));
  if (row == nullptr || row->head.update_position() <= task.position() ||
      row->head.change_set() == draft.header().change_set) {
    return std::string();
  }
  return fmt::format("{} wrote it at position {}, after the operation's position {}.",
                     row->head.actor(), row->head.update_position(), task.position());
}

// What a plan warns of must have been read before it is done.
absl::Status CheckWarningsRead(const OperationTask& task, const Draft& alone) {
  for (const Draft::Warning& warning : alone.warnings()) {
    const auto& read = task.acknowledged_warnings();
    if (!task.plan_only() && std::find(read.begin(), read.end(), warning.id) == read.end()) {
      return Refusal(v1::ACKNOWLEDGEMENT_REQUIRED,
                     fmt::format("{}: {}", warning.id, warning.sentence))
          .Unmet("WARNING", warning.id, warning.sentence)
          .Next("Start it again with that id in acknowledged_warnings.");
    }
  }
  return absl::OkStatus();
}

// Adds to the draft what the command alone came to.
absl::Status TakeOver(const Draft& alone, Draft& draft) {
  for (const DraftEvent& event : alone.events()) {
    RETRACE_RETURN_IF_ERROR(draft.Emit(event.entity, event.event));
  }
  if (alone.undoes() != 0) {
    draft.Undoes(alone.undoes());
  }
  for (const Draft::Loss& loss : alone.losses()) {
    draft.Lose(loss.entity, loss.sentence);
  }
  for (const Draft::Warning& warning : alone.warnings()) {
    draft.Warn(warning.id, warning.sentence);
  }
  return absl::OkStatus();
}

// The command alone, on what the draft holds so far: its events, or its refusal.
absl::Status TryOne(const OperationTarget& target, Draft& alone, const Context& context) {
  RETRACE_RETURN_IF_ERROR(target.decide(alone, context));
  return alone.Check(context);
}

}  // namespace

EntityRef TargetPart(const std::string& operation, uint32_t part) {
  return {KindNumber::kOperationPart, fmt::format("{}-t{:06}", operation, part)};
}

EntityRef ItemPart(const std::string& operation, uint32_t part) {
  return {KindNumber::kOperationPart, fmt::format("{}-i{:06}", operation, part)};
}

Kind OperationKind() {
  Kind kind;
  kind.number = KindNumber::kOperation;
  kind.singular = "operation";
  kind.collection = "operations";
  kind.resource = &OperationRow::default_instance();
  kind.events = {&store::v1::OperationTargetsCounted::default_instance(),
                 &store::v1::OperationStarted::default_instance(),
                 &store::v1::OperationCounted::default_instance(),
                 &OperationAdvanced::default_instance(), &OperationEnded::default_instance()};
  kind.indexes = {{kUnfinishedIndex, "unfinished", {"unfinished"}, Normaliser::kExact},
                  {kNewestFirstIndex, "newest_first", {"newest_first"}, Normaliser::kNumber}};
  kind.bookkeeping = true;
  kind.apply = ApplyOperationEvent;
  kind.subject = SubjectOfOperation;
  return kind;
}

Kind OperationPartKind() {
  Kind kind;
  kind.number = KindNumber::kOperationPart;
  kind.singular = "operation part";
  kind.collection = "operationParts";
  kind.resource = &OperationPartRow::default_instance();
  kind.events = {&store::v1::OperationTargetsAdded::default_instance(),
                 &store::v1::OperationItemsTold::default_instance()};
  kind.bookkeeping = true;
  kind.apply = ApplyPartEvent;
  kind.subject = SubjectOfOperation;
  return kind;
}

bool IsEnded(State state) {
  return state == Metadata::SUCCEEDED || state == Metadata::STOPPED ||
         state == Metadata::CANCELLED || state == Metadata::FAILED;
}

absl::StatusOr<Tried> TryTargets(const OperationTask& task,
                                 const std::vector<OperationTarget>& targets, Draft& draft,
                                 const Context& context) {
  Tried tried;
  OperationAdvanced& counts = tried.counts;
  // The operation itself, its part and its change set are entities, too.
  constexpr size_t kMostTouched = kMostEntities - 3;
  for (const OperationTarget& target : targets) {
    Draft alone(draft, context.header);
    RETRACE_ASSIGN(std::string drift, DriftOf(task, target, draft));
    const absl::Status status = drift.empty() ? TryOne(target, alone, context) : absl::OkStatus();
    if (!status.ok() && ReasonOf(status) == v1::ERROR_REASON_UNSPECIFIED) {
      return status;
    }
    if (ReasonOf(status) == v1::UNDO_CONFLICT && target.judged && !task.plan_only()) {
      drift = std::string(status.message());
    }
    if (!drift.empty() && task.on_drift() != v1::StartOperationRequest::SKIP) {
      tried.stopped_at = fmt::format("{}: {}", target.name, drift);
      return tried;
    }
    if (tried.count() > 0 && draft.touched().size() + alone.touched().size() > kMostTouched) {
      return tried;
    }
    if (!drift.empty()) {
      counts.set_drifted(counts.drifted() + 1);
      tried.items.push_back(Item(target, OperationItem::DRIFTED, drift));
    } else if (!status.ok()) {
      counts.set_refused(counts.refused() + 1);
      tried.items.push_back(Item(target, OperationItem::REFUSED, std::string(status.message())));
      tried.items.back().set_reason(v1::ErrorReason_Name(ReasonOf(status)));
    } else if (alone.events().empty()) {
      counts.set_skipped(counts.skipped() + 1);
      tried.items.push_back(Item(target, OperationItem::SKIPPED, "There was nothing to do."));
    } else {
      RETRACE_RETURN_IF_ERROR(CheckWarningsRead(task, alone));
      RETRACE_RETURN_IF_ERROR(TakeOver(alone, draft));
      counts.set_ok(counts.ok() + 1);
    }
  }
  return tried;
}

absl::Status DecideChunk(const OperationChunk& chunk, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindOperation(chunk.operation, draft));
  const auto& row = found.row->As<OperationRow>();
  const int64_t done = row.ok() + row.refused() + row.drifted() + row.skipped();
  if (row.state() != Metadata::RUNNING || done != chunk.first) {
    return NotThere(found, fmt::format("RUNNING at {}", chunk.first));
  }
  RETRACE_ASSIGN(Tried tried, TryTargets(row.task(), chunk.targets, draft, context));
  if (!tried.items.empty()) {
    auto told = std::make_shared<store::v1::OperationItemsTold>();
    for (OperationItem& item : tried.items) {
      *told->add_items() = std::move(item);
    }
    RETRACE_RETURN_IF_ERROR(
        draft.Emit(ItemPart(chunk.operation, row.item_parts() + 1), std::move(told)));
  }
  RETRACE_RETURN_IF_ERROR(
      draft.Emit(found.entity, std::make_shared<OperationAdvanced>(tried.counts)));
  if (!tried.stopped_at.empty()) {
    return EndIn(found, Metadata::STOPPED, std::move(tried.stopped_at), v1::PLAN_DRIFTED, draft);
  }
  return done + tried.count() < row.target_count()
             ? absl::OkStatus()
             : EndIn(found, Metadata::SUCCEEDED, "", v1::ERROR_REASON_UNSPECIFIED, draft);
}

absl::Status DecideCounted(const std::string& operation, int64_t count, Draft& draft,
                           const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindOperation(operation, draft));
  const auto& row = found.row->As<OperationRow>();
  if (row.state() != Metadata::COUNTING) {
    return NotThere(found, "COUNTING");
  }
  auto counted = std::make_shared<store::v1::OperationCounted>();
  counted->set_count(count);
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(counted)));
  const OperationTask& task = row.task();
  if (task.plan_only()) {
    return absl::OkStatus();
  }
  const int64_t acknowledged = task.acknowledged_count();
  if (acknowledged != count && (acknowledged != 0 || count > task.acknowledge_above())) {
    return EndIn(found, Metadata::FAILED,
                 fmt::format("It has {} targets; acknowledged were {}. Nothing was done. Plan it "
                             "first, or start it again with acknowledged_count {}.",
                             count, acknowledged, count),
                 v1::ACKNOWLEDGEMENT_REQUIRED, draft);
  }
  return count > 0 ? absl::OkStatus()
                   : EndIn(found, Metadata::SUCCEEDED, "", v1::ERROR_REASON_UNSPECIFIED, draft);
}

absl::Status DecidePlanned(const std::string& operation, const v1::Plan& plan, Draft& draft,
                           const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindOperation(operation, draft));
  if (found.row->As<OperationRow>().state() != Metadata::RUNNING) {
    return NotThere(found, "RUNNING");
  }
  auto ended = std::make_shared<OperationEnded>();
  ended->set_state(Metadata::SUCCEEDED);
  *ended->mutable_plan() = plan;
  return End(found, std::move(ended), draft);
}

absl::Status DecideFailed(const std::string& operation, const absl::Status& why, Draft& draft,
                          const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindOperation(operation, draft));
  if (IsEnded(found.row->As<OperationRow>().state())) {
    return NotThere(found, "under way");
  }
  return EndIn(found, Metadata::FAILED, std::string(why.message()), ReasonOf(why), draft);
}

absl::Status Decide(const v1::AddTargetsRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  Found found{{KindNumber::kOperation, ""}, nullptr};
  uint32_t parts = 0;
  int64_t count = 0;
  if (request.operation().empty()) {
    found.entity.id = context.new_id();
  } else {
    RETRACE_ASSIGN(found, FindOwn(request.operation(), draft, context));
    if (!IsCollecting(found)) {
      return StartedAlready(request.operation());
    }
    parts = found.row->As<OperationRow>().target_parts();
    count = found.row->As<OperationRow>().target_count();
  }
  if (count + request.names_size() > kMostTargets) {
    return Refusal(v1::LIMIT_REACHED,
                   fmt::format("An operation takes at most {} targets.", kMostTargets))
        .Next("Start it with what it has, and name the rest in another.");
  }
  draft.Target(found.entity);
  for (int begin = 0; begin < request.names_size(); begin += kNamesPerPart) {
    const int end = std::min(begin + kNamesPerPart, request.names_size());
    auto added = std::make_shared<store::v1::OperationTargetsAdded>();
    for (int i = begin; i < end; ++i) {
      RETRACE_RETURN_IF_ERROR(CheckName(request.names(i), fmt::format("names[{}]", i), context));
      added->add_names(request.names(i));
    }
    auto counted = std::make_shared<store::v1::OperationTargetsCounted>();
    counted->set_count(end - begin);
    RETRACE_RETURN_IF_ERROR(draft.Emit(TargetPart(found.entity.id, ++parts), std::move(added)));
    RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(counted)));
  }
  return absl::OkStatus();
}

absl::Status Decide(const store::v1::ResolvedOperation& resolved, Draft& draft,
                    const Context& context) {
  if (resolved.options().change_set() != 0) {
    return Refusal(v1::INVALID_FIELD, "An operation is a change set of its own.")
        .Field("options.change_set", "Leave it out.");
  }
  const OperationTask& task = resolved.task();
  auto started = std::make_shared<store::v1::OperationStarted>();
  *started->mutable_task() = task;
  EntityRef entity{KindNumber::kOperation, ""};
  if (resolved.operation().empty()) {
    entity.id = context.new_id();
  } else {
    RETRACE_ASSIGN(entity, StartNamed(resolved.operation(), draft, context, *started));
  }
  draft.Target(entity);
  if (!task.plan_only()) {
    auto begun = std::make_shared<store::v1::ChangeSetBegun>();
    begun->set_title(fmt::format("operation {}: {}", entity.id,
                                 task.method().substr(task.method().rfind('.') + 1)));
    begun->set_closes_at_us(context.header.time_us + kNeverUs);
    RETRACE_RETURN_IF_ERROR(draft.Emit(
        {KindNumber::kChangeSet, fmt::format("{}", context.header.position)}, std::move(begun)));
  }
  return draft.Emit(entity, std::move(started));
}

absl::Status Decide(const store::v1::OperationCancel& cancel, Draft& draft,
                    const Context& context) {
  v1::CommandOptions no_etag;
  RETRACE_ASSIGN(const Found found,
                 FindLive(KindNumber::kOperation, cancel.name(), no_etag, draft, context));
  const auto& row = found.row->As<OperationRow>();
  if (row.actor() != context.header.actor && !context.may(kCancelAny)) {
    return Refusal(v1::PERMISSION_MISSING,
                   fmt::format("`{}` was started by {}.", cancel.name(), row.actor()))
        .With("permission", kCancelAny)
        .Next(fmt::format("Ask {} or an administrator to cancel it.", row.actor()));
  }
  if (IsEnded(row.state())) {
    return Refusal(v1::OPERATION_ENDED, fmt::format("`{}` has ended already: {}.", cancel.name(),
                                                    Metadata::State_Name(row.state())))
        .Next("To take back what it did, undo its change set.");
  }
  draft.Target(found.entity);
  return EndIn(found, Metadata::CANCELLED, fmt::format("Cancelled by {}.", context.header.actor),
               v1::CALLER_CANCELLED, draft);
}

}  // namespace retrace::domain
