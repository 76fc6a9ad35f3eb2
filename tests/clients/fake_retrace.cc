#include "tests/clients/fake_retrace.h"

#include <grpcpp/server_builder.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/field_mask_util.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace retrace::testing {
namespace {

constexpr char kEpoch[] = "00000000000000e1";

template <typename Request>
const v1::CommandOptions* OptionsOf(const Request& request) {
  if constexpr (requires { request.options(); }) return &request.options();
  return nullptr;
}

// True when the value passes a filter of alternatives `field = "value"`, the only ones that the
// clients' lookups use; anything else passes.
bool Passes(const std::string& filter, const std::string& field, const std::string& value) {
  if (!absl::StrContains(filter, absl::StrCat(field, " = "))) return true;
  return absl::StrContains(filter, absl::StrCat(field, " = \"", value, "\""));
}

template <typename Entity>
bool Fits(const Entity& entity, const std::string& filter, bool show_deleted) {
  if (entity.state() == Entity::DELETED && !show_deleted) return false;
  if constexpr (requires { entity.organization_name(); }) {
    const bool by_name = absl::StrContains(filter, "organization_name = ");
    if (by_name) {
      return Passes(filter, "organization_name", entity.organization_name()) ||
             (!entity.display_name().empty() &&
              Passes(filter, "display_name", entity.display_name()));
    }
  }
  if constexpr (requires { entity.external_id(); }) {
    return Passes(filter, "external_id", entity.external_id());
  }
  return true;
}

// What every kind refuses; OK when the entity may be created.
template <typename Entity>
grpc::Status Check(const std::map<std::string, Entity>& all, const Entity& entity) {
  if (entity.attributes().contains("refuse")) {
    return Refusal(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD", "refused on demand");
  }
  for (const auto& [name, other] : all) {
    if (other.state() != Entity::DELETED && !entity.external_id().empty() &&
        other.external_id() == entity.external_id()) {
      return Refusal(grpc::StatusCode::ALREADY_EXISTS, "KEY_TAKEN",
                     absl::StrCat("external_id is held by ", name));
    }
  }
  return grpc::Status::OK;
}

template <typename Entity>
Entity& Add(std::map<std::string, Entity>& all, const std::string& prefix, Entity entity,
            int64_t position) {
  const std::string name = absl::StrCat(prefix, "/", "id", all.size() + 1);
  entity.set_name(name);
  entity.set_state(Entity::ACTIVE);
  entity.set_etag(absl::StrCat("e", position));
  return all[name] = std::move(entity);
}

template <typename Entity>
grpc::Status Update(std::map<std::string, Entity>& all, const Entity& given,
                    const google::protobuf::FieldMask& mask, const std::string& etag,
                    int64_t position, Entity& result) {
  const auto found = all.find(given.name());
  if (found == all.end()) {
    return Refusal(grpc::StatusCode::NOT_FOUND, "ENTITY_NOT_FOUND", "no such entity");
  }
  if (!etag.empty() && etag != found->second.etag()) {
    return Refusal(grpc::StatusCode::ABORTED, "ETAG_MISMATCH", "it was changed");
  }
  google::protobuf::util::FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  google::protobuf::util::FieldMaskUtil::MergeMessageTo(given, mask, options, &found->second);
  found->second.set_etag(absl::StrCat("e", position));
  result = found->second;
  return grpc::Status::OK;
}

}  // namespace

grpc::Status Refusal(grpc::StatusCode code, const std::string& reason, const std::string& message) {
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("retrace.v1");
  details.add_details()->PackFrom(info);
  return grpc::Status(code, message, details.SerializeAsString());
}

template <typename Request>
grpc::Status FakeRetrace::Arrive(grpc::ServerContext* context, const std::string& method,
                                 const Request& request) {
  methods.push_back(method);
  const auto found = context->client_metadata().find("authorization");
  authorizations.emplace_back(found == context->client_metadata().end()
                                  ? ""
                                  : std::string(found->second.data(), found->second.size()));
  if (const v1::CommandOptions* options = OptionsOf(request)) {
    request_ids.push_back(options->request_id());
    change_sets.push_back(options->change_set());
  }
  return fault ? fault(method) : grpc::Status::OK;
}

void FakeRetrace::Commit(v1::Outcome& outcome, int64_t change_set) {
  ++position;
  outcome.set_position(position);
  outcome.set_epoch(kEpoch);
  outcome.set_commit_id(absl::StrCat("c", position));
  outcome.set_change_set(change_set == 0 ? position : change_set);
}

class FakeRetrace::CustomerService : public v1::Customers::Service {
 public:
  explicit CustomerService(FakeRetrace& fake) : fake_(fake) {}

  grpc::Status CreateCustomer(grpc::ServerContext* context,
                              const v1::CreateCustomerRequest* request,
                              v1::CreateCustomerResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "CreateCustomer", *request);
    if (status.ok()) status = Check(fake_.customers, request->customer());
    if (!status.ok()) return status;
    *response->mutable_customer() =
        Add(fake_.customers, request->parent() + "/customers", request->customer(), fake_.position);
    fake_.Commit(*response->mutable_outcome(), request->options().change_set());
    return grpc::Status::OK;
  }

  grpc::Status GetCustomer(grpc::ServerContext* context, const v1::GetCustomerRequest* request,
                           v1::GetCustomerResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "GetCustomer", *request);
    if (!status.ok()) return status;
    const auto found = fake_.customers.find(request->name());
    if (found == fake_.customers.end()) {
      return Refusal(grpc::StatusCode::NOT_FOUND, "ENTITY_NOT_FOUND", "there is no such customer");
    }
    *response->mutable_customer() = found->second;
    response->mutable_answered()->set_position(request->has_as_of() ? request->as_of().position()
                                                                    : fake_.position);
    return grpc::Status::OK;
  }

  grpc::Status ListCustomers(grpc::ServerContext* context, const v1::ListCustomersRequest* request,
                             v1::ListCustomersResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "ListCustomers", *request);
    fake_.filters.push_back(request->filter());
    if (!status.ok()) return status;
    // Two to a page, so that paging is always tried.
    int skip = request->page_token().empty() ? 0 : std::stoi(request->page_token());
    int index = 0;
    for (const auto& [name, customer] : fake_.customers) {
      if (!Fits(customer, request->filter(), request->show_deleted())) continue;
      if (index++ < skip) continue;
      if (response->customers_size() == 2) {
        response->set_next_page_token(absl::StrCat(skip + 2));
        break;
      }
      *response->add_customers() = customer;
    }
    response->mutable_answered()->set_position(fake_.position);
    return grpc::Status::OK;
  }

  grpc::Status UpdateCustomer(grpc::ServerContext* context,
                              const v1::UpdateCustomerRequest* request,
                              v1::UpdateCustomerResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "UpdateCustomer", *request);
    if (!status.ok()) return status;
    fake_.Commit(*response->mutable_outcome(), request->options().change_set());
    return Update(fake_.customers, request->customer(), request->update_mask(),
                  request->options().etag(), fake_.position, *response->mutable_customer());
  }

  grpc::Status Summarize(grpc::ServerContext* context, const v1::SummarizeRequest* request,
                         v1::SummarizeResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "Summarize", *request);
    const std::pair<const char*, size_t> counts[] = {{"CUSTOMER", fake_.customers.size()},
                                                     {"DEAL", fake_.records.size()},
                                                     {"MEMBER", fake_.members.size()}};
    for (const auto& [kind, count] : counts) {
      if (count == 0) continue;
      auto* group = response->add_groups();
      group->set_kind(kind);
      group->set_count(static_cast<int64_t>(count));
    }
    return status;
  }

  grpc::Status BatchCreateCustomers(grpc::ServerContext* context,
                                    const v1::BatchCreateCustomersRequest* request,
                                    v1::BatchCreateCustomersResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "BatchCreateCustomers", *request);
    for (const auto& one : request->requests()) {
      if (status.ok()) status = Check(fake_.customers, one.customer());
    }
    if (!status.ok()) return status;
    for (const auto& one : request->requests()) {
      *response->add_customers() =
          Add(fake_.customers, request->parent() + "/customers", one.customer(), fake_.position);
    }
    fake_.Commit(*response->mutable_outcome(), request->options().change_set());
    return grpc::Status::OK;
  }

 private:
  FakeRetrace& fake_;
};

class FakeRetrace::RecordService : public v1::Records::Service {
 public:
  explicit RecordService(FakeRetrace& fake) : fake_(fake) {}

  grpc::Status ListRecords(grpc::ServerContext* context, const v1::ListRecordsRequest* request,
                           v1::ListRecordsResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "ListRecords", *request);
    if (!status.ok()) return status;
    for (const auto& [name, record] : fake_.records) {
      if (Fits(record, request->filter(), request->show_deleted()))
        *response->add_records() = record;
    }
    return grpc::Status::OK;
  }

  grpc::Status CreateRecord(grpc::ServerContext* context, const v1::CreateRecordRequest* request,
                            v1::CreateRecordResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "CreateRecord", *request);
    if (status.ok()) status = Check(fake_.records, request->record());
    if (!status.ok()) return status;
    *response->mutable_record() =
        Add(fake_.records, request->parent() + "/records", request->record(), fake_.position);
    fake_.Commit(*response->mutable_outcome(), request->options().change_set());
    return grpc::Status::OK;
  }

  grpc::Status BatchCreateRecords(grpc::ServerContext* context,
                                  const v1::BatchCreateRecordsRequest* request,
                                  v1::BatchCreateRecordsResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "BatchCreateRecords", *request);
    for (const auto& one : request->requests()) {
      if (status.ok()) status = Check(fake_.records, one.record());
    }
    if (!status.ok()) return status;
    for (const auto& one : request->requests()) {
      *response->add_records() =
          Add(fake_.records, request->parent() + "/records", one.record(), fake_.position);
    }
    fake_.Commit(*response->mutable_outcome(), request->options().change_set());
    return grpc::Status::OK;
  }

 private:
  FakeRetrace& fake_;
};

class FakeRetrace::MemberService : public v1::Members::Service {
 public:
  explicit MemberService(FakeRetrace& fake) : fake_(fake) {}

  grpc::Status CreateMember(grpc::ServerContext* context, const v1::CreateMemberRequest* request,
                            v1::CreateMemberResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "CreateMember", *request);
    if (!status.ok()) return status;
    const std::string name = absl::StrCat(request->parent(), "/members/", request->member_id());
    if (fake_.members.contains(name)) {
      return Refusal(grpc::StatusCode::ALREADY_EXISTS, "ID_TAKEN", "the id is taken");
    }
    const std::string& lead = request->member().lead();
    if (!lead.empty() && !fake_.members.contains(lead)) {
      return Refusal(grpc::StatusCode::FAILED_PRECONDITION, "REFERENCE_BROKEN", "no such lead");
    }
    fake_.members[name] = request->member();
    fake_.members[name].set_name(name);
    fake_.members[name].set_state(v1::Member::ACTIVE);
    fake_.Commit(*response->mutable_outcome(), request->options().change_set());
    return grpc::Status::OK;
  }

  grpc::Status GetMember(grpc::ServerContext* context, const v1::GetMemberRequest* request,
                         v1::GetMemberResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "GetMember", *request);
    if (!status.ok()) return status;
    const auto found = fake_.members.find(request->name());
    if (found == fake_.members.end()) {
      return Refusal(grpc::StatusCode::NOT_FOUND, "ENTITY_NOT_FOUND", "there is no such member");
    }
    *response->mutable_member() = found->second;
    return grpc::Status::OK;
  }

  grpc::Status ListMembers(grpc::ServerContext* context, const v1::ListMembersRequest* request,
                           v1::ListMembersResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "ListMembers", *request);
    for (const auto& [name, member] : fake_.members) *response->add_members() = member;
    return status;
  }

  grpc::Status UpdateMember(grpc::ServerContext* context, const v1::UpdateMemberRequest* request,
                            v1::UpdateMemberResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "UpdateMember", *request);
    if (!status.ok()) return status;
    fake_.Commit(*response->mutable_outcome(), request->options().change_set());
    return Update(fake_.members, request->member(), request->update_mask(),
                  request->options().etag(), fake_.position, *response->mutable_member());
  }

 private:
  FakeRetrace& fake_;
};

class FakeRetrace::HistoryService : public v1::History::Service {
 public:
  explicit HistoryService(FakeRetrace& fake) : fake_(fake) {}

  grpc::Status BeginChangeSet(grpc::ServerContext* context,
                              const v1::BeginChangeSetRequest* request,
                              v1::BeginChangeSetResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "BeginChangeSet", *request);
    if (!status.ok()) return status;
    fake_.Commit(*response->mutable_outcome(), 0);
    v1::ChangeSet& change_set = *response->mutable_change_set();
    change_set.set_number(fake_.position);
    change_set.set_title(request->title());
    change_set.set_state(v1::ChangeSet::OPEN);
    fake_.opened.push_back(change_set);
    return grpc::Status::OK;
  }

  grpc::Status EndChangeSet(grpc::ServerContext* context, const v1::EndChangeSetRequest* request,
                            v1::EndChangeSetResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "EndChangeSet", *request);
    if (!status.ok()) return status;
    for (v1::ChangeSet& change_set : fake_.opened) {
      if (absl::EndsWith(request->name(), absl::StrCat("/", change_set.number()))) {
        change_set.set_state(v1::ChangeSet::CLOSED);
        *response->mutable_change_set() = change_set;
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status ListChangeSets(grpc::ServerContext* context,
                              const v1::ListChangeSetsRequest* request,
                              v1::ListChangeSetsResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "ListChangeSets", *request);
    for (const v1::ChangeSet& change_set : fake_.opened) {
      if (Passes(request->filter(), "title", change_set.title())) {
        *response->add_change_sets() = change_set;
      }
    }
    return status;
  }

  grpc::Status WatchCommits(grpc::ServerContext* context, const v1::WatchCommitsRequest* request,
                            grpc::ServerWriter<v1::WatchCommitsResponse>* writer) override {
    int64_t last = 0;
    {
      std::lock_guard lock(fake_.mutex);
      grpc::Status status = fake_.Arrive(context, "WatchCommits", *request);
      if (!status.ok()) return status;
      if (request->after_position() > 0 && request->epoch() != kEpoch) {
        return Refusal(grpc::StatusCode::FAILED_PRECONDITION, "EPOCH_CHANGED", "another epoch");
      }
      last = fake_.position;
    }
    // Three commits to a stream, then the connection is "cut".
    v1::WatchCommitsResponse message;
    message.set_epoch(kEpoch);
    int sent = 0;
    for (int64_t at = request->after_position() + 1; at <= last; ++at) {
      if (sent++ == 3) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
      message.mutable_commit()->set_position(at);
      message.set_position(at);
      writer->Write(message);
    }
    message.mutable_caught_up();
    message.set_position(last);
    writer->Write(message);
    return grpc::Status::OK;
  }

 private:
  FakeRetrace& fake_;
};

class FakeRetrace::TenantService : public v1::Tenants::Service {
 public:
  explicit TenantService(FakeRetrace& fake) : fake_(fake) {}

  grpc::Status GetPolicy(grpc::ServerContext* context, const v1::GetPolicyRequest* request,
                         v1::GetPolicyResponse* response) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "GetPolicy", *request);
    *response->mutable_policy() = fake_.policy;
    return status;
  }

 private:
  FakeRetrace& fake_;
};

class FakeRetrace::NotificationService : public v1::Notifications::Service {
 public:
  explicit NotificationService(FakeRetrace& fake) : fake_(fake) {}

  grpc::Status WatchMyNotifications(
      grpc::ServerContext* context, const v1::WatchMyNotificationsRequest* request,
      grpc::ServerWriter<v1::WatchMyNotificationsResponse>* writer) override {
    std::lock_guard lock(fake_.mutex);
    grpc::Status status = fake_.Arrive(context, "WatchMyNotifications", *request);
    if (!status.ok()) return status;
    fake_.watched_from.push_back(request->after_position());
    v1::WatchMyNotificationsResponse message;
    message.set_position(++fake_.position);
    message.set_epoch(kEpoch);
    writer->Write(message);
    if (fake_.cuts-- > 0) {
      absl::SleepFor(fake_.quiet);
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
    }
    message.add_items()->set_subject("Customer “A” was deleted");
    message.set_unread_count(1);
    writer->Write(message);
    return grpc::Status::OK;
  }

 private:
  FakeRetrace& fake_;
};

FakeRetrace::FakeRetrace(const std::string& socket) {
  policy.set_time_zone("Asia/Shanghai");
  policy.set_currency_code("USD");
  services_.push_back(std::make_unique<CustomerService>(*this));
  services_.push_back(std::make_unique<RecordService>(*this));
  services_.push_back(std::make_unique<MemberService>(*this));
  services_.push_back(std::make_unique<HistoryService>(*this));
  services_.push_back(std::make_unique<TenantService>(*this));
  services_.push_back(std::make_unique<NotificationService>(*this));
  grpc::ServerBuilder builder;
  for (const auto& service : services_) builder.RegisterService(service.get());
  if (!socket.empty()) {
    builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  }
  server_ = builder.BuildAndStart();
}

FakeRetrace::~FakeRetrace() { Shutdown(); }

void FakeRetrace::Shutdown() {
  if (server_) server_->Shutdown();
  server_.reset();
}

std::shared_ptr<grpc::Channel> FakeRetrace::Channel() {
  return server_->InProcessChannel(grpc::ChannelArguments());
}

}  // namespace retrace::testing
