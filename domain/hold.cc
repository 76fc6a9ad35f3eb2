#include "domain/hold.h"

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/filter.h"
#include "domain/normalise.h"
#include "domain/projection.h"
#include "domain/resource.h"
#include "domain/standard.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/holds.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using google::protobuf::util::TimeUtil;

constexpr uint8_t kScopeIndex = 1;
constexpr uint8_t kStateIndex = 2;
// Active holds of one scope: each is looked at when something in it is to be taken away.
constexpr size_t kMostPerScope = 100;
constexpr std::string_view kWholeTenant = "*";

void ApplyHoldEvent(const Message& event, const CommitHeader& header, Row& row) {
  if (event.GetDescriptor() == store::v1::HoldPlaced::descriptor()) {
    ApplyResourceEvent(event, header, row);
    return;
  }
  auto hold = std::make_shared<v1::Hold>(row.As<v1::Hold>());
  hold->set_state(v1::Hold::RELEASED);
  hold->set_released_by(header.actor);
  *hold->mutable_release_time() = TimeUtil::MicrosecondsToTimestamp(header.time_us);
  hold->set_release_reason(header.reason);
  hold->clear_scope();
  row.resource = std::move(hold);
}

absl::Status CheckHoldMove(const EntityRef& entity, const Row* before, const Row& after,
                           const View& /*view*/, const Context& context) {
  const auto state = after.As<v1::Hold>().state();
  const bool begins = before == nullptr && state == v1::Hold::ACTIVE;
  const bool goes_on =
      before != nullptr && (before->As<v1::Hold>().state() == state || state == v1::Hold::RELEASED);
  if (after.live() && (begins || goes_on)) {
    return absl::OkStatus();
  }
  return Refusal(v1::STATE_REFUSED, fmt::format("{} is placed and released, nothing else.",
                                                NameOf(context.header.tenant, entity)))
      .Next("Release it when its case is closed; to change it, place another.");
}

std::string SubjectOfHold(const EntityRef& entity, const Row& /*row*/) {
  return fmt::format("holds/{}", entity.id);
}

void ContributeHold(const Row& /*row*/, std::vector<Contribution>& contributions) {
  contributions.emplace_back();
}

absl::Status CheckReason(const v1::CommandOptions& options) {
  if (!options.reason().empty()) {
    return absl::OkStatus();
  }
  return Refusal(v1::INVALID_FIELD, "A hold is placed and released with a reason.")
      .Field("options.reason", "Say why.");
}

// What the hold is found by; refuses one that names what is not there.
absl::StatusOr<std::string> ScopeOf(const v1::Hold& hold, const View& view,
                                    const Context& context) {
  if (!hold.entity().empty()) {
    if (!hold.collection().empty() || !hold.filter().empty()) {
      return Refusal(v1::INVALID_FIELD, "The hold names an entity and a filter.")
          .Field("hold.entity", "Give an entity, or a collection with a filter, not both.");
    }
    RETRACE_ASSIGN(const ResourceName name, ParseName(hold.entity(), "hold.entity"));
    const Kind* kind = FindKind(name.collection);
    if (kind == nullptr || kind->derived || kind->subject == nullptr) {
      return Refusal(v1::INVALID_FIELD, "hold.entity names nothing that can be held.")
          .Field("hold.entity", "Give a name like `tenants/acme/customers/4hj2`.");
    }
    RETRACE_ASSIGN(const Found found, FindKept(hold.entity(), view, context, "hold.entity"));
    return NameOf(context.header.tenant, found.entity);
  }
  if (hold.collection().empty()) {
    if (hold.filter().empty()) {
      return std::string(kWholeTenant);
    }
    return Refusal(v1::INVALID_FIELD, "hold.filter needs hold.collection.")
        .Field("hold.collection", "Say what the filter is about, e.g. `customers`.");
  }
  const Kind* kind = FindKind(hold.collection());
  if (kind == nullptr || kind->derived || kind->subject == nullptr) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("There is no collection `{}` to be held.", hold.collection()))
        .Field("hold.collection", "Give one like `customers`.");
  }
  RETRACE_RETURN_IF_ERROR(
      Filter::Parse(hold.filter(), *kind->resource->GetDescriptor(), {}).status());
  return hold.collection();
}

absl::StatusOr<std::vector<Found>> HoldsOf(std::string_view scope, const View& view) {
  const std::string value(scope);
  RETRACE_ASSIGN(const auto hits,
                 view.Find({KindNumber::kHold, kScopeIndex, value, value + '\0'}, kMostPerScope));
  std::vector<Found> holds;
  for (const IndexHit& hit : hits) {
    Found hold{{KindNumber::kHold, hit.id}, nullptr};
    RETRACE_ASSIGN(hold.row, view.Get(hold.entity));
    if (hold.row != nullptr) {
      holds.push_back(std::move(hold));
    }
  }
  return holds;
}

// True while some hold of the tenant is active: nearly always false, and then nothing is looked up.
absl::StatusOr<bool> AnyActive(const View& view) {
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kCounters, ""}));
  if (row == nullptr) {
    return false;
  }
  for (const store::v1::Counter& counter : row->As<store::v1::Counters>().counters()) {
    if (counter.kind() == static_cast<uint32_t>(KindNumber::kHold) && counter.state() == "ACTIVE" &&
        counter.count() > 0) {
      return true;
    }
  }
  return false;
}

ActiveHold ToActive(const Found& hold) {
  return {hold.entity, hold.row->As<v1::Hold>().case_number()};
}

absl::Status Held(const EntityRef& entity, const ActiveHold& hold, const Context& context) {
  const std::string name = NameOf(context.header.tenant, entity);
  const std::string hold_name = NameOf(context.header.tenant, hold.entity);
  return Refusal(v1::HELD,
                 fmt::format("`{}` is kept by a legal hold, case {}.", name, hold.case_number))
      .With("hold", hold_name)
      .With("case", hold.case_number)
      .About(KindOf(entity.kind).singular, name)
      .Unmet("HOLD", hold_name, fmt::format("case {} is open", hold.case_number))
      .Next("Ask who placed the hold; release it when the case is closed.");
}

// All whose personal data the entity held, as far back as it has a past.
absl::StatusOr<std::set<std::string>> SubjectsOf(const EntityRef& entity, const Row& row,
                                                 const View& view) {
  std::set<std::string> subjects = {row.head.subject()};
  RETRACE_ASSIGN(RowPtr before, VersionBefore(entity, row, view));
  while (before != nullptr) {
    subjects.insert(before->head.subject());
    RETRACE_ASSIGN(before, VersionBefore(entity, *before, view));
  }
  return subjects;
}

enum class Loss { kNone, kToBin, kForEver };

// What the outcome takes away of an entity that was there.
Loss LossOf(const Draft::Touched& touched, Position position) {
  if (touched.before == nullptr || touched.after->head.revision() == 0) {
    return Loss::kNone;
  }
  if (touched.after->purged() || touched.after->head.past_removed() == position) {
    return Loss::kForEver;
  }
  return touched.before->live() && !touched.after->live() ? Loss::kToBin : Loss::kNone;
}

}  // namespace

Kind HoldKind() {
  Kind kind;
  kind.number = KindNumber::kHold;
  kind.singular = "hold";
  kind.collection = "holds";
  kind.resource = &v1::Hold::default_instance();
  kind.events = {&store::v1::HoldPlaced::default_instance(),
                 &store::v1::HoldReleased::default_instance()};
  kind.indexes = {{.number = kScopeIndex,
                   .name = "scope",
                   .fields = {"scope"},
                   .normaliser = Normaliser::kExact},
                  {.number = kStateIndex,
                   .name = "state",
                   .fields = {"state"},
                   .normaliser = Normaliser::kExact}};
  kind.content = true;
  kind.apply = ApplyHoldEvent;
  kind.check = CheckHoldMove;
  kind.subject = SubjectOfHold;
  kind.contribute = ContributeHold;
  return kind;
}

absl::StatusOr<std::optional<ActiveHold>> HoldOn(const EntityRef& entity, const Row& row,
                                                 bool as_part, const View& view,
                                                 const std::string& tenant) {
  RETRACE_ASSIGN(const bool any, AnyActive(view));
  if (!any || entity.kind == KindNumber::kHold) {
    return std::nullopt;
  }
  const Kind& kind = KindOf(entity.kind);
  std::vector<std::string> scopes = {NameOf(tenant, entity), std::string(kWholeTenant)};
  if (as_part) {
    RETRACE_ASSIGN(const std::set<std::string> subjects, SubjectsOf(entity, row, view));
    for (const std::string& subject : subjects) {
      scopes.push_back(fmt::format("tenants/{}/{}", tenant, subject));
    }
  }
  for (const std::string& scope : scopes) {
    RETRACE_ASSIGN(const std::vector<Found> holds, HoldsOf(scope, view));
    if (!holds.empty()) {
      return ToActive(holds.front());
    }
  }
  RETRACE_ASSIGN(const std::vector<Found> filters, HoldsOf(kind.collection, view));
  if (filters.empty()) {
    return std::nullopt;
  }
  std::unique_ptr<Message> shown(kind.resource->New());
  ShowResource(tenant, entity, row, *shown);
  for (const Found& hold : filters) {
    RETRACE_ASSIGN(const Filter filter, Filter::Parse(hold.row->As<v1::Hold>().filter(),
                                                      *kind.resource->GetDescriptor(), {}));
    if (filter.Matches(*shown)) {
      return ToActive(hold);
    }
  }
  return std::nullopt;
}

absl::Status CheckMayBePurged(const EntityRef& entity, const Row& row, const View& view,
                              const Context& context) {
  RETRACE_ASSIGN(const auto hold,
                 HoldOn(entity, row, /*as_part=*/true, view, context.header.tenant));
  return hold.has_value() ? Held(entity, *hold, context) : absl::OkStatus();
}

absl::Status CheckHolds(const Draft& draft, const Context& context) {
  for (const auto& [entity, touched] : draft.touched()) {
    const Loss loss = LossOf(touched, draft.header().position);
    if (loss == Loss::kNone) {
      continue;
    }
    RETRACE_ASSIGN(const auto hold, HoldOn(entity, *touched.before, loss == Loss::kForEver,
                                           draft.base(), context.header.tenant));
    if (hold.has_value()) {
      return Inside(draft.ElementOf(entity), Held(entity, *hold, context));
    }
  }
  return absl::OkStatus();
}

absl::Status Decide(const v1::PlaceHoldRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  RETRACE_RETURN_IF_ERROR(CheckReason(request.options()));
  v1::Hold hold = request.hold();
  ClearOutputOnly(hold);
  Trim(*hold.mutable_case_number());
  if (hold.case_number().empty()) {
    return Refusal(v1::INVALID_FIELD, "A hold needs the case that it is for.")
        .Field("hold.case_number", "Give the case.");
  }
  RETRACE_ASSIGN(std::string scope, ScopeOf(hold, draft, context));
  RETRACE_ASSIGN(const std::vector<Found> others, HoldsOf(scope, draft));
  if (others.size() >= kMostPerScope) {
    return Refusal(v1::LIMIT_REACHED,
                   fmt::format("{} holds have this scope, no more fit.", others.size()))
        .With("limit", fmt::format("{}", kMostPerScope))
        .Next("Release one, or hold more with one filter.");
  }
  hold.set_scope(std::move(scope));
  hold.set_state(v1::Hold::ACTIVE);
  hold.set_placed_by(context.header.actor);
  hold.set_reason(context.header.reason);
  const EntityRef entity{KindNumber::kHold, context.new_id()};
  auto event = std::make_shared<store::v1::HoldPlaced>();
  *event->mutable_hold() = std::move(hold);
  draft.Target(entity);
  return draft.Emit(entity, std::move(event));
}

absl::Status Decide(const v1::ReleaseHoldRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckReason(request.options()));
  RETRACE_ASSIGN(Found found,
                 FindLive(KindNumber::kHold, request.name(), request.options(), draft, context));
  draft.Target(found.entity);
  return found.row->As<v1::Hold>().state() == v1::Hold::RELEASED
             ? absl::OkStatus()
             : draft.Emit(found.entity, std::make_shared<store::v1::HoldReleased>());
}

}  // namespace retrace::domain
