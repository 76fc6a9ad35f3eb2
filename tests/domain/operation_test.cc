// Chunks of operations, by example; over gRPC: tests/server/operations_test.cc.
#include "domain/operation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "retrace/v1/operations.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using testing::Reply;
using testing::TestTenant;
using v1::OperationMetadata;

class OperationTest : public ::testing::Test {
 protected:
  OperationTest() {
    for (int i = 0; i < 3; ++i) {
      customers_.push_back(
          acme_
              .Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                    customer { display_name: "Ann" })pb")
              .id());
    }
    store::v1::ResolvedOperation start;
    start.mutable_task()->set_method("retrace.v1.Customers.DeactivateCustomer");
    start.mutable_task()->set_position(acme_.head());
    start.mutable_task()->set_acknowledge_above(100);
    const Reply started = acme_.Do(start);
    EXPECT_TRUE(started.ok()) << started.status;
    operation_ = started.id();
    acme_.ActFor(operation_);
    options_.set_change_set(static_cast<int64_t>(started.position));
    EXPECT_TRUE(Decided([this](Draft& draft, const Context& context) {
                  return DecideCounted(operation_, {3, 3, 0}, draft, context);
                }).ok());
  }

  // What the runner submits, in the operation's change set.
  Reply Decided(const std::function<absl::Status(Draft&, const Context&)>& decide) {
    v1::DeactivateCustomerRequest request;
    request.set_name("tenants/acme/customers/x");
    *request.mutable_options() = options_;
    return acme_.DoWith(request, [&](const auto&, Draft& draft, const Context& context) {
      return decide(draft, context);
    });
  }

  // Deactivates `count` customers from `first` on.
  Reply Chunk(int64_t first, int64_t count) {
    OperationChunk chunk{operation_, first, {}};
    for (int64_t i = first; i < first + count; ++i) {
      const std::string& id = customers_[static_cast<size_t>(i)];
      v1::DeactivateCustomerRequest request;
      request.set_name("tenants/acme/customers/" + id);
      chunk.targets.push_back({request.name(),
                               {{KindNumber::kCustomer, id}},
                               DriftSign::kWrite,
                               [request](Draft& draft, const Context& context) {
                                 return Decide(request, draft, context);
                               }});
    }
    return Decided([&chunk](Draft& draft, const Context& context) {
      return DecideChunk(chunk, draft, context);
    });
  }

  const store::v1::OperationRow& row() {
    row_ = acme_.RowOf({KindNumber::kOperation, operation_});
    return row_->As<store::v1::OperationRow>();
  }

  TestTenant acme_;
  std::vector<std::string> customers_;
  std::string operation_;
  v1::CommandOptions options_;
  RowPtr row_;
};

TEST_F(OperationTest, AChunkIsDoneOnceAndInItsPlace) {
  EXPECT_TRUE(Chunk(0, 2).ok());
  EXPECT_EQ(Chunk(0, 2).reason(), v1::STATE_REFUSED);
  EXPECT_EQ(Chunk(1, 2).reason(), v1::STATE_REFUSED);
  EXPECT_EQ(row().ok(), 2);
  EXPECT_EQ(row().state(), OperationMetadata::RUNNING);
  EXPECT_TRUE(Chunk(2, 1).ok());
  EXPECT_EQ(row().state(), OperationMetadata::SUCCEEDED);
  // It is over, and its change set with it.
  EXPECT_EQ(Chunk(2, 1).reason(), v1::CHANGE_SET_CLOSED);
}

TEST_F(OperationTest, WhatItDidItselfIsNoDrift) {
  EXPECT_TRUE(Chunk(0, 1).ok());
  acme_.ActAs("bob");
  const std::string name = "tenants/acme/customers/" + customers_[1];
  EXPECT_TRUE(acme_.Do<v1::DeactivateCustomerRequest>(fmt::format("name: '{}'", name)).ok());
  acme_.ActAs("ann");
  EXPECT_TRUE(Chunk(1, 2).ok());
  EXPECT_EQ(row().state(), OperationMetadata::STOPPED);
  EXPECT_EQ(row().ok(), 1);
  EXPECT_THAT(row().end().message(), ::testing::HasSubstr("bob wrote it"));
}

TEST_F(OperationTest, ACancelledOneDoesNothingMore) {
  store::v1::OperationCancel cancel;
  cancel.set_name("tenants/acme/operations/" + operation_);
  EXPECT_TRUE(acme_.Record(cancel).ok());
  EXPECT_EQ(Chunk(0, 1).reason(), v1::CHANGE_SET_CLOSED);
  EXPECT_EQ(acme_.Record(cancel).reason(), v1::OPERATION_ENDED);
}

// A plan goes on to its end: what was purged while it was made is counted, not met for ever.
TEST_F(OperationTest, APlanStopsAtNothing) {
  store::v1::OperationTask task;
  task.set_plan_only(true);
  const OperationTarget written{"tenants/acme/customers/" + customers_[0],
                                {{KindNumber::kCustomer, customers_[0]}},
                                DriftSign::kWrite,
                                [](Draft&, const Context&) { return absl::OkStatus(); }};
  const Reply reply = Decided([&](Draft& draft, const Context& context) -> absl::Status {
    const auto tried = TryTargets(task, {written}, draft, context);
    EXPECT_TRUE(tried.ok() && tried->stopped_at.empty());
    EXPECT_EQ(tried->counts.drifted(), 1);
    task.set_plan_only(false);
    EXPECT_FALSE(TryTargets(task, {written}, draft, context)->stopped_at.empty());
    return absl::OkStatus();
  });
  EXPECT_TRUE(reply.ok()) << reply.status;
}

}  // namespace
}  // namespace retrace::domain
