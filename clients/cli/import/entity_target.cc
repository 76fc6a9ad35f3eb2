#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/columns.h"
#include "clients/cli/import/import_target.h"
#include "clients/cli/reflection.h"
#include "clients/cpp/error_details.h"
#include "google/protobuf/field_mask.pb.h"
#include "retrace/v1/common.pb.h"
#include "retrace/v1/customers.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

class EntityTarget : public ImportTarget {
 public:
  EntityTarget(Session& session, const EntityNoun& entity, const RowReader& reader,
               References& references, TargetOptions options)
      : session_(session),
        entity_(entity),
        reader_(reader),
        references_(references),
        options_(std::move(options)) {}

  // Small enough for one commit's bytes, large enough that a commit's sync is cheap per row.
  size_t batch_rows() const override { return 200; }

  absl::Status Complete(std::vector<ImportRow>& rows) override;
  absl::StatusOr<std::map<std::string, Found>> Find(const std::vector<std::string>& keys) override;
  absl::Status Create(const std::vector<const ImportRow*>& rows, int64_t change_set) override;
  absl::Status Update(const ImportRow& row, const Found& found, int64_t change_set) override;

 private:
  absl::Status CompleteOwner(ImportRow& row);
  absl::Status CompleteCustomer(ImportRow& row);
  void Finish(ImportRow& row);
  bool BeganEmpty();
  void MissCustomer(ImportRow& row, const std::string& text, const std::string& why);

  Session& session_;
  const EntityNoun& entity_;
  const RowReader& reader_;
  References& references_;
  const TargetOptions options_;
  std::optional<bool> began_empty_;
};

// Errors of looking something up that say something about the row, not about the server.
bool IsAboutReference(const absl::Status& status) {
  return !client::IsFromServer(status) && (status.code() == absl::StatusCode::kNotFound ||
                                           status.code() == absl::StatusCode::kInvalidArgument);
}

void SetAttribute(Message& entity, const std::string& key, const std::string& value) {
  // Attributes take any text; there is nothing to fail.
  (void)SetField(entity, absl::StrCat("attributes.", key), value, ValueRules{});
}

absl::Status EntityTarget::Complete(std::vector<ImportRow>& rows) {
  std::vector<std::string> customers;
  for (const ImportRow& row : rows) {
    const auto customer = row.references.find("customer");
    if (row.fault.empty() && customer != row.references.end()) {
      customers.push_back(customer->second);
    }
  }
  if (absl::Status status = references_.LoadCustomers(customers); !status.ok()) return status;
  for (ImportRow& row : rows) {
    if (row.fault.empty()) {
      if (absl::Status status = CompleteOwner(row); !status.ok()) return status;
    }
    if (row.fault.empty()) {
      if (absl::Status status = CompleteCustomer(row); !status.ok()) return status;
    }
    if (row.fault.empty()) Finish(row);
  }
  return absl::OkStatus();
}

absl::Status EntityTarget::CompleteOwner(ImportRow& row) {
  const auto owner = row.references.find("owner");
  if (owner == row.references.end()) return absl::OkStatus();
  absl::StatusOr<std::string> name = references_.Member(owner->second);
  if (name.ok()) {
    SetText(*row.entity, "owner", *name);
    return absl::OkStatus();
  }
  if (!IsAboutReference(name.status())) return name.status();
  if (options_.missing_owner_is_none) {
    row.note = absl::StrCat(name.status().message(), ": no owner set");
    SetAttribute(*row.entity, "owner", owner->second);
  } else {
    row.fault = absl::StrCat(name.status().message(),
                             "; import members first, or say --missing-owner none");
  }
  return absl::OkStatus();
}

absl::Status EntityTarget::CompleteCustomer(ImportRow& row) {
  if (FieldOf(*row.entity, "customer") == nullptr) return absl::OkStatus();
  const auto customer = row.references.find("customer");
  if (customer == row.references.end()) {
    // A file without such a column says nothing about customers; an empty cell does.
    if (reader_.Writes("customer")) MissCustomer(row, "", "the row names no customer");
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> name = references_.Customer(customer->second);
  if (name.ok()) {
    SetText(*row.entity, "customer", *name);
    return absl::OkStatus();
  }
  if (!IsAboutReference(name.status())) return name.status();
  MissCustomer(row, customer->second, std::string(name.status().message()));
  return absl::OkStatus();
}

void EntityTarget::MissCustomer(ImportRow& row, const std::string& text, const std::string& why) {
  switch (options_.missing_customer.choice) {
    case MissingCustomer::Choice::kReject:
      row.fault = absl::StrCat(why, "; say --missing-customer none or a customer to take it");
      return;
    case MissingCustomer::Choice::kInstead:
      SetText(*row.entity, "customer", options_.missing_customer.instead);
      break;
    case MissingCustomer::Choice::kNone:
      break;
  }
  row.note = why;
  // What the file said is not lost.
  if (!text.empty()) SetAttribute(*row.entity, "customer", text);
}

void EntityTarget::Finish(ImportRow& row) {
  std::string external_id = GetText(*row.entity, "external_id");
  if (FieldOf(*row.entity, "title") != nullptr && GetText(*row.entity, "title").empty()) {
    const std::string kind = ValueText(*row.entity, "kind", ValueForm::kExact);
    SetText(*row.entity, "title", external_id.empty() ? kind : external_id);
  }
  row.hash = ContentHash(*row.entity);
  row.key = external_id;
  SetAttribute(*row.entity, kRowHashAttribute, row.hash);
}

// A first import finds nothing, so it need not look: the counters tell. Rows of this import are
// told apart by the importer.
bool EntityTarget::BeganEmpty() {
  if (began_empty_) return *began_empty_;
  began_empty_ = false;
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return false;
  v1::SummarizeRequest request;
  request.set_name(*tenant);
  const auto reply = session_.Ask<v1::SummarizeResponse>("Customers.Summarize", request);
  // Who may not read counters looks row by row.
  if (!reply.ok()) return false;
  int64_t count = 0;
  for (const auto& group : reply->groups()) {
    const bool is_record = group.kind() != "CUSTOMER" && group.kind() != "MEMBER";
    const bool counts = entity_.collection == "records" ? is_record : group.kind() == "CUSTOMER";
    if (counts) count += group.count();
  }
  began_empty_ = count == 0;
  return *began_empty_;
}

absl::StatusOr<std::map<std::string, ImportTarget::Found>> EntityTarget::Find(
    const std::vector<std::string>& keys) {
  std::map<std::string, Found> found;
  if (BeganEmpty()) return found;
  // One by one, and by search, which looks an external id up in its index; alternatives in a filter
  // would be found by reading everything.
  for (const std::string& key : keys) {
    ListFlags flags;
    flags.all = flags.show_inactive = flags.show_deleted = true;
    flags.words = {key};
    flags.filter = absl::StrCat("external_id = ", FilterText(key));
    const absl::Status status = ForEachListed(session_, entity_, flags, [&](const Message& row) {
      // The filter ignores case and knows wildcards.
      if (GetText(row, "external_id") != key) return true;
      Found& entry = found[key];
      const bool deleted = ValueText(row, "state", ValueForm::kExact) == "DELETED";
      // Of one live and any number of deleted holders the live one counts.
      if (entry.entity != nullptr && deleted) return true;
      entry.entity.reset(row.New());
      entry.entity->CopyFrom(row);
      entry.deleted = deleted;
      entry.hash.clear();
      for (const Message* attribute : Elements(row, "attributes")) {
        if (GetText(*attribute, "key") == kRowHashAttribute) {
          entry.hash = GetText(*attribute, "value");
        }
      }
      return true;
    });
    if (!status.ok()) return status;
  }
  return found;
}

absl::Status EntityTarget::Create(const std::vector<const ImportRow*>& rows, int64_t change_set) {
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return tenant.status();
  Exchange exchange =
      NewExchange(absl::StrCat(entity_.service, ".BatchCreate", entity_.title, "s"));
  SetText(*exchange.request, "parent", *tenant);
  const auto* requests = FieldOf(*exchange.request, "requests");
  for (const ImportRow* row : rows) {
    Message* request =
        exchange.request->GetReflection()->AddMessage(exchange.request.get(), requests);
    Message* entity = MutableSub(*request, entity_.field);
    entity->CopyFrom(*row->entity);
    SetText(*entity, "external_id", row->key);
  }
  SetInt64(*MutableSub(*exchange.request, "options"), "change_set", change_set);
  return session_.Run(exchange);
}

absl::Status EntityTarget::Update(const ImportRow& row, const Found& found, int64_t change_set) {
  Exchange exchange = NewExchange(absl::StrCat(entity_.service, ".Update", entity_.title));
  Message& entity = *MutableSub(*exchange.request, entity_.field);
  entity.CopyFrom(*row.entity);
  SetText(entity, "name", GetText(*found.entity, "name"));
  SetText(entity, "external_id", "");
  // Entries that others added stay; those of the file's columns are the file's.
  for (const Message* attribute : Elements(*found.entity, "attributes")) {
    const std::string key = GetText(*attribute, "key");
    if (key == kRowHashAttribute || reader_.attributes().contains(key)) continue;
    SetAttribute(entity, key, GetText(*attribute, "value"));
  }
  google::protobuf::FieldMask mask;
  mask.add_paths("attributes");
  for (const std::string& field : reader_.fields()) {
    if (field != "attributes" && field != "external_id" && field != "kind") mask.add_paths(field);
  }
  MutableSub(*exchange.request, "update_mask")->CopyFrom(mask);
  Message& options = *MutableSub(*exchange.request, "options");
  SetText(options, "etag", GetText(*found.entity, "etag"));
  SetInt64(options, "change_set", change_set);
  return session_.Run(exchange);
}

}  // namespace

std::unique_ptr<ImportTarget> NewEntityTarget(Session& session, const EntityNoun& entity,
                                              const RowReader& reader, References& references,
                                              TargetOptions options) {
  return std::make_unique<EntityTarget>(session, entity, reader, references, std::move(options));
}

}  // namespace retrace::cli
