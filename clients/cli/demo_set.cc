#include "clients/cli/demo_set.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/time_text.h"
#include "clients/cpp/error_details.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/history.pb.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/records.pb.h"

namespace retrace::cli {
namespace {

struct DemoMember {
  const char* id;
  const char* name;
  const char* team;
};

struct DemoCustomer {
  const char* external_id;
  const char* organization;
  const char* given;
  const char* family;
  const char* level;
  const char* region;
  const char* city;
  const char* phone;
  const char* email;
  const char* owner;
};

struct DemoRecord {
  v1::Record::Kind kind;
  const char* customer;
  const char* title;
  const char* owner;
  int64_t minor_units;
  const char* currency;
  const char* stage;
  // Day of 2026, as month and day; 0: not set.
  int begun;
  int closed;
};

constexpr DemoMember kMembers[] = {{"lin-mei", "林梅", "East"},
                                   {"tom-becker", "Tom Becker", "West"},
                                   {"ana-souza", "Ana Souza", "South"}};

constexpr DemoCustomer kCustomers[] = {
    {"demo-1", "Acme Corporation", "", "", "gold", "US", "Chicago", "(312) 555-0142 x17",
     "hello@acme.example", "tom-becker"},
    {"demo-2", "上海星辰贸易有限公司", "", "", "gold", "CN", "上海", "021-6279 8888",
     "lianxi@xingchen.example", "lin-mei"},
    {"demo-3", "Müller & Söhne GmbH", "", "", "silver", "DE", "Köln", "0221 4710-999",
     "kontakt@mueller.example", "tom-becker"},
    {"demo-4", "", "Beatriz", "Pereira", "", "BR", "São Paulo", "+55 11 91234-5678",
     "bia@pereira.example", "ana-souza"},
    {"demo-5", "", "小明", "王", "silver", "CN", "北京", "138 0013 8000", "wang@example.net",
     "lin-mei"},
    {"demo-6", "Nordlicht AS", "", "", "", "NO", "Tromsø", "77 60 00 00", "post@nordlicht.example",
     "ana-souza"},
    {"demo-7", "Closed Down Ltd", "", "", "", "GB", "Leeds", "0113 496 0999", "", "tom-becker"}};

constexpr DemoRecord kRecords[] = {
    {v1::Record::CONTACT, "demo-1", "Rosa Diaz", "tom-becker", 0, "", "", 0, 0},
    {v1::Record::CONTACT, "demo-2", "陈静", "lin-mei", 0, "", "", 0, 0},
    {v1::Record::DEAL, "demo-1", "500 desk chairs", "tom-becker", 4250000, "USD", "Won", 105, 220},
    {v1::Record::DEAL, "demo-1", "Conference tables", "tom-becker", 1180000, "USD", "Engaging", 301,
     0},
    {v1::Record::DEAL, "demo-2", "展厅家具", "lin-mei", 26800000, "CNY", "Won", 112, 315},
    {v1::Record::ORDER, "demo-1", "Order 2026-0117", "tom-becker", 4250000, "USD", "Shipped", 221,
     0},
    {v1::Record::PAYMENT, "demo-1", "Down payment for 2026-0117", "tom-becker", 1000000, "USD",
     "Received", 225, 225},
    {v1::Record::LEAD, "demo-3", "Asked for a catalogue at the fair", "tom-becker", 0, "", "New",
     310, 0},
    {v1::Record::CASE, "demo-2", "Scratched table top", "lin-mei", 0, "", "Open", 318, 0},
    {v1::Record::NOTE, "demo-4", "Prefers to be called after 14:00", "ana-souza", 0, "", "", 0, 0},
    {v1::Record::TASK, "demo-6", "Visit in Tromsø", "ana-souza", 0, "", "Planned", 401, 0},
    {v1::Record::FILE_REF, "demo-3", "Frame agreement 2025.pdf", "tom-becker", 0, "", "", 0, 0},
    {v1::Record::DEAL, "demo-7", "Never answered", "tom-becker", 99000, "GBP", "Lost", 110, 130},
    {v1::Record::NOTE, "demo-7", "Telephone is disconnected", "tom-becker", 0, "", "", 0, 0}};

class DemoSet {
 public:
  DemoSet(Session& session, std::string tenant) : session_(session), tenant_(std::move(tenant)) {}

  absl::StatusOr<bool> IsThere();
  absl::Status Load();

 private:
  absl::Status Begin();
  absl::Status CreateMembers();
  absl::Status CreateCustomers();
  absl::Status CreateRecords();
  absl::Status DeleteOne();
  absl::Status ShowClash();
  absl::Status End();

  Session& session_;
  const std::string tenant_;
  int64_t change_set_ = 0;
  // Names of the customers by external id.
  std::map<std::string, std::string> customers_;
};

absl::StatusOr<bool> DemoSet::IsThere() {
  ListFlags flags;
  flags.show_inactive = flags.show_deleted = true;
  flags.words = {kCustomers[0].external_id};
  flags.filter = absl::StrCat("external_id = ", FilterText(kCustomers[0].external_id));
  bool there = false;
  const absl::Status status =
      ForEachListed(session_, CustomerNoun(), flags, [&](const google::protobuf::Message&) {
        there = true;
        return false;
      });
  if (!status.ok()) return status;
  return there;
}

absl::Status DemoSet::Begin() {
  v1::BeginChangeSetRequest request;
  request.set_parent(tenant_);
  request.set_title("demo data");
  const auto reply = session_.Ask<v1::BeginChangeSetResponse>("History.BeginChangeSet", request);
  if (reply.ok()) change_set_ = reply->change_set().number();
  return reply.status();
}

absl::Status DemoSet::CreateMembers() {
  for (const DemoMember& demo : kMembers) {
    v1::CreateMemberRequest request;
    request.set_parent(tenant_);
    request.set_member_id(demo.id);
    request.mutable_member()->set_display_name(demo.name);
    request.mutable_member()->set_team(demo.team);
    request.mutable_options()->set_change_set(change_set_);
    const absl::Status status =
        session_.Ask<v1::CreateMemberResponse>("Members.CreateMember", request).status();
    // Somebody may have made the member by hand; it will do.
    if (!status.ok() && status.code() != absl::StatusCode::kAlreadyExists) return status;
  }
  return absl::OkStatus();
}

absl::Status DemoSet::CreateCustomers() {
  v1::BatchCreateCustomersRequest request;
  request.set_parent(tenant_);
  request.mutable_options()->set_change_set(change_set_);
  for (const DemoCustomer& demo : kCustomers) {
    v1::Customer& customer = *request.add_requests()->mutable_customer();
    customer.set_external_id(demo.external_id);
    customer.set_organization_name(demo.organization);
    customer.set_given_name(demo.given);
    customer.set_family_name(demo.family);
    customer.set_level(demo.level);
    customer.add_phones()->set_raw(demo.phone);
    if (*demo.email != '\0') customer.add_emails(demo.email);
    customer.set_owner(FullName(tenant_, "members", demo.owner));
    customer.add_addresses()->set_region_code(demo.region);
    customer.mutable_addresses(0)->set_locality(demo.city);
    customer.add_tags("demo");
  }
  const auto reply =
      session_.Ask<v1::BatchCreateCustomersResponse>("Customers.BatchCreateCustomers", request);
  if (!reply.ok()) return reply.status();
  for (const v1::Customer& customer : reply->customers()) {
    customers_[customer.external_id()] = customer.name();
  }
  return absl::OkStatus();
}

google::protobuf::Timestamp Day(int month_and_day) {
  const absl::CivilDay day(2026, month_and_day / 100, month_and_day % 100);
  return ToTimestamp(absl::FromCivil(day, absl::UTCTimeZone()));
}

absl::Status DemoSet::CreateRecords() {
  v1::BatchCreateRecordsRequest request;
  request.set_parent(tenant_);
  request.mutable_options()->set_change_set(change_set_);
  int number = 0;
  for (const DemoRecord& demo : kRecords) {
    v1::Record& record = *request.add_requests()->mutable_record();
    record.set_kind(demo.kind);
    record.set_external_id(absl::StrCat("demo-r", ++number));
    record.set_customer(customers_[demo.customer]);
    record.set_title(demo.title);
    record.set_owner(FullName(tenant_, "members", demo.owner));
    record.set_stage(demo.stage);
    if (*demo.currency != '\0') {
      record.mutable_amount()->set_minor_units(demo.minor_units);
      record.mutable_amount()->set_currency(demo.currency);
    }
    if (demo.begun != 0) *record.mutable_start_time() = Day(demo.begun);
    if (demo.closed != 0) *record.mutable_close_time() = Day(demo.closed);
    if (demo.kind == v1::Record::CONTACT) record.add_phones()->set_raw("+1 312 555 0143");
    if (demo.kind == v1::Record::FILE_REF) record.set_body("https://files.example/agreement.pdf");
  }
  return session_.Ask<v1::BatchCreateRecordsResponse>("Records.BatchCreateRecords", request)
      .status();
}

absl::Status DemoSet::DeleteOne() {
  v1::DeleteCustomerRequest request;
  request.set_name(customers_["demo-7"]);
  request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
  request.mutable_options()->set_change_set(change_set_);
  request.mutable_options()->set_reason("closed down; try `retrace customers undelete`");
  return session_.Ask<v1::DeleteCustomerResponse>("Customers.DeleteCustomer", request).status();
}

absl::Status DemoSet::ShowClash() {
  v1::CreateCustomerRequest request;
  request.set_parent(tenant_);
  request.mutable_customer()->set_organization_name("Acme Imitators");
  request.mutable_customer()->set_external_id("demo-1");
  request.mutable_options()->set_change_set(change_set_);
  const absl::Status status =
      session_.Ask<v1::CreateCustomerResponse>("Customers.CreateCustomer", request).status();
  const client::ErrorDetails details = client::DetailsOf(status);
  if (status.ok()) {
    session_.out() << "a second customer with external id demo-1 was taken: the policy allows it\n";
    return absl::OkStatus();
  }
  if (details.reason != "KEY_TAKEN") return status;
  session_.out() << "a second customer with external id demo-1 was refused, as it should be: "
                 << status.message() << '\n';
  return absl::OkStatus();
}

absl::Status DemoSet::End() {
  v1::EndChangeSetRequest request;
  request.set_name(absl::StrCat(tenant_, "/changeSets/", change_set_));
  return session_.Ask<v1::EndChangeSetResponse>("History.EndChangeSet", request).status();
}

absl::Status DemoSet::Load() {
  for (absl::Status (DemoSet::*step)() :
       {&DemoSet::Begin, &DemoSet::CreateMembers, &DemoSet::CreateCustomers,
        &DemoSet::CreateRecords, &DemoSet::DeleteOne, &DemoSet::ShowClash, &DemoSet::End}) {
    if (absl::Status status = (this->*step)(); !status.ok()) return status;
  }
  session_.out() << "loaded " << std::size(kMembers) << " members, " << std::size(kCustomers)
                 << " customers (one of them deleted) and " << std::size(kRecords)
                 << " records of every kind into " << tenant_ << '\n';
  return absl::OkStatus();
}

}  // namespace

absl::Status LoadDemoSet(Session& session) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  DemoSet set(session, *tenant);
  absl::StatusOr<bool> there = set.IsThere();
  if (!there.ok()) return there.status();
  if (*there) {
    session.out() << "the demo data is in " << *tenant << " already\n";
    return absl::OkStatus();
  }
  return set.Load();
}

}  // namespace retrace::cli
