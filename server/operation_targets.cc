#include "server/operation_targets.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "domain/commands.h"
#include "domain/lifecycle.h"
#include "domain/operation_row.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/undo.h"
#include "fmt/format.h"
#include "google/protobuf/any.pb.h"
#include "retrace/v1/history.pb.h"
#include "server/row_view.h"
#include "server/undo.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::OperationTarget;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using store::v1::OperationTask;
using store::v1::ResolvedUndo;

constexpr int kPage = 1000;
// How long reading a page of targets, or an undo's commits, may take.
constexpr absl::Duration kReading = absl::Minutes(5);

// Makes targets of names: the task's command with each of them.
class Commands {
 public:
  Commands(const TargetContext& context, const OperationTask& task)
      : endpoint_(context.rpc->Find(task.method())), command_(Unpack(task.command())) {}

  bool ok() const { return endpoint_ != nullptr && command_ != nullptr; }

  bool on_names() const { return NamesField(endpoint_->method) != nullptr; }

  OperationTarget For(const std::string& name) const {
    OperationTarget target;
    target.name = name;
    const auto parsed = domain::ParseName(name, "name");
    const domain::Kind* kind = parsed.ok() ? domain::FindKind(parsed->collection) : nullptr;
    if (kind != nullptr) {
      target.entities.push_back({kind->number, parsed->id});
    }
    std::shared_ptr<Message> request(command_->New());
    request->CopyFrom(*command_);
    SetName(endpoint_->method, name, *request);
    target.decide = [endpoint = endpoint_,
                     request = std::shared_ptr<const Message>(std::move(request))](
                        domain::Draft& draft, const domain::Context& context) {
      return endpoint->decide(*request, draft, context);
    };
    return target;
  }

 private:
  const Endpoint* const endpoint_;
  const std::shared_ptr<Message> command_;
};

// Fields that the request does not have are passed over.
void SetField(Message& request, const std::string& name, const std::string& value) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
  if (field != nullptr) {
    request.GetReflection()->SetString(&request, field, value);
  }
}

void SetFlag(Message& request, const std::string& name, bool value) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
  if (field != nullptr) {
    request.GetReflection()->SetBool(&request, field, value);
  }
}

// Walks the kind's own list, as of the operation's position.
class FilterTargets : public TargetSource {
 public:
  FilterTargets(const TargetContext& context, const OperationTask& task, const Endpoint& list,
                Commands commands)
      : context_(context),
        list_(list),
        commands_(std::move(commands)),
        plan_only_(task.plan_only()),
        request_(list.method.request->New()) {
    SetField(*request_, "parent", fmt::format("tenants/{}", context.tenant->id));
    SetField(*request_, "filter", task.filter() == "*" ? "" : task.filter());
    SetField(*request_, "collection", task.collection());
    SetFlag(*request_, "show_inactive", task.show_inactive());
    SetFlag(*request_, "show_deleted", task.show_deleted());
    const Reflection& reflection = *request_->GetReflection();
    reflection.SetInt32(request_.get(), request_->GetDescriptor()->FindFieldByName("page_size"),
                        kPage);
    auto* as_of = static_cast<v1::AsOf*>(reflection.MutableMessage(
        request_.get(), request_->GetDescriptor()->FindFieldByName("as_of")));
    as_of->set_position(static_cast<int64_t>(task.position()));
  }

  absl::StatusOr<std::vector<OperationTarget>> Next() override {
    std::vector<OperationTarget> targets;
    while (!ended_ && targets.empty()) {
      RETRACE_RETURN_IF_ERROR(ReadPage(targets));
    }
    return targets;
  }

  // What is purged is in no list any more, as of no position: what a purge is about, and what was
  // planned and may be purged before it is done.
  bool FindsAgain() const override { return !commands_.on_names() && !plan_only_; }

  // Adds the next page, which may be empty before the end.
  absl::Status ReadPage(std::vector<OperationTarget>& targets) {
    QueryCall call;
    call.principal = context_.principal;
    call.tenant = context_.tenant;
    call.method = list_.method.name;
    call.deadline = call.start + kReading;
    const std::unique_ptr<Message> reply(list_.method.reply->New());
    RETRACE_RETURN_IF_ERROR(list_.answer(call, *request_, *reply));
    const Reflection& reflection = *reply->GetReflection();
    const auto& type = *reply->GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      if (field->is_repeated() && field->message_type() != nullptr) {
        for (int j = 0; j < reflection.FieldSize(*reply, field); ++j) {
          const Message& resource = reflection.GetRepeatedMessage(*reply, field, j);
          targets.push_back(commands_.For(resource.GetReflection()->GetString(
              resource, resource.GetDescriptor()->FindFieldByName("name"))));
        }
      }
    }
    const std::string token = reflection.GetString(*reply, type.FindFieldByName("next_page_token"));
    SetField(*request_, "page_token", token);
    ended_ = token.empty();
    return absl::OkStatus();
  }

 private:
  const TargetContext context_;
  const Endpoint& list_;
  const Commands commands_;
  const bool plan_only_;
  const std::unique_ptr<Message> request_;
  bool ended_ = false;
};

// Reads what AddTargets was given.
class NamedTargets : public TargetSource {
 public:
  NamedTargets(const TargetContext& context, std::string holder, uint32_t parts, Commands commands)
      : context_(context),
        holder_(std::move(holder)),
        parts_(parts),
        commands_(std::move(commands)) {}

  absl::StatusOr<std::vector<OperationTarget>> Next() override {
    std::vector<OperationTarget> targets;
    if (read_ == parts_) {
      return targets;
    }
    const RowView view(context_.ledger->rows(), context_.tenant->number, context_.tenant->visible);
    const EntityRef part = domain::TargetPart(holder_, ++read_);
    RETRACE_ASSIGN(const domain::RowPtr row, view.Get(part));
    if (row == nullptr) {
      return absl::DataLossError(fmt::format("The operation's part {} is missing.", part.id));
    }
    for (const std::string& name : row->As<store::v1::OperationPartRow>().names()) {
      targets.push_back(commands_.For(name));
    }
    return targets;
  }

 private:
  const TargetContext context_;
  const std::string holder_;  // id of the operation that was given the names
  const uint32_t parts_;
  const Commands commands_;
  uint32_t read_ = 0;
};

// What an undo is about, in groups of entities that are undone together: walking back through the
// commits, each group is what was first met in one of them, with everything that is to be taken
// back of it. So a cascade comes back in one commit, and what depends on what in the order in which
// it was made.
class UndoTargets : public TargetSource {
 public:
  // What is undone, and how.
  struct Scope {
    v1::UndoRequest request;
    std::string method;
    // Commits of this range only.
    domain::Position after = 0;
    domain::Position last = 0;
    domain::DriftSign drift = domain::DriftSign::kNone;
    // Groups of one entity each, not of what one commit touched.
    bool alone = false;
    // Entities that stand alone in any case, so that nothing happens to others for their sake.
    std::set<EntityRef> apart;
    // And those that were written after `last`, as of this position; 0: it does not matter.
    domain::Position drifted_at = 0;
  };

  static absl::StatusOr<std::unique_ptr<TargetSource>> Open(const TargetContext& context,
                                                            Scope scope) {
    QueryCall call;
    call.principal = context.principal;
    call.tenant = context.tenant;
    call.method = scope.method;
    call.deadline = call.start + kReading;
    RETRACE_ASSIGN(ResolvedUndo undo,
                   ResolveUndo(*context.history, call, scope.request, UndoBound::kNone));
    auto source = std::unique_ptr<UndoTargets>(new UndoTargets(context, std::move(scope)));
    RETRACE_RETURN_IF_ERROR(source->Group(undo));
    return source;
  }

  absl::StatusOr<std::vector<OperationTarget>> Next() override {
    std::vector<OperationTarget> targets;
    for (; given_ < groups_.size() && targets.size() < domain::kChunkTargets; ++given_) {
      const auto& undo = groups_[given_];
      OperationTarget target;
      target.entities = EntitiesOf(*undo);
      target.name = IsApart(target.entities)
                        ? domain::NameOf(context_.tenant->id, target.entities.front())
                        : fmt::format("tenants/{}/commits/{}", context_.tenant->id,
                                      undo->commits(undo->commits_size() - 1).position());
      target.drift = scope_.drift;
      target.decide = [undo](domain::Draft& draft, const domain::Context& context) {
        return domain::Decide(*undo, draft, context);
      };
      targets.push_back(std::move(target));
    }
    return targets;
  }

  absl::StatusOr<bool> JudgeNext() override {
    if (scope_.drift != domain::DriftSign::kConflict) {
      return true;
    }
    const RowView view(context_.ledger->rows(), context_.tenant->number, scope_.last);
    for (size_t n = 0; judged_ < groups_.size() && n < 10; ++judged_, ++n) {
      RETRACE_ASSIGN(const auto conflicts,
                     domain::FindUndoConflicts(*groups_[judged_], view, context_.tenant->id));
      if (!conflicts.empty()) {
        return domain::Refusal(v1::UNDO_CONFLICT,
                               fmt::format("{} was changed by {} in change set {} since; "
                                           "nothing was undone.",
                                           conflicts[0].entity(), conflicts[0].actor(),
                                           conflicts[0].change_set()))
            .Next("GetUndoConflicts lists what stands in the way; PARTIAL leaves it as it is.");
      }
    }
    return judged_ == groups_.size();
  }

 private:
  UndoTargets(const TargetContext& context, Scope scope)
      : context_(context), scope_(std::move(scope)) {
    request_.set_parent(scope_.request.parent());
    request_.set_mode(scope_.request.mode());
    request_.set_filter(scope_.request.filter());
    for (const std::string& name : scope_.request.entities()) {
      if (const auto parsed = domain::ParseName(name, "entities"); parsed.ok()) {
        if (const domain::Kind* kind = domain::FindKind(parsed->collection)) {
          chosen_.insert({kind->number, parsed->id});
        }
      }
    }
  }

  bool Wanted(const EntityRef& entity) const {
    return !domain::KindOf(entity.kind).bookkeeping &&
           (chosen_.empty() || chosen_.contains(entity));
  }

  bool IsApart(const std::vector<EntityRef>& group) const {
    return group.size() == 1 && scope_.apart.contains(group.front());
  }

  static std::vector<EntityRef> EntitiesOf(const ResolvedUndo& group) {
    std::set<EntityRef> entities;
    for (const store::v1::UndoneCommit& commit : group.commits()) {
      for (const store::v1::EntityRef& stored : commit.entities()) {
        entities.insert(domain::FromStored(stored));
      }
    }
    return {entities.begin(), entities.end()};
  }

  // Sets apart what somebody wrote since.
  absl::Status FindDrifted(const ResolvedUndo& undo) {
    if (scope_.drifted_at == 0) {
      return absl::OkStatus();
    }
    const RowView view(context_.ledger->rows(), context_.tenant->number, scope_.drifted_at);
    for (const EntityRef& entity : EntitiesOf(undo)) {
      RETRACE_ASSIGN(const domain::RowPtr row, view.Get(entity));
      if (row != nullptr && row->head.update_position() > scope_.last) {
        scope_.apart.insert(entity);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Group(const ResolvedUndo& undo) {
    RETRACE_RETURN_IF_ERROR(FindDrifted(undo));
    std::map<EntityRef, size_t> group_of;
    for (int i = undo.commits_size() - 1; i >= 0; --i) {
      const store::v1::UndoneCommit& commit = undo.commits(i);
      if (commit.position() <= scope_.after || commit.position() > scope_.last) {
        continue;
      }
      std::optional<size_t> together;
      std::map<size_t, store::v1::UndoneCommit*> shares;
      for (const store::v1::EntityRef& stored : commit.entities()) {
        const EntityRef entity = domain::FromStored(stored);
        if (!Wanted(entity)) {
          continue;
        }
        if (!group_of.contains(entity)) {
          group_of[entity] = GroupFor(entity, together);
        }
        const size_t group = group_of[entity];
        store::v1::UndoneCommit*& share = shares[group];
        if (share == nullptr) {
          share = groups_[group]->add_commits();
          *share = commit;
          share->clear_entities();
        }
        *share->add_entities() = stored;
      }
    }
    // Oldest first, as an undo has them.
    for (const auto& group : groups_) {
      std::reverse(group->mutable_commits()->pointer_begin(),
                   group->mutable_commits()->pointer_end());
    }
    return absl::OkStatus();
  }

  // The group of an entity that was not met before: one of its own, or that of the commit, made
  // when there is none.
  size_t GroupFor(const EntityRef& entity, std::optional<size_t>& together) {
    const bool alone = scope_.alone || scope_.apart.contains(entity);
    if (!alone && together.has_value()) {
      return *together;
    }
    groups_.push_back(std::make_shared<ResolvedUndo>());
    *groups_.back()->mutable_request() = request_;
    const size_t made = groups_.size() - 1;
    if (!alone) {
      together = made;
    }
    return made;
  }

  const TargetContext context_;
  Scope scope_;
  v1::UndoRequest request_;
  std::set<EntityRef> chosen_;
  std::vector<std::shared_ptr<ResolvedUndo>> groups_;
  size_t given_ = 0;
  size_t judged_ = 0;
};

// A STRICT undo was found without conflicts: one now is drift. The others take back what they can,
// so a plan of them holds only for what nobody wrote since.
domain::DriftSign DriftOfUndo(const OperationTask& task) {
  return domain::IsWhole(task) ? domain::DriftSign::kConflict
         : task.planned()      ? domain::DriftSign::kWrite
                               : domain::DriftSign::kNone;
}

absl::Status NoMethod(const std::string& method) {
  return domain::Refusal(v1::METHOD_UNKNOWN, fmt::format("This server has no method {}.", method));
}

}  // namespace

std::shared_ptr<Message> Unpack(const google::protobuf::Any& any) {
  std::string name;
  if (!google::protobuf::Any::ParseAnyTypeUrl(any.type_url(), &name)) {
    return nullptr;
  }
  const auto* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  const Message* prototype =
      type == nullptr ? nullptr
                      : google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  if (prototype == nullptr) {
    return nullptr;
  }
  std::shared_ptr<Message> message(prototype->New());
  return message->ParseFromString(any.value()) ? message : nullptr;
}

const FieldDescriptor* NamesField(const Method& method) {
  const FieldDescriptor* field = method.request->GetDescriptor()->FindFieldByName("names");
  return field != nullptr && field->is_repeated() && field->type() == FieldDescriptor::TYPE_STRING
             ? field
             : nullptr;
}

void SetName(const Method& method, const std::string& name, Message& request) {
  if (const FieldDescriptor* names = NamesField(method)) {
    request.GetReflection()->ClearField(&request, names);
    if (!name.empty()) {
      request.GetReflection()->AddString(&request, names, name);
    }
    return;
  }
  Message* at = &request;
  for (size_t i = 0; i + 1 < method.tenant_path.size(); ++i) {
    at = at->GetReflection()->MutableMessage(at, method.tenant_path[i]);
  }
  at->GetReflection()->SetString(at, method.tenant_path.back(), name);
}

bool HasName(const Method& method, const Message& request) {
  const FieldDescriptor* names = NamesField(method);
  return names != nullptr ? request.GetReflection()->FieldSize(request, names) > 0
                          : !method.TenantName(request).empty();
}

absl::Status CheckFilter(const TargetContext& context, const OperationTask& task) {
  const Endpoint* endpoint = context.rpc->Find(task.method());
  const Endpoint* list = endpoint == nullptr ? nullptr : context.rpc->FindList(*endpoint);
  if (list == nullptr) {
    return NoMethod(task.method());
  }
  std::vector<OperationTarget> page;
  return FilterTargets(context, task, *list, Commands(context, task)).ReadPage(page);
}

absl::StatusOr<std::unique_ptr<TargetSource>> OpenTargets(const TargetContext& context,
                                                          const store::v1::OperationRow& row) {
  const OperationTask& task = row.task();
  UndoTargets::Scope undo;
  if (task.command().UnpackTo(&undo.request)) {
    undo.method = task.method();
    undo.last = task.position();
    undo.drift = DriftOfUndo(task);
    RETRACE_ASSIGN(undo.apart, domain::LeftOutOf(task));
    // As of its start: so the groups are the same when they are made again.
    undo.drifted_at = undo.drift == domain::DriftSign::kWrite ? row.change_set() : 0;
    return UndoTargets::Open(context, std::move(undo));
  }
  Commands commands(context, task);
  const Endpoint* endpoint = context.rpc->Find(task.method());
  const Endpoint* list = endpoint == nullptr ? nullptr : context.rpc->FindList(*endpoint);
  if (!commands.ok() || list == nullptr) {
    return NoMethod(task.method());
  }
  if (task.filter().empty() || row.target_parts() > 0) {
    return std::make_unique<NamedTargets>(
        context, task.targets_of().empty() ? context.operation : task.targets_of(),
        row.target_parts(), std::move(commands));
  }
  return std::make_unique<FilterTargets>(context, task, *list, std::move(commands));
}

absl::StatusOr<std::unique_ptr<TargetSource>> OpenTakingBack(const TargetContext& context,
                                                             const store::v1::OperationRow& row) {
  const store::v1::OperationWork& work = row.work();
  UndoTargets::Scope undo;
  undo.request.set_parent(fmt::format("tenants/{}", context.tenant->id));
  undo.request.set_mode(v1::PARTIAL);
  undo.request.add_names(
      fmt::format("tenants/{}/changeSets/{}", context.tenant->id, row.change_set()));
  undo.method = row.task().method();
  undo.after = work.begun_after();
  undo.last = work.backing_out();
  // What is done to a root is the last of it, so each entity stands alone; an undo may have done
  // several things together.
  undo.alone = !work.roots().empty();
  return UndoTargets::Open(context, std::move(undo));
}

}  // namespace retrace::server
