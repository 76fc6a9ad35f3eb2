#include "domain/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::FaultyFields;
using retrace::testing::Metadata;
using retrace::testing::Unmet;
using ::testing::ElementsAre;
using ::testing::SizeIs;

template <typename Detail>
std::vector<Detail> All(const absl::Status& status) {
  std::vector<Detail> found;
  const google::rpc::Status details = DetailsOf(status);
  for (const auto& any : details.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) {
      found.push_back(detail);
    }
  }
  return found;
}

TEST(RefusalTest, CarriesCodeMessageAndReason) {
  const absl::Status status = Refusal(v1::ENTITY_NOT_FOUND, "There is none.").Next("Look again.");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(status.message()), "There is none. Look again.");
  EXPECT_EQ(ReasonOf(status), v1::ENTITY_NOT_FOUND);
  const auto errors = All<google::rpc::ErrorInfo>(status);
  ASSERT_THAT(errors, SizeIs(1));
  EXPECT_EQ(errors[0].reason(), "ENTITY_NOT_FOUND");
  EXPECT_EQ(errors[0].domain(), "retrace.v1");
  EXPECT_EQ(DetailsOf(status).code(), static_cast<int>(absl::StatusCode::kNotFound));
  ASSERT_THAT(All<google::rpc::Help>(status), SizeIs(1));
  EXPECT_EQ(All<google::rpc::Help>(status)[0].links(0).description(), "Look again.");
}

TEST(RefusalTest, GathersDetailsOfOneTypeInOne) {
  const absl::Status status = Refusal(v1::KEY_TAKEN, "Taken.")
                                  .With("key", "customers.email")
                                  .With("holder", "customers/1")
                                  .Field("a", "bad")
                                  .Field("b", "worse")
                                  .Unmet("KEY", "x", "held")
                                  .Unmet("KEY", "y", "held")
                                  .About("customer", "tenants/acme/customers/1")
                                  .RetryAfter(absl::Milliseconds(1500));
  EXPECT_EQ(Metadata(status, "key"), "customers.email");
  EXPECT_EQ(Metadata(status, "holder"), "customers/1");
  EXPECT_THAT(FaultyFields(status), ElementsAre("a", "b"));
  EXPECT_THAT(Unmet(status), ElementsAre("x: held", "y: held"));
  EXPECT_THAT(All<google::rpc::ErrorInfo>(status), SizeIs(1));
  EXPECT_THAT(All<google::rpc::BadRequest>(status), SizeIs(1));
  EXPECT_THAT(All<google::rpc::PreconditionFailure>(status), SizeIs(1));
  ASSERT_THAT(All<google::rpc::ResourceInfo>(status), SizeIs(1));
  EXPECT_EQ(All<google::rpc::ResourceInfo>(status)[0].resource_name(), "tenants/acme/customers/1");
  ASSERT_THAT(All<google::rpc::RetryInfo>(status), SizeIs(1));
  EXPECT_EQ(All<google::rpc::RetryInfo>(status)[0].retry_delay().seconds(), 1);
  EXPECT_EQ(All<google::rpc::RetryInfo>(status)[0].retry_delay().nanos(), 500'000'000);
}

TEST(RefusalTest, KeepsAtMostTwentyViolations) {
  Refusal refusal(v1::INVALID_FIELD, "Bad.");
  for (int i = 0; i < 30; ++i) {
    std::move(refusal).Field("f", "bad").Unmet("t", "s", "d");
  }
  EXPECT_THAT(FaultyFields(refusal), SizeIs(20));
  EXPECT_THAT(Unmet(refusal), SizeIs(20));
}

TEST(RefusalTest, TakesAnotherCodeWhereTheApiSaysSo) {
  const absl::Status status =
      Refusal(v1::KEY_TAKEN, "Taken.").Code(absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), v1::KEY_TAKEN);
}

TEST(RefusalTest, EveryReasonHasACode) {
  const auto* reasons = v1::ErrorReason_descriptor();
  for (int i = 0; i < reasons->value_count(); ++i) {
    const auto reason = static_cast<v1::ErrorReason>(reasons->value(i)->number());
    const bool internal = reason == v1::ERROR_REASON_UNSPECIFIED || reason == v1::INTERNAL_ERROR;
    EXPECT_EQ(CodeOf(reason) == absl::StatusCode::kInternal, internal) << reasons->value(i)->name();
    EXPECT_NE(CodeOf(reason), absl::StatusCode::kOk);
  }
}

TEST(RefusalTest, InsideAnElementOfABatch) {
  const absl::Status plain = Refusal(v1::INVALID_FIELD, "Bad.").Field("customer.emails[0]", "bad");
  const absl::Status inside = Inside("requests[17]", plain);
  EXPECT_EQ(std::string(inside.message()), "requests[17]: Bad.");
  EXPECT_THAT(FaultyFields(inside), ElementsAre("requests[17].customer.emails[0]"));
  EXPECT_EQ(Metadata(inside, "element"), "requests[17]");
  EXPECT_EQ(inside.code(), plain.code());
  EXPECT_EQ(ReasonOf(inside), v1::INVALID_FIELD);

  const absl::Status name = Refusal(v1::INVALID_FIELD, "Bad.").Field("name", "bad");
  EXPECT_THAT(FaultyFields(Inside("names[3]", name)), ElementsAre("names[3]"));
}

TEST(RefusalTest, OtherStatusesPassUnchanged) {
  const absl::Status loss = absl::DataLossError("damaged");
  EXPECT_EQ(Inside("names[3]", loss), loss);
  EXPECT_EQ(Inside("names[3]", absl::OkStatus()), absl::OkStatus());
  EXPECT_EQ(ReasonOf(loss), v1::ERROR_REASON_UNSPECIFIED);
  EXPECT_THAT(DetailsOf(loss).details(), SizeIs(0));
}

}  // namespace
}  // namespace retrace::domain
