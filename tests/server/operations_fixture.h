// Operations over real gRPC, for tests.
#pragma once

#include <grpcpp/client_context.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/history.grpc.pb.h"
#include "retrace/v1/operations.grpc.pb.h"
#include "retrace/v1/records.grpc.pb.h"
#include "retrace/v1/recycle_bin.pb.h"
#include "tests/server/rpc_fixture.h"
#include "tests/server/service_fixture.h"

namespace retrace::server {
class OperationsTest : public ServiceFixture {
 protected:
  using Operation = google::longrunning::Operation;
  using Metadata = v1::OperationMetadata;
  static constexpr char kParent[] = "tenants/acme";

  void SetUp() override { Connect(); }

  void Connect() {
    const auto channel = Channel();
    customers_ = v1::Customers::NewStub(channel);
    records_ = v1::Records::NewStub(channel);
    history_ = v1::History::NewStub(channel);
    operations_ = v1::Operations::NewStub(channel);
    running_ = google::longrunning::Operations::NewStub(channel);
  }

  // Customers `prefix 0` ... of the level; their names.
  std::vector<std::string> Create(int count, const std::string& level, int64_t change_set = 0) {
    v1::BatchCreateCustomersRequest request;
    request.mutable_options()->set_change_set(change_set);
    request.set_parent(kParent);
    for (int i = 0; i < count; ++i) {
      auto& customer = *request.add_requests()->mutable_customer();
      customer.set_organization_name(fmt::format("{} {}", level, i));
      customer.set_level(level);
    }
    v1::BatchCreateCustomersResponse response;
    const auto context = As("administrator");
    const grpc::Status status = customers_->BatchCreateCustomers(context.get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> names;
    for (const v1::Customer& customer : response.customers()) {
      names.push_back(customer.name());
    }
    return names;
  }

  // Deals of the customer.
  void CreateDeals(const std::string& customer, int count) {
    for (int begin = 0; begin < count; begin += 1000) {
      v1::BatchCreateRecordsRequest request;
      request.set_parent(kParent);
      for (int i = begin; i < std::min(count, begin + 1000); ++i) {
        auto& deal = *request.add_requests()->mutable_record();
        deal.set_kind(v1::Record::DEAL);
        deal.set_title(fmt::format("deal {}", i));
        deal.set_customer(customer);
      }
      v1::BatchCreateRecordsResponse response;
      const grpc::Status status =
          records_->BatchCreateRecords(As("administrator").get(), request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
    }
  }

  void CreateDeal(const std::string& customer, int64_t change_set = 0) {
    v1::CreateRecordRequest request;
    request.mutable_options()->set_change_set(change_set);
    request.set_parent(kParent);
    request.mutable_record()->set_kind(v1::Record::DEAL);
    request.mutable_record()->set_title("deal");
    request.mutable_record()->set_customer(customer);
    v1::CreateRecordResponse response;
    const grpc::Status status =
        records_->CreateRecord(As("administrator").get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  static v1::StartOperationRequest Deletion(const std::string& filter) {
    v1::StartOperationRequest request;
    request.set_parent(kParent);
    v1::DeleteCustomerRequest deletion;
    deletion.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    request.mutable_command()->PackFrom(deletion);
    request.set_filter(filter);
    request.mutable_options()->set_reason("clean up");
    return request;
  }

  static v1::StartOperationRequest Undo(int64_t change_set, v1::UndoMode mode = v1::STRICT) {
    v1::StartOperationRequest request;
    request.set_parent(kParent);
    v1::UndoRequest undo;
    undo.set_parent(kParent);
    undo.add_names(fmt::format("{}/changeSets/{}", kParent, change_set));
    undo.set_mode(mode);
    request.mutable_command()->PackFrom(undo);
    request.mutable_options()->set_reason("wrong");
    return request;
  }

  grpc::Status Start(const v1::StartOperationRequest& request, Operation& operation,
                     const std::string& principal = "administrator") {
    return operations_->StartOperation(As(principal).get(), request, &operation);
  }

  // Starts it and waits for its end.
  Operation Run(v1::StartOperationRequest request) {
    Operation operation;
    const grpc::Status status = Start(request, operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return Await(operation.name());
  }

  Operation Await(const std::string& name) {
    Operation operation;
    for (int i = 0; i < 60 && !operation.done(); ++i) {
      google::longrunning::WaitOperationRequest request;
      request.set_name(name);
      const grpc::Status status =
          running_->WaitOperation(As("administrator").get(), request, &operation);
      EXPECT_TRUE(status.ok()) << status.error_message();
      if (!status.ok()) break;
    }
    EXPECT_TRUE(operation.done()) << operation.DebugString();
    return operation;
  }

  static Metadata MetadataOf(const Operation& operation) {
    Metadata metadata;
    EXPECT_TRUE(operation.metadata().UnpackTo(&metadata));
    return metadata;
  }

  static v1::OperationResult ResultOf(const Operation& operation) {
    v1::OperationResult result;
    EXPECT_TRUE(operation.response().UnpackTo(&result)) << operation.DebugString();
    return result;
  }

  static std::string ReasonOf(const Operation& operation) {
    google::rpc::ErrorInfo info;
    return operation.error().details_size() > 0 && operation.error().details(0).UnpackTo(&info)
               ? info.reason()
               : "";
  }

  std::string Digest() {
    v1::GetDigestRequest request;
    request.set_parent(kParent);
    v1::GetDigestResponse response;
    const grpc::Status status = history_->GetDigest(As("administrator").get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.content_digest();
  }

  v1::ListOperationItemsResponse Items(const std::string& name) {
    v1::ListOperationItemsRequest request;
    request.set_parent(name);
    v1::ListOperationItemsResponse response;
    const grpc::Status status =
        operations_->ListOperationItems(As("auditor").get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  void Update(const std::string& name, const std::string& level) {
    v1::UpdateCustomerRequest request;
    request.mutable_customer()->set_name(name);
    request.mutable_customer()->set_level(level);
    request.mutable_update_mask()->add_paths("level");
    v1::UpdateCustomerResponse response;
    const grpc::Status status =
        customers_->UpdateCustomer(As("administrator").get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  std::unique_ptr<v1::Customers::Stub> customers_;
  std::unique_ptr<v1::Records::Stub> records_;
  std::unique_ptr<v1::History::Stub> history_;
  std::unique_ptr<v1::Operations::Stub> operations_;
  std::unique_ptr<google::longrunning::Operations::Stub> running_;
};

}  // namespace retrace::server
