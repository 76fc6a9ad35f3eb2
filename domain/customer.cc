#include "domain/customer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "domain/batch.h"
#include "domain/cascade.h"
#include "domain/commands.h"
#include "domain/lifecycle.h"
#include "domain/normalise.h"
#include "domain/policy.h"
#include "domain/resource.h"
#include "domain/standard.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "unicode/uscript.h"
#include "unicode/utf8.h"

namespace retrace::domain {
namespace {

// True when the text begins in a script in which a family name stands first, without a space.
bool BeginsFamilyFirst(const std::string& text) {
  int32_t offset = 0;
  UChar32 first = 0;
  U8_NEXT(text.data(), offset, static_cast<int32_t>(text.size()), first);
  if (first < 0) {
    return false;
  }
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(first, &error)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_HANGUL:
      return true;
    default:
      return false;
  }
}

// The region that phones without a country code are read in.
absl::StatusOr<std::string> PhoneRegion(const v1::Customer& customer, const View& view) {
  for (const v1::Address& address : customer.addresses()) {
    if (!address.region_code().empty()) {
      return address.region_code();
    }
  }
  RETRACE_ASSIGN(v1::Policy policy, PolicyOf(view));
  return policy.region_code();
}

// Puts the fields that `wanted(field)` names into their stored form.
template <typename Wanted>
absl::Status NormaliseFields(v1::Customer& customer, const View& view, Wanted wanted) {
  FieldFaults faults("customer");
  for (auto [field, text] :
       {std::pair("display_name", customer.mutable_display_name()),
        std::pair("given_name", customer.mutable_given_name()),
        std::pair("family_name", customer.mutable_family_name()),
        std::pair("organization_name", customer.mutable_organization_name()),
        std::pair("level", customer.mutable_level()), std::pair("owner", customer.mutable_owner()),
        std::pair("external_id", customer.mutable_external_id())}) {
    if (wanted(field)) {
      Trim(*text);
    }
  }
  if (wanted("tags")) {
    NormaliseTags(*customer.mutable_tags(), faults);
  }
  if (wanted("emails")) {
    NormaliseEmails(*customer.mutable_emails(), faults);
  }
  if (wanted("addresses")) {
    NormaliseAddresses(*customer.mutable_addresses(), faults);
  }
  if (wanted("phones") && !customer.phones().empty()) {
    RETRACE_ASSIGN(const std::string region, PhoneRegion(customer, view));
    NormalisePhones(region, *customer.mutable_phones(), faults);
  }
  return faults.ToStatus();
}

absl::Status CheckNamed(const v1::Customer& customer) {
  FieldFaults faults("customer");
  if (customer.display_name().empty()) {
    faults.Add("display_name", "Give this, a given or family name, or an organization name.");
  }
  return faults.ToStatus();
}

absl::Status CreateOne(const v1::CreateCustomerRequest& request, Draft& draft,
                       const Context& context, std::string_view element) {
  v1::Customer customer = request.customer();
  ClearOutputOnly(customer);
  RETRACE_RETURN_IF_ERROR(NormaliseFields(customer, draft, [](std::string_view) { return true; }));
  if (customer.display_name().empty()) {
    customer.set_display_name(DerivedDisplayName(customer));
  }
  RETRACE_RETURN_IF_ERROR(CheckNamed(customer));
  RETRACE_ASSIGN(const int64_t number, NextCustomerNumber(draft));
  customer.set_number(number);
  return CreateEntity<store::v1::CustomerCreated>({KindNumber::kCustomer, context.new_id()},
                                                  std::move(customer), draft, element);
}

// Normalises the paths of an update, and follows with a display name that was put together.
absl::Status NormaliseUpdate(const v1::Customer& before, v1::Customer& after,
                             std::vector<std::string>& paths, const View& view) {
  RETRACE_RETURN_IF_ERROR(
      NormaliseFields(after, view, [&](std::string_view field) { return Names(paths, field); }));
  const bool given = Names(paths, "display_name") && !after.display_name().empty();
  const bool was_derived = before.display_name() == DerivedDisplayName(before);
  const std::string derived = DerivedDisplayName(after);
  if (!given && (was_derived || after.display_name().empty()) && !derived.empty()) {
    after.set_display_name(derived);
    if (!Names(paths, "display_name")) {
      paths.push_back("display_name");
    }
  }
  return CheckNamed(after);
}

// Who is taken out of the parts must have come back: a purge of the survivor would leave them
// behind, and nobody could reach them.
absl::Status CheckPartsKept(const EntityRef& entity, const Row& before, const Row& after,
                            const View& view, const Context& context) {
  const auto& parts = after.As<v1::Customer>().merged_from();
  for (const std::string& name : before.As<v1::Customer>().merged_from()) {
    if (std::find(parts.begin(), parts.end(), name) != parts.end()) {
      continue;
    }
    RETRACE_ASSIGN(const ResourceName parsed, ParseName(name, "merged_from"));
    RETRACE_ASSIGN(const RowPtr part, view.Get({KindNumber::kCustomer, parsed.id}));
    if (part != nullptr && part->merged() && FromStored(part->head.merged_into()) == entity) {
      return Refusal(v1::STATE_REFUSED, fmt::format("`{}` is still merged into `{}`.", name,
                                                    NameOf(context.header.tenant, entity)))
          .About("customer", name)
          .Next("Undo the merge of both, not of the one that survived alone.");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCustomer(const EntityRef& entity, const Row* before, const Row& after,
                           const View& view, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckMove(entity, before, after, context));
  const auto& customer = after.As<v1::Customer>();
  RETRACE_RETURN_IF_ERROR(CheckNamed(customer));
  if (before != nullptr && before->As<v1::Customer>().number() != customer.number()) {
    return Refusal(v1::STATE_REFUSED, "A customer's number never changes.");
  }
  if (before != nullptr) {
    RETRACE_RETURN_IF_ERROR(CheckPartsKept(entity, *before, after, view, context));
  }
  // Also of a merge that is redone: or two could end up as parts of each other.
  if (after.merged() && (before == nullptr || !before->merged())) {
    RETRACE_RETURN_IF_ERROR(
        CheckReference(NameOf(context.header.tenant, FromStored(after.head.merged_into())),
                       KindNumber::kCustomer, "merged_into", view, context));
  }
  // A member who is deleted later stays named, and is named again after an undo; a new reference
  // needs a live one.
  if (before != nullptr &&
      (after.undone() || before->As<v1::Customer>().owner() == customer.owner())) {
    return absl::OkStatus();
  }
  return CheckReference(customer.owner(), KindNumber::kMember, "customer.owner", view, context);
}

std::string SubjectOfCustomer(const EntityRef& entity, const Row& /*row*/) {
  return fmt::format("customers/{}", entity.id);
}

void ContributeCustomer(const Row& /*row*/, std::vector<Contribution>& contributions) {
  contributions.emplace_back();
}

}  // namespace

std::string DerivedDisplayName(const v1::Customer& customer) {
  const std::string& given = customer.given_name();
  const std::string& family = customer.family_name();
  if (given.empty() && family.empty()) {
    return customer.organization_name();
  }
  if (given.empty() || family.empty()) {
    return given + family;
  }
  return BeginsFamilyFirst(given) && BeginsFamilyFirst(family) ? family + given
                                                               : given + " " + family;
}

absl::StatusOr<int64_t> NextCustomerNumber(const Draft& draft) {
  for (auto it = draft.events().rbegin(); it != draft.events().rend(); ++it) {
    if (it->event->GetDescriptor() == store::v1::CustomerCreated::descriptor()) {
      return static_cast<const store::v1::CustomerCreated&>(*it->event).customer().number() + 1;
    }
  }
  RETRACE_ASSIGN(const RowPtr counters, draft.Get({KindNumber::kCounters, ""}));
  return counters == nullptr ? 1 : counters->As<store::v1::Counters>().last_customer_number() + 1;
}

Kind CustomerKind() {
  Kind kind;
  kind.number = KindNumber::kCustomer;
  kind.singular = "customer";
  kind.collection = "customers";
  kind.resource = &v1::Customer::default_instance();
  kind.events = {&store::v1::CustomerCreated::default_instance(),
                 &store::v1::CustomerUpdated::default_instance()};
  kind.indexes = {
      {.number = 1,
       .name = "number",
       .fields = {"number"},
       .normaliser = Normaliser::kNumber,
       .orders = true},
      {.number = 2,
       .name = "display_name",
       .fields = {"display_name"},
       .normaliser = Normaliser::kSortName,
       .orders = true},
      {.number = 3,
       .name = "words",
       .fields = {"display_name", "given_name", "family_name", "organization_name"},
       .normaliser = Normaliser::kNameWords},
      {.number = 4,
       .name = "phone",
       .fields = {"phones"},
       .normaliser = Normaliser::kPhone,
       .unique_key = "customers.phone"},
      {.number = 5,
       .name = "email",
       .fields = {"emails"},
       .normaliser = Normaliser::kCaseless,
       .unique_key = "customers.email"},
      {.number = 6, .name = "level", .fields = {"level"}, .normaliser = Normaliser::kCaseless},
      {.number = 7, .name = "owner", .fields = {"owner"}, .normaliser = Normaliser::kExact},
      {.number = 8, .name = "tag", .fields = {"tags"}, .normaliser = Normaliser::kCaseless},
      {.number = 9,
       .name = "external_id",
       .fields = {"external_id"},
       .normaliser = Normaliser::kExact,
       .unique_key = "customers.external_id"},
  };
  kind.content = true;
  kind.apply = ApplyResourceEvent;
  kind.check = CheckCustomer;
  kind.subject = SubjectOfCustomer;
  kind.restore = UndeleteWithRelated;
  kind.contribute = ContributeCustomer;
  return kind;
}

absl::Status Decide(const v1::CreateCustomerRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  return CreateOne(request, draft, context, {});
}

absl::Status Decide(const v1::BatchCreateCustomersRequest& request, Draft& draft,
                    const Context& context) {
  return DecideBatchCreate(request, draft, context, CreateOne);
}

void Prepare(const v1::BatchCreateCustomersRequest& request, const View& view) {
  for (const v1::CreateCustomerRequest& one : request.requests()) {
    if (one.customer().phones().empty()) {
      continue;
    }
    v1::Customer customer = one.customer();
    FieldFaults ignored("customer");
    NormaliseAddresses(*customer.mutable_addresses(), ignored);
    if (const auto region = PhoneRegion(customer, view); region.ok()) {
      ReadPhonesAhead(*region, customer.phones());
    }
  }
}

absl::Status Decide(const v1::UpdateCustomerRequest& request, Draft& draft,
                    const Context& context) {
  return UpdateEntity<store::v1::CustomerUpdated>(
      KindNumber::kCustomer, request.customer(), request.update_mask(), request.options(), draft,
      context,
      [&](const v1::Customer& before, v1::Customer& after, std::vector<std::string>& paths) {
        return NormaliseUpdate(before, after, paths, draft);
      });
}

absl::Status Decide(const v1::DeactivateCustomerRequest& request, Draft& draft,
                    const Context& context) {
  return DecideDeactivate(KindNumber::kCustomer, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::ActivateCustomerRequest& request, Draft& draft,
                    const Context& context) {
  return DecideActivate(KindNumber::kCustomer, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::DeleteCustomerRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_ASSIGN(Found found, FindLive(KindNumber::kCustomer, request.name(), request.options(),
                                       draft, context));
  draft.Target(found.entity);
  RETRACE_ASSIGN(Cascade cascade, Cascade::Parse(request.related()));
  RETRACE_RETURN_IF_ERROR(cascade.Delete(found.entity, draft));
  cascade.NoteDone(draft);
  return absl::OkStatus();
}

absl::Status Decide(const v1::BatchDeleteCustomersRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_ASSIGN(Cascade cascade, Cascade::Parse(request.related()));
  RETRACE_RETURN_IF_ERROR(
      DecideBatchDelete(KindNumber::kCustomer, request, draft, context,
                        [&](const Found& found) { return cascade.Delete(found.entity, draft); }));
  cascade.NoteDone(draft);
  return absl::OkStatus();
}

absl::Status Decide(const v1::UndeleteCustomerRequest& request, Draft& draft,
                    const Context& context) {
  return DecideUndelete(KindNumber::kCustomer, request.name(), request.options(), draft, context);
}

}  // namespace retrace::domain
