#include "tests/support/decider_test.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "domain/change_set.h"
#include "domain/kind.h"
#include "domain/purge.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/text_format.h"
#include "google/rpc/error_details.pb.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::testing {
namespace {

using domain::EntityRef;
using domain::KindNumber;

[[noreturn]] void Fail(const std::string& message) {
  fmt::print(stderr, "{}\n", message);
  std::abort();
}

std::string Told(const domain::DraftEvent& event) {
  const std::string fields = event.event->ShortDebugString();
  return fmt::format("{}/{} {}{}", domain::KindOf(event.entity.kind).collection, event.entity.id,
                     event.event->GetDescriptor()->name(),
                     fields.empty() ? "" : fmt::format(" {{{}}}", fields));
}

// Whether the event has personal content: those of resources stand for all.
bool IsPersonal(const google::protobuf::Message& event) {
  const std::string& type = event.GetDescriptor()->name();
  if (type == "Reverted") {
    return static_cast<const store::v1::Reverted&>(event).personal_paths_size() > 0;
  }
  if (type == "RestoredTo") {
    return static_cast<const store::v1::RestoredTo&>(event).personal_paths_size() > 0;
  }
  return type.ends_with("Created") || type.ends_with("Updated");
}

// What opening an event leaves when its key is gone.
void ClearPersonal(google::protobuf::Message& message) {
  const auto& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->options().GetExtension(v1::personal)) {
      reflection.ClearField(&message, field);
    } else if (field->message_type() != nullptr && !field->is_repeated()) {
      ClearPersonal(*reflection.MutableMessage(&message, field));
    }
  }
}

template <typename Detail>
Detail DetailOf(const absl::Status& status) {
  Detail detail;
  const google::rpc::Status details = domain::DetailsOf(status);
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&detail)) {
      return detail;
    }
  }
  return Detail();
}

}  // namespace

void ParseInto(std::string_view text, google::protobuf::Message& message) {
  if (!google::protobuf::TextFormat::ParseFromString(std::string(text), &message)) {
    Fail(fmt::format("no {}: {}", message.GetDescriptor()->name(), text));
  }
}

std::vector<std::string> FaultyFields(const absl::Status& status) {
  std::vector<std::string> fields;
  const auto bad = DetailOf<google::rpc::BadRequest>(status);
  for (const auto& violation : bad.field_violations()) {
    fields.push_back(violation.field());
  }
  return fields;
}

std::vector<std::string> Unmet(const absl::Status& status) {
  std::vector<std::string> unmet;
  const auto failure = DetailOf<google::rpc::PreconditionFailure>(status);
  for (const auto& violation : failure.violations()) {
    unmet.push_back(violation.subject() + ": " + violation.description());
  }
  return unmet;
}

std::string Metadata(const absl::Status& status, const std::string& key) {
  const auto error = DetailOf<google::rpc::ErrorInfo>(status);
  const auto found = error.metadata().find(key);
  return found == error.metadata().end() ? "" : found->second;
}

void TestTenant::CheckOk(const Reply& reply) {
  if (!reply.ok()) {
    Fail(fmt::format("a command that has to succeed was refused: {}",
                     std::string(reply.status.message())));
  }
}

domain::CommitHeader TestTenant::NextHeader(const google::protobuf::Message& request,
                                            const v1::CommandOptions& options) {
  domain::CommitHeader header;
  header.tenant = id_;
  header.position = head() + 1;
  header.epoch = 7;
  header.time_us = time_us_ += 1'000'000;
  header.commit_id = fmt::format("commit {:09}", header.position);
  header.actor = actor_;
  header.on_behalf_of = options.on_behalf_of();
  header.method = request.GetDescriptor()->full_name();
  header.reason = options.reason();
  header.request_id = options.request_id();
  header.request_hash = options.request_id().empty() ? "" : "hash of " + options.request_id();
  header.change_set =
      options.change_set() == 0 ? header.position : static_cast<uint64_t>(options.change_set());
  return header;
}

Reply TestTenant::Run(const google::protobuf::Message& request, const v1::CommandOptions& options,
                      const Decider& decide) {
  domain::Context context;
  context.header = NextHeader(request, options);
  // 26 characters, in order, like real ones.
  context.new_id = [this] { return fmt::format("{:026}", ++last_id_); };
  context.may = [this](const std::string& permission) {
    return permissions_.contains("*") || permissions_.contains(permission);
  };
  const MemoryView now(rows_);
  domain::Draft draft(now, context.header);
  Reply reply;
  const auto run = [&]() -> absl::Status {
    RETRACE_RETURN_IF_ERROR(domain::Validate(request));
    RETRACE_RETURN_IF_ERROR(domain::CheckChangeSet(static_cast<uint64_t>(options.change_set()),
                                                   operation_, now, context.header));
    RETRACE_RETURN_IF_ERROR(decide(draft, context));
    RETRACE_RETURN_IF_ERROR(draft.Check(context));
    return Commit(draft, reply);
  };
  reply.status = run();
  reply.targets = draft.targets();
  reply.notes = draft.notes();
  return reply;
}

absl::Status TestTenant::Commit(domain::Draft& draft, Reply& reply) {
  if (draft.events().empty() && draft.header().request_id.empty()) {
    return absl::OkStatus();
  }
  LoggedCommit logged{draft.header(), {}};
  std::map<std::string, std::string> keys;
  for (const domain::DraftEvent& event : draft.events()) {
    reply.events.push_back(Told(event));
    const domain::Row& row = *draft.touched().at(event.entity).after;
    const std::string subject = row.head.subject();
    LoggedEvent stored{event.entity,
                       event.revision,
                       event.event->GetDescriptor()->name(),
                       event.event->SerializeAsString(),
                       subject,
                       ""};
    if (IsPersonal(*event.event) && row.purged()) {
      std::unique_ptr<google::protobuf::Message> clear(event.event->New());
      clear->CopyFrom(*event.event);
      ClearPersonal(*clear);
      stored.bytes = clear->SerializeAsString();
    } else if (IsPersonal(*event.event) && !subject.empty()) {
      auto [key, fresh] = keys.try_emplace(subject);
      if (fresh) {
        RETRACE_ASSIGN(key->second, KeyOf(subject, row, draft));
      }
      stored.key = key->second;
      draft.SetKey(event.entity, subject, stored.key);
    }
    logged.events.push_back(std::move(stored));
  }
  RETRACE_ASSIGN(const domain::Projection projection, draft.Project());
  reply.position = draft.header().position;
  reply.keys = projection.rows.size() + projection.entries.size();
  log_.push_back(std::move(logged));
  return rows_.Apply(projection, reply.position);
}

absl::StatusOr<std::string> TestTenant::KeyOf(const std::string& subject, const domain::Row& row,
                                              const domain::Draft& draft) {
  if (row.head.subject() == subject && !row.head.key_id().empty()) {
    return row.head.key_id();
  }
  const size_t slash = subject.find('/');
  if (const domain::Kind* kind = domain::FindKind(std::string_view(subject).substr(0, slash))) {
    RETRACE_ASSIGN(const domain::RowPtr owner,
                   draft.Get({kind->number, subject.substr(slash + 1)}));
    if (owner != nullptr && owner->head.subject() == subject && !owner->head.key_id().empty()) {
      return owner->head.key_id();
    }
  }
  const int made = ++keys_made_[subject];
  return made == 1 ? "key of " + subject : fmt::format("key {} of {}", made, subject);
}

std::set<std::string> TestTenant::DestroyedKeys() const {
  std::set<std::string> destroyed;
  for (const LoggedCommit& commit : log_) {
    for (const LoggedEvent& event : commit.events) {
      std::unique_ptr<google::protobuf::Message> message(domain::FindEvent(event.type)->New());
      message->ParseFromString(event.bytes);
      if (const auto* keys = domain::DestroyedKeys(*message)) {
        destroyed.insert(keys->begin(), keys->end());
      }
    }
  }
  return destroyed;
}

absl::StatusOr<MemoryRows> TestTenant::Replay() const {
  MemoryRows rows;
  const std::set<std::string> destroyed = DestroyedKeys();
  for (const LoggedCommit& commit : log_) {
    const MemoryView now(rows);
    domain::Draft draft(now, commit.header);
    for (const LoggedEvent& event : commit.events) {
      const auto* prototype = domain::FindEvent(event.type);
      if (prototype == nullptr) {
        return absl::DataLossError("unknown event " + event.type);
      }
      std::shared_ptr<google::protobuf::Message> message(prototype->New());
      message->ParseFromString(event.bytes);
      if (destroyed.contains(event.key)) {
        ClearPersonal(*message);
      }
      RETRACE_RETURN_IF_ERROR(draft.Emit(event.entity, std::move(message)));
      if (draft.events().back().revision != event.revision) {
        return absl::DataLossError("another revision than was stored");
      }
      if (!event.key.empty()) {
        draft.SetKey(event.entity, event.subject, event.key);
      }
    }
    RETRACE_ASSIGN(const domain::Projection projection, draft.Project());
    RETRACE_RETURN_IF_ERROR(rows.Apply(projection, commit.header.position));
  }
  return rows;
}

Reply TestTenant::RestoreTo(const v1::RestoreToRequest& request) {
  store::v1::ResolvedRestoreTo restore;
  *restore.mutable_request() = request;
  restore.set_position(static_cast<uint64_t>(request.as_of().position()));
  return Run(request, request.options(), [&](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(restore, draft, context);
  });
}

Reply TestTenant::UndoCommit(domain::Position position, v1::UndoMode mode) {
  v1::UndoRequest request;
  request.set_parent("tenants/" + id_);
  request.add_names(fmt::format("tenants/{}/commits/{}", id_, position));
  request.set_mode(mode);
  if (mode == v1::FORCE) {
    request.mutable_options()->set_reason("because");
  }
  return Undo(request);
}

store::v1::ResolvedUndo TestTenant::Resolve(const v1::UndoRequest& request) const {
  store::v1::ResolvedUndo undo;
  *undo.mutable_request() = request;
  const std::set<std::string> names(request.names().begin(), request.names().end());
  for (const LoggedCommit& logged : log_) {
    const domain::CommitHeader& header = logged.header;
    if (!names.contains(fmt::format("tenants/{}/commits/{}", id_, header.position)) &&
        !names.contains(fmt::format("tenants/{}/changeSets/{}", id_, header.change_set))) {
      continue;
    }
    store::v1::UndoneCommit& commit = *undo.add_commits();
    commit.set_position(header.position);
    commit.set_time_us(header.time_us);
    commit.set_actor(header.actor);
    commit.set_change_set(header.change_set);
    std::set<EntityRef> entities;
    for (const LoggedEvent& event : logged.events) {
      if (entities.insert(event.entity).second) {
        commit.add_entities()->set_kind(static_cast<uint32_t>(event.entity.kind));
        commit.mutable_entities()->rbegin()->set_id(event.entity.id);
      }
    }
  }
  return undo;
}

domain::RowPtr TestTenant::RowOf(const EntityRef& entity) const {
  auto row = rows_.Get(entity, domain::kLatest);
  if (!row.ok() || *row == nullptr) {
    Fail(fmt::format("there is no {} {}", domain::KindOf(entity.kind).singular, entity.id));
  }
  return *row;
}

void TestTenant::ShowInto(const EntityRef& entity, google::protobuf::Message& resource) const {
  domain::ShowResource(id_, entity, *RowOf(entity), resource);
}

std::vector<std::string> TestTenant::Counters(const std::string& owner) const {
  std::vector<std::string> told;
  const auto row = rows_.Get({KindNumber::kCounters, owner}, domain::kLatest);
  if (!row.ok() || *row == nullptr) {
    return told;
  }
  for (const auto& counter : (*row)->As<store::v1::Counters>().counters()) {
    told.push_back(fmt::format("{}/{}/{}/{}/{}={},{}",
                               domain::FindKindByNumber(counter.kind())->singular,
                               counter.subkind(), counter.state(), counter.stage(),
                               counter.currency(), counter.count(), counter.sum_minor_units()));
  }
  return told;
}

std::string TestTenant::Content() const {
  std::string content;
  for (const auto& [entity, bytes] : rows_.RowsAt(domain::kLatest)) {
    const domain::RowPtr row = RowOf(entity);
    if (domain::KindOf(entity.kind).content && domain::InContent(entity, *row)) {
      content += domain::DigestForm(entity, *row) + "\n";
    }
  }
  return content;
}

}  // namespace retrace::testing
