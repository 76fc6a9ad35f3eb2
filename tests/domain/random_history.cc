#include "tests/domain/random_history.h"

#include <algorithm>
#include <type_traits>

#include <gtest/gtest.h>

#include "domain/expiry.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/resource.h"
#include "domain/timer.h"
#include "fmt/format.h"
#include "retrace/store/v1/timers.pb.h"

namespace retrace::testing {
namespace {

constexpr char kParent[] = "tenants/acme";

const std::vector<std::string>& Kinds() {
  static const std::vector<std::string> kinds = {"CONTACT", "DEAL", "ORDER", "NOTE"};
  return kinds;
}

}  // namespace

template <typename Request>
Reply RandomHistory::Do(Request request) {
  FillOptions(*request.mutable_options());
  Reply reply;
  if constexpr (std::is_same_v<Request, v1::RestoreToRequest>) {
    reply = tenant_.RestoreTo(request);
  } else {
    reply = tenant_.Do(request);
  }
  const std::string type = request.GetDescriptor()->name();
  if (!reply.ok()) {
    ++refused_[reply.reason()];
    return reply;
  }
  ++done_[type];
  if (type.find("Create") != std::string::npos) {
    for (const domain::EntityRef& entity : reply.targets) {
      const std::string collection(domain::KindOf(entity.kind).collection);
      names_[collection].push_back(domain::NameOf(tenant_.id(), entity));
    }
  }
  return reply;
}

std::string RandomHistory::Name(const std::string& collection) {
  const auto found = names_.find(collection);
  return found == names_.end() ? "" : OneOf(found->second);
}

void RandomHistory::FillOptions(v1::CommandOptions& options) {
  if (Chance(50)) {
    options.set_request_id(fmt::format("r{}", ++last_request_));
  }
  if (Chance(20)) {
    options.set_reason(OneOf({"spring", "mistake"}));
  }
  if (!change_sets_.empty() && Chance(20)) {
    options.set_change_set(static_cast<int64_t>(change_sets_[Below(change_sets_.size())]));
  }
}

v1::Customer RandomHistory::RandomCustomer() {
  v1::Customer customer;
  if (Chance(60)) customer.set_given_name(OneOf({"Ann", "Bo", "小龍", ""}));
  if (Chance(60)) customer.set_family_name(OneOf({"Lee", "李", "Smith Jones", ""}));
  if (Chance(30)) customer.set_display_name(OneOf({"Ann Lee", "Acme 有限公司", "Zoë", ""}));
  if (Chance(30)) customer.set_organization_name(OneOf({"Acme", "有限公司", ""}));
  if (Chance(40)) customer.set_level(OneOf({"gold", "Gold", "silver", ""}));
  if (Chance(40)) customer.set_external_id(OneOf({"x1", "x2", "x3", "X3", ""}));
  if (Chance(30)) customer.set_owner(Name("members"));
  for (size_t i = Below(3); i > 0; --i) {
    customer.add_tags(OneOf({"a", "b", "c"}));
    customer.add_emails(OneOf({"ann@x.co", "ANN@x.co", "bo@x.co"}));
    customer.add_phones()->set_raw(OneOf({"22 12 34 56", "+4722123456", "ring", "555"}));
    (*customer.mutable_attributes())[OneOf({"colour", "a b", "größe"})] = OneOf({"1", "2", ""});
  }
  if (Chance(20)) customer.add_addresses()->set_region_code(OneOf({"NO", "Sweden", "Atlantis"}));
  return customer;
}

v1::Record RandomHistory::RandomRecord() {
  v1::Record record;
  v1::Record::Kind kind;
  v1::Record::Kind_Parse(OneOf(Kinds()), &kind);
  record.set_kind(kind);
  record.set_title(OneOf({"Pumps", "多語言 title", "x"}));
  if (Chance(70)) record.set_customer(Name("customers"));
  if (Chance(30)) record.set_owner(Name("members"));
  if (Chance(50)) record.set_stage(OneOf({"Won", "Lost", "won"}));
  if (Chance(30)) record.set_external_id(OneOf({"d1", "d2", "d3"}));
  if (Chance(50)) {
    record.mutable_amount()->set_currency(OneOf({"EUR", "USD"}));
    record.mutable_amount()->set_minor_units(static_cast<int64_t>(Below(1000)) - 200);
  }
  if (Chance(20)) record.mutable_close_time()->set_seconds(static_cast<int64_t>(Below(1000)));
  for (size_t i = Below(3); i > 0; --i) {
    record.add_tags(OneOf({"a", "b"}));
    (*record.mutable_attributes())[OneOf({"k", "l"})] = OneOf({"1", "2"});
  }
  return record;
}

v1::RelatedRecords RandomHistory::RandomChoice() {
  v1::RelatedRecords related;
  const auto choice = [&] {
    return Chance(50)   ? v1::RelatedRecords::DELETE
           : Chance(80) ? v1::RelatedRecords::KEEP
                        : v1::RelatedRecords::REFUSE;
  };
  if (Chance(90)) related.set_all(choice());
  for (const std::string& kind : Kinds()) {
    if (Chance(40)) {
      auto& rule = *related.add_rules();
      rule.set_kind(kind);
      rule.set_choice(choice());
    }
  }
  return related;
}

Reply RandomHistory::CreateSomething() {
  if (Chance(10)) {
    v1::CreateMemberRequest request;
    request.set_parent(kParent);
    request.set_member_id(Chance(90) ? fmt::format("m{}", ++last_member_) : "m1");
    request.mutable_member()->set_display_name(OneOf({"Bo", "Di"}));
    if (Chance(50)) request.mutable_member()->set_email(OneOf({"bo@x.co", "di@x.co"}));
    if (Chance(30)) request.mutable_member()->set_lead(Name("members"));
    return Do(request);
  }
  if (Chance(40)) {
    v1::CreateCustomerRequest request;
    request.set_parent(kParent);
    *request.mutable_customer() = RandomCustomer();
    return Do(request);
  }
  v1::CreateRecordRequest request;
  request.set_parent(kParent);
  *request.mutable_record() = RandomRecord();
  return Do(request);
}

Reply RandomHistory::CreateBatch() {
  if (Chance(50)) {
    v1::BatchCreateCustomersRequest request;
    request.set_parent(kParent);
    for (size_t i = 1 + Below(4); i > 0; --i) {
      *request.add_requests()->mutable_customer() = RandomCustomer();
    }
    return Do(request);
  }
  v1::BatchCreateRecordsRequest request;
  request.set_parent(kParent);
  for (size_t i = 1 + Below(4); i > 0; --i) {
    *request.add_requests()->mutable_record() = RandomRecord();
  }
  return Do(request);
}

Reply RandomHistory::UpdateCustomer() {
  v1::UpdateCustomerRequest request;
  *request.mutable_customer() = RandomCustomer();
  request.mutable_customer()->set_name(Name("customers"));
  if (Chance(50)) {
    for (const char* path : {"given_name", "level", "tags", "emails", "phones", "external_id",
                             "owner", "attributes.colour", "attributes.`a b`", "addresses"}) {
      if (Chance(25)) request.mutable_update_mask()->add_paths(path);
    }
  } else if (Chance(20)) {
    request.mutable_update_mask()->add_paths("*");
  }
  return Do(request);
}

Reply RandomHistory::UpdateRecord() {
  v1::UpdateRecordRequest request;
  *request.mutable_record() = RandomRecord();
  request.mutable_record()->set_name(Name("records"));
  for (const char* path : {"title", "customer", "stage", "amount", "amount.minor_units", "tags",
                           "external_id", "close_time", "attributes.k"}) {
    if (Chance(30)) request.mutable_update_mask()->add_paths(path);
  }
  return Do(request);
}

Reply RandomHistory::UpdatePolicy() {
  v1::UpdatePolicyRequest request;
  request.mutable_policy()->set_name("tenants/acme/policy");
  if (Chance(50)) request.mutable_policy()->set_region_code(OneOf({"NO", "CN"}));
  for (const char* key : {"customers.external_id", "records.external_id", "customers.email",
                          "customers.phone", "members.email"}) {
    if (Chance(40)) request.mutable_policy()->add_unique_keys(key);
  }
  if (request.policy().unique_keys().empty() && Chance(30)) {
    request.mutable_policy()->add_unique_keys("none");
  }
  return Do(request);
}

Reply RandomHistory::UpdateSomething() {
  if (Chance(5)) {
    return UpdatePolicy();
  }
  if (Chance(10)) {
    v1::UpdateMemberRequest request;
    request.mutable_member()->set_name(Name("members"));
    request.mutable_member()->set_email(OneOf({"bo@x.co", "di@x.co", "BO@x.co"}));
    return Do(request);
  }
  return Chance(50) ? UpdateCustomer() : UpdateRecord();
}

Reply RandomHistory::UseSomething(bool active) {
  const auto named = [&](auto request, const char* collection) {
    request.set_name(Name(collection));
    return Do(request);
  };
  switch (Below(3)) {
    case 0:
      return active ? named(v1::ActivateCustomerRequest(), "customers")
                    : named(v1::DeactivateCustomerRequest(), "customers");
    case 1:
      return active ? named(v1::ActivateRecordRequest(), "records")
                    : named(v1::DeactivateRecordRequest(), "records");
    default:
      return active ? named(v1::ActivateMemberRequest(), "members")
                    : named(v1::DeactivateMemberRequest(), "members");
  }
}

Reply RandomHistory::DeleteSomething() {
  if (Chance(50)) {
    v1::DeleteCustomerRequest request;
    request.set_name(Name("customers"));
    *request.mutable_related() = RandomChoice();
    return Do(request);
  }
  if (Chance(20)) {
    v1::DeleteMemberRequest request;
    request.set_name(Name("members"));
    return Do(request);
  }
  v1::DeleteRecordRequest request;
  request.set_name(Name("records"));
  return Do(request);
}

Reply RandomHistory::DeleteBatch() {
  if (Chance(50)) {
    v1::BatchDeleteCustomersRequest request;
    request.set_parent(kParent);
    for (size_t i = 1 + Below(3); i > 0; --i) {
      request.add_names(Name("customers"));
    }
    *request.mutable_related() = RandomChoice();
    return Do(request);
  }
  v1::BatchDeleteRecordsRequest request;
  request.set_parent(kParent);
  for (size_t i = 1 + Below(3); i > 0; --i) {
    request.add_names(Name("records"));
  }
  return Do(request);
}

Reply RandomHistory::UndeleteSomething() {
  const auto named = [&](auto request, const char* collection) {
    request.set_name(Name(collection));
    return Do(request);
  };
  return Chance(60)   ? named(v1::UndeleteCustomerRequest(), "customers")
         : Chance(80) ? named(v1::UndeleteRecordRequest(), "records")
                      : named(v1::UndeleteMemberRequest(), "members");
}

v1::MergeCustomersRequest RandomHistory::RandomMerge() {
  v1::MergeCustomersRequest request;
  request.set_name(Name("customers"));
  for (size_t i = 1 + Below(2); i > 0; --i) {
    request.add_losers(Name("customers"));
  }
  for (const char* field : {"phones", "level", "display_name", "attributes"}) {
    if (Chance(20)) {
      auto& choice = *request.add_fields();
      choice.set_field(field);
      choice.set_from(Chance(50) ? request.name() : request.losers(0));
    }
  }
  return request;
}

Reply RandomHistory::RestoreSomething() {
  v1::RestoreToRequest request;
  request.set_name(Name(OneOf({"customers", "records", "members"})));
  request.mutable_as_of()->set_position(static_cast<int64_t>(Below(tenant_.head() + 1)));
  return Do(request);
}

Reply RandomHistory::ChangeSet() {
  if (change_sets_.empty() || Chance(70)) {
    v1::BeginChangeSetRequest request;
    request.set_parent(kParent);
    request.set_title("t");
    const Reply reply = Do(request);
    if (reply.ok()) {
      change_sets_.push_back(reply.position);
    }
    return reply;
  }
  v1::EndChangeSetRequest request;
  request.set_name(
      fmt::format("tenants/acme/changeSets/{}", change_sets_[Below(change_sets_.size())]));
  return Do(request);
}

Reply RandomHistory::BinStep() {
  const std::string collection = Chance(60) ? "customers" : Chance(80) ? "records" : "members";
  if (Chance(15)) {
    v1::PlaceHoldRequest request;
    request.set_parent(kParent);
    request.mutable_hold()->set_case_number("c1");
    if (Chance(70)) request.mutable_hold()->set_entity(Name(collection));
    if (request.hold().entity().empty()) {
      request.mutable_hold()->set_collection("customers");
      request.mutable_hold()->set_filter("level = \"gold\"");
    }
    request.mutable_options()->set_reason("case");
    const Reply reply = Do(request);
    if (reply.ok()) holds_.push_back(domain::NameOf(tenant_.id(), reply.targets.at(0)));
    return reply;
  }
  if (!holds_.empty() && Chance(25)) {
    v1::ReleaseHoldRequest request;
    request.set_name(OneOf(holds_));
    request.mutable_options()->set_reason("closed");
    return Do(request);
  }
  if (Chance(40)) {
    v1::RestoreEntitiesRequest request;
    request.set_parent(kParent);
    for (size_t i = 1 + Below(2); i > 0; --i) request.add_names(Name(collection));
    request.set_on_clash(static_cast<v1::ClashRule>(Below(4)));
    return Do(request);
  }
  v1::PurgeEntitiesRequest request;
  request.set_parent(kParent);
  if (Chance(85)) {
    request.add_names(Name(collection));
  } else {
    request.set_collection(collection);
    request.set_filter(Chance(50) ? "*" : "tags:a");
    request.set_force(Chance(50));
  }
  return Do(request);
}

Reply RandomHistory::ExpiryStep() {
  constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;
  tenant_.Pass(static_cast<int64_t>(Below(60)) * kDayUs);
  domain::Context context;
  context.header.tenant = tenant_.id();
  context.header.position = tenant_.head() + 1;
  context.header.time_us = tenant_.time_us();
  store::v1::AnnounceExpiry announce;
  announce.set_uptime_us(tenant_.time_us());
  domain::BinLook look;
  const auto expiring = domain::FindExpiring(tenant_.view(), context, look);
  for (const domain::EntityRef& entity : *expiring) {
    *announce.add_entities() = domain::ToStored(entity);
  }
  const Reply announced = tenant_.Record(announce);
  tenant_.Pass(static_cast<int64_t>(Below(3)) * kDayUs);
  const auto waiting = domain::FindDue(tenant_.view(), tenant_.time_us(), 100);
  for (const domain::Due& due : *waiting) {
    store::v1::Fire fire;
    *fire.mutable_entity() = domain::ToStored(due.entity);
    fire.set_due_us(due.due_us);
    fire.set_uptime_us(tenant_.time_us());
    fire.set_limit(static_cast<int32_t>(Below(4)));
    const Reply fired = tenant_.Record(fire);
    EXPECT_TRUE(fired.ok()) << fired.status;
  }
  return announced;
}

Reply RandomHistory::UndoStep() {
  if (tenant_.head() == 0) return Step();
  const domain::Position position = 1 + Below(tenant_.head());
  return tenant_.UndoCommit(position, static_cast<v1::UndoMode>(1 + Below(3)));
}

Reply RandomHistory::Step() {
  if (Chance(10)) {
    tenant_.ActAs(OneOf({"ann", "bob"}),
                  Chance(70) ? std::set<std::string>{"*"} : std::set<std::string>{});
  }
  const size_t dice = Below(100);
  return dice < 25   ? CreateSomething()
         : dice < 30 ? CreateBatch()
         : dice < 55 ? UpdateSomething()
         : dice < 62 ? UseSomething(Chance(50))
         : dice < 76 ? DeleteSomething()
         : dice < 80 ? DeleteBatch()
         : dice < 90 ? UndeleteSomething()
         : dice < 93 ? Do(RandomMerge())
         : dice < 96 ? RestoreSomething()
                     : ChangeSet();
}

std::string RandomHistory::DeleteAndUndelete() {
  tenant_.ActAs("ann");
  v1::DeleteCustomerRequest request;
  request.set_name(Name("customers"));
  *request.mutable_related() = RandomChoice();
  const std::string before = tenant_.Content();
  const std::vector<std::string> counters = tenant_.Counters();
  if (request.name().empty() || !Do(request).ok()) {
    return "";
  }
  ++done_["delete and undelete"];
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(request.name());
  // Without options, so that nothing but the law itself can be in its way.
  if (const Reply reply = tenant_.Do(undelete); !reply.ok()) {
    return "refused: " + std::string(reply.status.message());
  }
  if (tenant_.Counters() != counters) {
    return "other counters than before";
  }
  return tenant_.Content() == before ? "" : "other content than before";
}

std::string RandomHistory::MergeAndUnmerge() {
  tenant_.ActAs("ann");
  const std::string before = tenant_.Content();
  const std::vector<std::string> counters = tenant_.Counters();
  const Reply merge = Do(RandomMerge());
  if (!merge.ok()) {
    return "";
  }
  if (tenant_.Content() == before) {
    return "nothing was merged";
  }
  ++done_["merge and unmerge"];
  if (const Reply reply = tenant_.UndoCommit(merge.position); !reply.ok()) {
    return "refused: " + std::string(reply.status.message());
  }
  if (tenant_.Counters() != counters) {
    return "other counters than before";
  }
  return tenant_.Content() == before ? "" : "other content than before";
}

}  // namespace retrace::testing
