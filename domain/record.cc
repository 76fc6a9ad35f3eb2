#include "domain/record.h"

#include <memory>
#include <set>
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
#include "retrace/v1/records.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;

// The region that a record's phones are read in: that of its customer's first address with one,
// else the policy's.
absl::StatusOr<std::string> PhoneRegion(const v1::Record& record, const View& view) {
  // A malformed name is refused by the check, with its field.
  if (const auto parsed = ParseName(record.customer(), "record.customer"); parsed.ok()) {
    RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kCustomer, parsed->id}));
    if (row != nullptr) {
      for (const v1::Address& address : row->As<v1::Customer>().addresses()) {
        if (!address.region_code().empty()) {
          return address.region_code();
        }
      }
    }
  }
  RETRACE_ASSIGN(v1::Policy policy, PolicyOf(view));
  return policy.region_code();
}

// Puts the fields that `wanted(field)` names into their stored form.
template <typename Wanted>
absl::Status NormaliseFields(v1::Record& record, const View& view, Wanted wanted) {
  FieldFaults faults("record");
  for (auto [field, text] :
       {std::pair("title", record.mutable_title()),
        std::pair("customer", record.mutable_customer()),
        std::pair("owner", record.mutable_owner()), std::pair("stage", record.mutable_stage()),
        std::pair("external_id", record.mutable_external_id())}) {
    if (wanted(field)) {
      Trim(*text);
    }
  }
  if (wanted("amount") && record.has_amount()) {
    NormaliseCurrency(*record.mutable_amount()->mutable_currency(), "amount.currency", faults);
  }
  if (wanted("tags")) {
    NormaliseTags(*record.mutable_tags(), faults);
  }
  if (wanted("emails")) {
    NormaliseEmails(*record.mutable_emails(), faults);
  }
  if (wanted("phones") && !record.phones().empty()) {
    RETRACE_ASSIGN(const std::string region, PhoneRegion(record, view));
    NormalisePhones(region, *record.mutable_phones(), faults);
  }
  return faults.ToStatus();
}

absl::Status CheckWhole(const v1::Record& record) {
  FieldFaults faults("record");
  if (record.title().empty()) {
    faults.Add("title", "A record needs a title that is not blank.");
  }
  if (record.kind() == v1::Record::KIND_UNSPECIFIED || !v1::Record::Kind_IsValid(record.kind())) {
    faults.Add("kind", "Give a kind like DEAL.");
  }
  return faults.ToStatus();
}

absl::Status CheckKindKept(const v1::Record& before, const v1::Record& after) {
  FieldFaults faults("record");
  if (before.kind() != after.kind()) {
    faults.Add("kind", fmt::format("It is a {} and stays one; create another record instead.",
                                   v1::Record::Kind_Name(before.kind())));
  }
  return faults.ToStatus();
}

absl::Status CreateOne(const v1::CreateRecordRequest& request, Draft& draft, const Context& context,
                       std::string_view element) {
  v1::Record record = request.record();
  ClearOutputOnly(record);
  RETRACE_RETURN_IF_ERROR(NormaliseFields(record, draft, [](std::string_view) { return true; }));
  RETRACE_RETURN_IF_ERROR(CheckWhole(record));
  return CreateEntity<store::v1::RecordCreated>({KindNumber::kRecord, context.new_id()},
                                                std::move(record), draft, element);
}

void ApplyRecord(const Message& event, const CommitHeader& header, Row& row) {
  const auto* type = event.GetDescriptor();
  if (type == store::v1::Detached::descriptor()) {
    const auto& detached = static_cast<const store::v1::Detached&>(event);
    auto record = std::make_shared<v1::Record>(row.As<v1::Record>());
    record->clear_customer();
    record->set_detached_from(NameOf(header.tenant, FromStored(detached.from())));
    row.resource = std::move(record);
  } else if (type == store::v1::Reattached::descriptor()) {
    const auto& reattached = static_cast<const store::v1::Reattached&>(event);
    auto record = std::make_shared<v1::Record>(row.As<v1::Record>());
    record->set_customer(NameOf(header.tenant, FromStored(reattached.to())));
    record->clear_detached_from();
    row.resource = std::move(record);
  } else {
    ApplyResourceEvent(event, header, row);
    // `detached_from` stays, so that the undelete of that customer still finds and names it.
    if (row.head.has_detached() && Writes(event, "customer")) {
      row.head.mutable_detached()->set_moved(true);
    }
  }
}

void DeriveRecord(std::string_view tenant, Row& row) {
  const std::string detached_from =
      row.head.has_detached() ? NameOf(tenant, FromStored(row.head.detached().from())) : "";
  if (row.As<v1::Record>().detached_from() != detached_from) {
    auto record = std::make_shared<v1::Record>(row.As<v1::Record>());
    record->set_detached_from(detached_from);
    row.resource = std::move(record);
  }
}

absl::Status CheckRecord(const EntityRef& entity, const Row* before, const Row& after,
                         const View& view, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckMove(entity, before, after, context));
  const auto& record = after.As<v1::Record>();
  RETRACE_RETURN_IF_ERROR(CheckWhole(record));
  const auto* was = before == nullptr ? nullptr : &before->As<v1::Record>();
  if (was != nullptr) {
    RETRACE_RETURN_IF_ERROR(CheckKindKept(*was, record));
  }
  // A member who is deleted later stays named, and is named again after an undo; a new reference
  // needs a live one.
  if (was == nullptr || (!after.undone() && was->owner() != record.owner())) {
    RETRACE_RETURN_IF_ERROR(
        CheckReference(record.owner(), KindNumber::kMember, "record.owner", view, context));
  }
  // No live record refers to a customer in the bin.
  const bool came_alive = after.live() && (before == nullptr || !before->live());
  if (after.live() && (came_alive || was->customer() != record.customer())) {
    return CheckReference(record.customer(), KindNumber::kCustomer, "record.customer", view,
                          context);
  }
  return absl::OkStatus();
}

std::string SubjectOfRecord(const EntityRef& entity, const Row& row) {
  const std::string& customer = row.As<v1::Record>().customer();
  if (const size_t id = customer.rfind('/'); id != std::string::npos) {
    return fmt::format("customers/{}", customer.substr(id + 1));
  }
  return fmt::format("records/{}", entity.id);
}

void ContributeRecord(const Row& row, std::vector<Contribution>& contributions) {
  const auto& record = row.As<v1::Record>();
  Contribution contribution;
  contribution.subkind = v1::Record::Kind_Name(record.kind());
  contribution.stage = record.stage();
  if (record.has_amount()) {
    contribution.currency = record.amount().currency();
    contribution.minor_units = record.amount().minor_units();
  }
  contributions.push_back(contribution);
  if (const size_t id = record.customer().rfind('/'); id != std::string::npos) {
    contribution.owner = fmt::format("customers/{}", record.customer().substr(id + 1));
    contributions.push_back(std::move(contribution));
  }
}

std::vector<IndexDeclaration> RecordIndexes() {
  return {
      {.number = kRecordCustomerIndex,
       .name = "customer",
       .fields = {"customer"},
       .normaliser = Normaliser::kExact},
      {.number = 2,
       .name = "title",
       .fields = {"title"},
       .normaliser = Normaliser::kSortName,
       .orders = true},
      {.number = 3, .name = "words", .fields = {"title"}, .normaliser = Normaliser::kNameWords},
      {.number = 4, .name = "stage", .fields = {"stage"}, .normaliser = Normaliser::kCaseless},
      {.number = 5, .name = "owner", .fields = {"owner"}, .normaliser = Normaliser::kExact},
      {.number = 6,
       .name = "close_time",
       .fields = {"close_time"},
       .normaliser = Normaliser::kTime,
       .orders = true},
      {.number = 7,
       .name = "external_id",
       .fields = {"external_id"},
       .normaliser = Normaliser::kExact,
       .unique_key = "records.external_id"},
      {.number = 8, .name = "email", .fields = {"emails"}, .normaliser = Normaliser::kCaseless},
      {.number = 9, .name = "phone", .fields = {"phones"}, .normaliser = Normaliser::kPhone},
      {.number = 10, .name = "tag", .fields = {"tags"}, .normaliser = Normaliser::kCaseless},
      {.number = 11, .name = "kind", .fields = {"kind"}, .normaliser = Normaliser::kExact},
      {.number = kRecordDetachedFromIndex,
       .name = "detached_from",
       .fields = {"detached_from"},
       .normaliser = Normaliser::kExact},
  };
}

// Attached again when the customer that it was detached from came back meanwhile.
absl::Status RestoreRecord(const Found& binned, const std::set<EntityRef>& /*left*/, Draft& draft) {
  RETRACE_RETURN_IF_ERROR(EmitUndeleted(binned, draft));
  return ReattachToLive(binned.entity, draft);
}

}  // namespace

Kind RecordKind() {
  Kind kind;
  kind.number = KindNumber::kRecord;
  kind.singular = "record";
  kind.collection = "records";
  kind.resource = &v1::Record::default_instance();
  kind.events = {&store::v1::RecordCreated::default_instance(),
                 &store::v1::RecordUpdated::default_instance()};
  kind.indexes = RecordIndexes();
  kind.content = true;
  kind.reference = {"customer", KindNumber::kCustomer, kRecordCustomerIndex};
  kind.apply = ApplyRecord;
  kind.derive = DeriveRecord;
  kind.check = CheckRecord;
  kind.subject = SubjectOfRecord;
  kind.restore = RestoreRecord;
  kind.contribute = ContributeRecord;
  return kind;
}

absl::Status Decide(const v1::CreateRecordRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  return CreateOne(request, draft, context, {});
}

absl::Status Decide(const v1::BatchCreateRecordsRequest& request, Draft& draft,
                    const Context& context) {
  return DecideBatchCreate(request, draft, context, CreateOne);
}

void Prepare(const v1::BatchCreateRecordsRequest& request, const View& view) {
  for (const v1::CreateRecordRequest& one : request.requests()) {
    if (one.record().phones().empty()) {
      continue;
    }
    if (const auto region = PhoneRegion(one.record(), view); region.ok()) {
      ReadPhonesAhead(*region, one.record().phones());
    }
  }
}

absl::Status Decide(const v1::UpdateRecordRequest& request, Draft& draft, const Context& context) {
  return UpdateEntity<store::v1::RecordUpdated>(
      KindNumber::kRecord, request.record(), request.update_mask(), request.options(), draft,
      context, [&](const v1::Record& before, v1::Record& after, std::vector<std::string>& paths) {
        RETRACE_RETURN_IF_ERROR(CheckKindKept(before, after));
        return NormaliseFields(after, draft,
                               [&](std::string_view field) { return Names(paths, field); });
      });
}

absl::Status Decide(const v1::DeactivateRecordRequest& request, Draft& draft,
                    const Context& context) {
  return DecideDeactivate(KindNumber::kRecord, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::ActivateRecordRequest& request, Draft& draft,
                    const Context& context) {
  return DecideActivate(KindNumber::kRecord, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::DeleteRecordRequest& request, Draft& draft, const Context& context) {
  return DecideDelete(KindNumber::kRecord, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::BatchDeleteRecordsRequest& request, Draft& draft,
                    const Context& context) {
  return DecideBatchDelete(KindNumber::kRecord, request, draft, context, [&](const Found& found) {
    return EmitDeleted(found.entity, found.entity, draft);
  });
}

absl::Status Decide(const v1::UndeleteRecordRequest& request, Draft& draft,
                    const Context& context) {
  return DecideUndelete(KindNumber::kRecord, request.name(), request.options(), draft, context);
}

}  // namespace retrace::domain
