#include "domain/operation.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "domain/batch.h"
#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/index_values.h"
#include "domain/operation_row.h"
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
using State = v1::OperationMetadata::State;
using Metadata = v1::OperationMetadata;

// An operation's change set is open as long as the operation runs.
constexpr int64_t kNeverUs = 100LL * 365 * 24 * 3600 * 1'000'000;

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
  row.set_entities(row.entities() + by.entities());
  if (!row.has_work()) {
    return;
  }
  store::v1::OperationWork& work = *row.mutable_work();
  work.set_leads_done(work.leads_done() || by.leads_done());
  work.set_left(work.left() + by.left());
  if (by.ok() > 0) {
    row.clear_work();
  }
}

void BackOut(const store::v1::OperationBackingOut& event, const CommitHeader& header,
             OperationRow& row) {
  row.set_state(Metadata::REVERTING);
  store::v1::OperationWork& work = *row.mutable_work();
  if (work.begun_after() == 0) {
    work.set_begun_after(row.change_set());
  }
  work.set_backing_out(header.position);
  if (event.has_item()) {
    *work.mutable_item() = event.item();
  }
  if (event.has_end()) {
    *work.mutable_end() = event.end();
  }
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
    if (counted->target_parts() > 0) {
      after->set_target_parts(counted->target_parts());
    }
    after->set_state(Metadata::RUNNING);
  } else if (const auto* advanced = As<OperationAdvanced>(event)) {
    Advance(*advanced, *after);
  } else if (const auto* engaged = As<store::v1::OperationEngaged>(event)) {
    after->mutable_work()->set_begun_after(header.position - 1);
    *after->mutable_work()->mutable_roots() = engaged->roots();
  } else if (const auto* backing_out = As<store::v1::OperationBackingOut>(event)) {
    BackOut(*backing_out, header, *after);
  } else if (As<store::v1::OperationBackedOut>(event) != nullptr) {
    // Nothing is left of a whole that was taken back.
    if (after->work().roots().empty()) {
      after->clear_ok();
    }
    after->clear_work();
    after->set_state(Metadata::RUNNING);
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

// The names that the operation was given which the task names.
absl::Status TakeParts(const Draft& draft, store::v1::OperationStarted& started) {
  const std::string& holder = started.task().targets_of();
  if (holder.empty()) {
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const Found found, FindOperation(holder, draft));
  started.set_target_parts(found.row->As<OperationRow>().target_parts());
  return absl::OkStatus();
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
                 &OperationAdvanced::default_instance(),
                 &OperationEnded::default_instance(),
                 &store::v1::OperationEngaged::default_instance(),
                 &store::v1::OperationBackingOut::default_instance(),
                 &store::v1::OperationBackedOut::default_instance()};
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
    RETRACE_RETURN_IF_ERROR(TakeParts(draft, *started));
  } else {
    RETRACE_ASSIGN(entity, StartNamed(resolved.operation(), draft, context, *started));
  }
  draft.Target(entity);
  if (!task.plan_only()) {
    auto begun = std::make_shared<store::v1::ChangeSetBegun>();
    begun->set_title(fmt::format("operation {}: {}", entity.id,
                                 task.method().substr(task.method().rfind('.') + 1)));
    begun->set_operation(entity.id);
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
  if (IsEnded(row.state()) || row.state() == Metadata::REVERTING) {
    return Refusal(v1::OPERATION_ENDED, fmt::format("`{}` has ended already: {}.", cancel.name(),
                                                    Metadata::State_Name(row.state())))
        .Next("To take back what it did, undo its change set.");
  }
  draft.Target(found.entity);
  return EndOrBackOut(
      found,
      Ending(Metadata::CANCELLED, fmt::format("Cancelled by {}.", context.header.actor),
             v1::CALLER_CANCELLED),
      draft);
}

}  // namespace retrace::domain
