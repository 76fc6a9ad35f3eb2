#include "domain/plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "domain/fields.h"
#include "domain/kind.h"
#include "domain/resource.h"
#include "domain/serialize.h"
#include "domain/standard.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/api/resource.pb.h"
#include "retrace/v1/members.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kMostSamples = 20;
constexpr int kMostPeople = 100;
constexpr int kMostLosses = 100;
constexpr size_t kMostPathsNamed = 5;

// Each touched entity once, by its first event.
std::vector<EntityRef> InOrder(const Draft& draft) {
  std::vector<EntityRef> entities;
  std::set<EntityRef> seen;
  for (const DraftEvent& event : draft.events()) {
    if (seen.insert(event.entity).second) {
      entities.push_back(event.entity);
    }
  }
  return entities;
}

// Stand-ins for the ids that this draft made: `new 1` is the first entity that it created.
using StandIns = std::vector<std::pair<std::string, std::string>>;

StandIns StandInsFor(const Draft& draft, const std::vector<EntityRef>& entities) {
  StandIns stand_ins;
  for (const EntityRef& entity : entities) {
    if (draft.touched().at(entity).before == nullptr) {
      stand_ins.emplace_back(entity.id, fmt::format("new {}", stand_ins.size() + 1));
    }
  }
  return stand_ins;
}

// An event's bytes; of a creation without what the server makes: numbers, names, states.
std::string FormOf(const Message& event, bool creates) {
  const auto* first = creates && event.GetDescriptor()->field_count() > 0
                          ? event.GetDescriptor()->field(0)
                          : nullptr;
  if (first == nullptr || first->is_repeated() || first->message_type() == nullptr ||
      !event.GetReflection()->HasField(event, first)) {
    return SerializeDeterministically(event);
  }
  std::unique_ptr<Message> copy(event.New());
  copy->CopyFrom(event);
  ClearOutputOnly(*MutableResource(*copy));
  return SerializeDeterministically(*copy);
}

// Lengths keep apart what could otherwise be cut differently.
void Append(std::string_view part, std::string& form) {
  form += fmt::format("{}:{};", part.size(), part);
}

void AppendDifferences(const Draft::Touched& touched, std::string& form) {
  if (touched.before == nullptr) {
    return;  // its creation says it
  }
  for (const v1::FieldChange& change :
       Differences(touched.before->resource.get(), touched.after->resource.get())) {
    Append(SerializeDeterministically(change), form);
  }
  if (touched.before->head.lifecycle() != touched.after->head.lifecycle()) {
    Append(DigestForm({}, *touched.before), form);
  }
}

std::map<EntityRef, std::vector<const Message*>> EventsByEntity(const Draft& draft) {
  std::map<EntityRef, std::vector<const Message*>> events;
  for (const DraftEvent& event : draft.events()) {
    events[event.entity].push_back(event.event.get());
  }
  return events;
}

// What happens to an entity: the types of its events, each once, in order.
std::vector<std::string> ChangesOf(const std::vector<const Message*>& events) {
  std::vector<std::string> changes;
  for (const Message* event : events) {
    const std::string& type = event->GetDescriptor()->name();
    if (std::find(changes.begin(), changes.end(), type) == changes.end()) {
      changes.push_back(type);
    }
  }
  return changes;
}

// Names of the members that a resource refers to.
std::set<std::string> MembersOf(const Row* row) {
  std::set<std::string> members;
  if (row == nullptr || row->resource == nullptr) {
    return members;
  }
  const Message& resource = *row->resource;
  for (int i = 0; i < resource.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *resource.GetDescriptor()->field(i);
    if (field.is_repeated() || field.type() != FieldDescriptor::TYPE_STRING ||
        field.options().GetExtension(google::api::resource_reference).type() !=
            "retrace.v1/Member") {
      continue;
    }
    std::string name = resource.GetReflection()->GetString(resource, &field);
    if (!name.empty()) {
      members.insert(std::move(name));
    }
  }
  return members;
}

// Puts a Plan together, entity by entity.
class Description {
 public:
  explicit Description(const Draft& draft) : draft_(draft) {}

  void Add(const EntityRef& entity, const std::vector<const Message*>& events) {
    const Draft::Touched& touched = draft_.touched().at(entity);
    const Kind& kind = KindOf(entity.kind);
    const std::vector<std::string> changes = ChangesOf(events);
    std::string subkind;
    std::vector<Contribution> contributions;
    if (kind.contribute != nullptr) {
      // A tombstone says nothing of what it was.
      kind.contribute(touched.after->purged() ? *touched.before : *touched.after, contributions);
    }
    for (const Contribution& one : contributions) {
      if (one.owner.empty()) {
        subkind = one.subkind;
      }
    }
    for (const std::string& change : changes) {
      ++counts_[{std::string(kind.collection), subkind, change}];
    }
    for (const Contribution& one : contributions) {
      if (one.owner.empty() && !one.currency.empty()) {
        auto& sum = sums_[{std::string(kind.collection), subkind, changes.back(), one.currency}];
        sum.first += one.minor_units;
        ++sum.second;
      }
    }
    std::set<std::string> members = MembersOf(touched.before.get());
    members.merge(MembersOf(touched.after.get()));
    if (entity.kind == KindNumber::kMember && touched.before != nullptr) {
      members.insert(NameOf(draft_.header().tenant, entity));
    }
    for (const std::string& member : members) {
      ++people_[member];
    }
  }

  void AddSample(const EntityRef& entity, const std::vector<const Message*>& events) {
    if (plan_.samples_size() == kMostSamples) {
      return;
    }
    const Draft::Touched& touched = draft_.touched().at(entity);
    v1::Plan::Sample& sample = *plan_.add_samples();
    if (touched.before != nullptr) {
      sample.set_name(NameOf(draft_.header().tenant, entity));
    }
    const Row& shown = touched.before == nullptr ? *touched.after : *touched.before;
    sample.set_title(TitleOf(*shown.resource));
    for (std::string& change : ChangesOf(events)) {
      sample.add_changes(std::move(change));
    }
  }

  absl::StatusOr<v1::Plan> Finish() && {
    for (const auto& [key, number] : counts_) {
      v1::Plan::Count& count = *plan_.add_counts();
      std::tie(*count.mutable_kind(), *count.mutable_subkind(), *count.mutable_change()) = key;
      count.set_count(number);
    }
    for (const auto& [key, sum_and_count] : sums_) {
      v1::Plan::Sum& sum = *plan_.add_sums();
      std::tie(*sum.mutable_kind(), *sum.mutable_subkind(), *sum.mutable_change(),
               *sum.mutable_currency()) = key;
      sum.set_minor_units(sum_and_count.first);
      sum.set_count(sum_and_count.second);
    }
    plan_.set_entity_count(static_cast<int64_t>(draft_.touched().size()));
    AddLosses();
    for (const Draft::Warning& warning : draft_.warnings()) {
      v1::Plan::Warning& shown = *plan_.add_warnings();
      shown.set_id(warning.id);
      shown.set_description(warning.sentence);
    }
    for (const std::string& note : draft_.notes()) {
      plan_.add_notes(note);
    }
    RETRACE_RETURN_IF_ERROR(AddPeople());
    return std::move(plan_);
  }

 private:
  void AddLosses() {
    std::set<EntityRef> lost;
    for (const Draft::Loss& loss : draft_.losses()) {
      lost.insert(loss.entity);
      if (plan_.losses_size() < kMostLosses) {
        v1::Plan::Loss& shown = *plan_.add_losses();
        shown.set_name(NameOf(draft_.header().tenant, loss.entity));
        shown.set_description(loss.sentence);
      }
    }
    plan_.set_loss_count(static_cast<int64_t>(lost.size()));
  }

  absl::Status AddPeople() {
    std::vector<std::pair<int64_t, std::string>> by_count;
    for (const auto& [name, count] : people_) {
      by_count.emplace_back(-count, name);
    }
    std::sort(by_count.begin(), by_count.end());
    by_count.resize(std::min<size_t>(by_count.size(), kMostPeople));
    for (const auto& [negative, name] : by_count) {
      v1::Plan::Person& person = *plan_.add_people();
      person.set_name(name);
      person.set_count(-negative);
      RETRACE_ASSIGN(const ResourceName parsed, ParseName(name, "name"));
      RETRACE_ASSIGN(const RowPtr row, draft_.Get({KindNumber::kMember, parsed.id}));
      if (row != nullptr) {
        person.set_title(TitleOf(*row->resource));
      }
    }
    return absl::OkStatus();
  }

  const Draft& draft_;
  v1::Plan plan_;
  std::map<std::tuple<std::string, std::string, std::string>, int64_t> counts_;
  // Minor units, and how many entities.
  std::map<std::tuple<std::string, std::string, std::string, std::string>,
           std::pair<int64_t, int64_t>>
      sums_;
  std::map<std::string, int64_t> people_;
};

// Forms by entity; those that would only be made by their stand-in.
std::map<std::string, std::pair<EntityRef, std::string>> FormsByName(const Draft& draft) {
  std::map<std::string, std::pair<EntityRef, std::string>> forms;
  int made = 0;
  for (OutcomePart& part : OutcomeParts(draft)) {
    const bool is_new = draft.touched().at(part.entity).before == nullptr;
    std::string name = is_new ? fmt::format("new {} {}", KindOf(part.entity.kind).singular, ++made)
                              : NameOf(draft.header().tenant, part.entity);
    forms.emplace(std::move(name), std::pair(part.entity, std::move(part.form)));
  }
  return forms;
}

// What became of an entity between the two drafts, as far as a sentence can tell.
std::string DescribeDrift(const Draft& planned, const EntityRef& then, const Draft& now,
                          const EntityRef& entity) {
  const Draft::Touched& a = planned.touched().at(then);
  const Draft::Touched& b = now.touched().at(entity);
  if (a.before == nullptr || b.before == nullptr) {
    return "would be made otherwise than planned";
  }
  std::set<std::string> paths;
  for (const v1::FieldChange& change :
       Differences(a.before->resource.get(), b.before->resource.get())) {
    // Not which member: a member may be as personal as a value.
    paths.insert(change.path().substr(0, change.path().find('[')));
  }
  if (paths.empty()) {
    return "something else would happen to it than planned";
  }
  const size_t more = paths.size() - std::min(paths.size(), kMostPathsNamed);
  const std::vector<std::string> named(
      paths.begin(), std::next(paths.begin(), static_cast<std::ptrdiff_t>(paths.size() - more)));
  return fmt::format("changed since: {}{}", absl::StrJoin(named, ", "),
                     more == 0 ? "" : fmt::format(" and {} more", more));
}

}  // namespace

std::vector<OutcomePart> OutcomeParts(const Draft& draft) {
  const std::vector<EntityRef> entities = InOrder(draft);
  const StandIns stand_ins = StandInsFor(draft, entities);
  const auto events = EventsByEntity(draft);
  std::vector<OutcomePart> parts;
  parts.reserve(entities.size());
  for (const EntityRef& entity : entities) {
    const Draft::Touched& touched = draft.touched().at(entity);
    std::string form;
    Append(fmt::format("{} {}", static_cast<uint32_t>(entity.kind), entity.id), form);
    for (const Message* event : events.at(entity)) {
      Append(event->GetDescriptor()->name(), form);
      Append(FormOf(*event, touched.before == nullptr), form);
    }
    AppendDifferences(touched, form);
    if (!stand_ins.empty()) {
      form = absl::StrReplaceAll(form, stand_ins);
    }
    parts.push_back({entity, std::move(form)});
  }
  return parts;
}

absl::StatusOr<v1::Plan> DescribeOutcome(const Draft& draft) {
  const auto events = EventsByEntity(draft);
  Description description(draft);
  std::set<EntityRef> sampled;
  for (const EntityRef& target : draft.targets()) {
    if (events.contains(target) && sampled.insert(target).second) {
      description.AddSample(target, events.at(target));
    }
  }
  for (const EntityRef& entity : InOrder(draft)) {
    description.Add(entity, events.at(entity));
    if (!sampled.contains(entity)) {
      description.AddSample(entity, events.at(entity));
    }
  }
  return std::move(description).Finish();
}

void DropTitles(v1::Plan& plan) {
  for (v1::Plan::Sample& sample : *plan.mutable_samples()) {
    sample.clear_title();
  }
  for (v1::Plan::Person& person : *plan.mutable_people()) {
    person.clear_title();
  }
}

absl::Status FillTitles(const View& view, v1::Plan& plan) {
  const auto fill = [&view](auto& shown) -> absl::Status {
    const auto parsed = ParseName(shown.name(), "name");
    const Kind* kind = parsed.ok() ? FindKind(parsed->collection) : nullptr;
    if (kind != nullptr) {
      RETRACE_ASSIGN(const RowPtr row, view.Get({kind->number, parsed->id}));
      shown.set_title(row == nullptr ? std::string() : TitleOf(*row->resource));
    }
    return absl::OkStatus();
  };
  for (v1::Plan::Sample& sample : *plan.mutable_samples()) {
    RETRACE_RETURN_IF_ERROR(fill(sample));
  }
  for (v1::Plan::Person& person : *plan.mutable_people()) {
    RETRACE_RETURN_IF_ERROR(fill(person));
  }
  return absl::OkStatus();
}

std::vector<Drifted> DriftBetween(const Draft& planned, const Draft& now) {
  const auto before = FormsByName(planned);
  const auto after = FormsByName(now);
  std::vector<Drifted> drifted;
  for (const auto& [name, was] : before) {
    const auto found = after.find(name);
    if (found == after.end()) {
      drifted.push_back({name, "was planned, and nothing would happen to it now"});
    } else if (found->second.second != was.second) {
      drifted.push_back({name, DescribeDrift(planned, was.first, now, found->second.first)});
    }
  }
  for (const auto& [name, is] : after) {
    if (!before.contains(name)) {
      drifted.push_back({name, "would be touched now, and was not planned"});
    }
  }
  return drifted;
}

}  // namespace retrace::domain
