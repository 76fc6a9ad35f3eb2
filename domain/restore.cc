#include "domain/restore.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "domain/batch.h"
#include "domain/commands.h"
#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/recycle_bin.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

absl::Status TooMany(std::string_view what) {
  return Refusal(v1::USE_OPERATION,
                 fmt::format("{} would touch more than the {} entities of one commit.", what,
                             kMostEntities))
      .With("limit", fmt::format("{}", kMostEntities))
      .Next("Restore by name, fewer at once.");
}

// The entities that the change set deleted themselves and that still lie in the bin by that.
absl::StatusOr<std::vector<Found>> DeletedBy(Position change_set, const View& view) {
  RETRACE_ASSIGN(const RowPtr tally,
                 view.Get({KindNumber::kChangeSetTally, fmt::format("{}", change_set)}));
  const Position last =
      tally == nullptr ? change_set : tally->As<store::v1::ChangeSetTally>().last_position();
  std::vector<Found> found;
  for (const Kind& kind : Kinds()) {
    if (kind.derived) {
      continue;
    }
    RETRACE_ASSIGN(const auto hits, view.Find({kind.number, kBinIndex,
                                               EncodeNumber(static_cast<int64_t>(change_set)),
                                               EncodeNumber(static_cast<int64_t>(last) + 1)},
                                              10 * kMostEntities + 1));
    if (hits.size() > 10 * kMostEntities) {
      return TooMany("This change set");
    }
    for (const IndexHit& hit : hits) {
      Found one{{kind.number, hit.id}, nullptr};
      RETRACE_ASSIGN(one.row, view.Get(one.entity));
      const bool by_it = one.row != nullptr && one.row->binned() &&
                         one.row->head.deletion().change_set() == change_set;
      if (by_it && FromStored(one.row->head.deletion().root()) == one.entity) {
        found.push_back(std::move(one));
      }
    }
  }
  return found;
}

absl::StatusOr<std::vector<Found>> Asked(const v1::RestoreEntitiesRequest& request,
                                         const Draft& draft, const Context& context) {
  if (request.names().empty() == (request.change_set() == 0)) {
    return Refusal(v1::INVALID_FIELD, "Say what to restore: names, or a change set.")
        .Field("names", "Give names or a change set, not both.");
  }
  if (!request.names().empty()) {
    return FindNamedBinned(request.names(), request.options(), draft, context);
  }
  if (request.change_set() < 0 ||
      static_cast<Position>(request.change_set()) >= context.header.position) {
    return Refusal(v1::INVALID_FIELD, "There is no such change set.")
        .Field("change_set", "Give the number of a change set.");
  }
  RETRACE_ASSIGN(std::vector<Found> found,
                 DeletedBy(static_cast<Position>(request.change_set()), draft));
  if (found.empty()) {
    return Refusal(v1::ENTITY_NOT_FOUND,
                   fmt::format("Nothing lies in the bin by change set {}.", request.change_set()))
        .Next(
            "It deleted nothing, or what it deleted was restored or purged, or deleted again "
            "by a later change set.");
  }
  if (found.size() > kMostEntities) {
    return TooMany("This change set");
  }
  return found;
}

// What the caller wants done about clashes.
class Choices {
 public:
  static absl::StatusOr<Choices> Parse(const v1::RestoreEntitiesRequest& request) {
    Choices choices;
    choices.otherwise_ = request.on_clash();
    for (int i = 0; i < request.choices_size(); ++i) {
      const v1::ClashChoice& choice = request.choices(i);
      const std::string field = fmt::format("choices[{}]", i);
      RETRACE_ASSIGN(const ResourceName name, ParseName(choice.name(), field + ".name"));
      const Kind* kind = FindKind(name.collection);
      if (kind == nullptr) {
        return Refusal(v1::INVALID_FIELD, field + " names nothing that can be restored.")
            .Field(field + ".name", "Give the name of an entity.");
      }
      choices.rules_[{{kind->number, name.id}, choice.key()}] = choice.rule();
    }
    return choices;
  }

  v1::ClashRule For(const KeyClash& clash) const {
    for (const std::string& key : {std::string(clash.key), std::string()}) {
      if (const auto rule = rules_.find({clash.claimant, key}); rule != rules_.end()) {
        return rule->second;
      }
    }
    return otherwise_;
  }

 private:
  v1::ClashRule otherwise_ = v1::CLASH_RULE_UNSPECIFIED;
  std::map<std::pair<EntityRef, std::string>, v1::ClashRule> rules_;
};

// Adds the elements of the field that are what the index has as `value`.
void AddElements(const Message& resource, const IndexDeclaration& index, const std::string& value,
                 const std::string& name, std::set<std::pair<std::string, int>>& elements) {
  const FieldDescriptor* field = resource.GetDescriptor()->FindFieldByName(name);
  const auto& reflection = *resource.GetReflection();
  const int size = field->is_repeated() ? reflection.FieldSize(resource, field) : 1;
  for (int i = 0; i < size; ++i) {
    const std::unique_ptr<Message> alone(resource.New());
    alone->CopyFrom(resource);
    for (const std::string& other : index.fields) {
      if (other != name) {
        alone->GetReflection()->ClearField(alone.get(),
                                           alone->GetDescriptor()->FindFieldByName(other));
      }
    }
    if (field->is_repeated()) {
      alone->GetReflection()->SwapElements(alone.get(), field, 0, i);
      while (alone->GetReflection()->FieldSize(*alone, field) > 1) {
        alone->GetReflection()->RemoveLast(alone.get(), field);
      }
    }
    const std::vector<std::string> values = IndexValues(index, *alone);
    if (std::find(values.begin(), values.end(), value) != values.end()) {
      elements.insert({name, i});
    }
  }
}

// Takes the clashing values out of what came back.
absl::Status DropValues(const EntityRef& entity, const std::vector<KeyClash>& clashes,
                        Draft& draft) {
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  std::set<std::pair<std::string, int>> elements;
  for (const KeyClash& clash : clashes) {
    for (const std::string& field : clash.index->fields) {
      AddElements(*row->resource, *clash.index, clash.value, field, elements);
    }
  }
  auto event = std::make_shared<store::v1::ValuesDropped>();
  for (auto element = elements.rbegin(); element != elements.rend(); ++element) {
    auto& value = *event->add_values();
    value.set_field(element->first);
    value.set_element(static_cast<uint32_t>(element->second));
  }
  draft.Note(fmt::format("{} came back without {} that others hold by now.",
                         NameOf(draft.header().tenant, entity),
                         elements.size() == 1 ? "a value" : "values"));
  return draft.Emit(entity, std::move(event));
}

// What others belong to first, so that these find it live.
void SortForRestore(std::vector<Found>& found) {
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    const auto below = [](const Found& one) {
      return !KindOf(one.entity.kind).reference.field.empty();
    };
    return below(a) < below(b);
  });
}

// What clashes when all of it comes back.
absl::StatusOr<std::vector<KeyClash>> ClashesOf(const std::vector<Found>& found,
                                                const std::set<EntityRef>& left,
                                                const Draft& draft) {
  Draft trial(draft, draft.header());
  trial.Widen(draft.most_entities(), draft.deletion());
  for (const Found& one : found) {
    if (!left.contains(one.entity)) {
      RETRACE_RETURN_IF_ERROR(Restore(one, left, trial));
    }
  }
  return KeyClashes(trial, draft);
}

}  // namespace

absl::Status Restore(const Found& binned, const std::set<EntityRef>& left, Draft& draft) {
  // Another of the same command may have brought it back already.
  RETRACE_ASSIGN(const RowPtr now, draft.Get(binned.entity));
  if (now == nullptr || !now->binned()) {
    return absl::OkStatus();
  }
  const Kind& kind = KindOf(binned.entity.kind);
  return kind.restore == nullptr ? EmitUndeleted(binned, draft) : kind.restore(binned, left, draft);
}

absl::Status Decide(const v1::RestoreEntitiesRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  RETRACE_ASSIGN(const Choices choices, Choices::Parse(request));
  RETRACE_ASSIGN(std::vector<Found> found, Asked(request, draft, context));
  for (const Found& one : found) {
    RETRACE_RETURN_IF_ERROR(CheckMayUndelete(one, context));
    draft.Target(one.entity);
  }
  SortForRestore(found);
  std::set<EntityRef> left;
  std::map<EntityRef, std::vector<KeyClash>> without;
  RETRACE_ASSIGN(const std::vector<KeyClash> clashes, ClashesOf(found, left, draft));
  for (const KeyClash& clash : clashes) {
    switch (choices.For(clash)) {
      case v1::SKIP:
        if (left.insert(clash.claimant).second) {
          draft.Note(fmt::format("{} was left in the bin.",
                                 NameOf(context.header.tenant, clash.claimant)));
        }
        break;
      case v1::WITHOUT_VALUE:
        without[clash.claimant].push_back(clash);
        break;
      default:  // the draft's check refuses it and lists every clash
        break;
    }
  }
  for (const Found& one : found) {
    if (!left.contains(one.entity)) {
      RETRACE_RETURN_IF_ERROR(Restore(one, left, draft));
    }
  }
  for (const auto& [entity, of_entity] : without) {
    RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
    if (row->live()) {
      RETRACE_RETURN_IF_ERROR(DropValues(entity, of_entity, draft));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<KeyClash>> FindRestoreClashes(const v1::RestoreEntitiesRequest& request,
                                                         const View& view, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  const Draft draft(view, context.header);
  RETRACE_ASSIGN(std::vector<Found> found, Asked(request, draft, context));
  SortForRestore(found);
  return ClashesOf(found, {}, draft);
}

}  // namespace retrace::domain
