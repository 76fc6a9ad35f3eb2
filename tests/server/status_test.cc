#include "server/status.h"

#include <string>

#include "absl/strings/escaping.h"
#include "domain/refusal.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/stubs/logging.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.pb.h"
#include "server/malformed.h"
#include "tests/server/rpc_fixture.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using ::testing::HasSubstr;

TEST(StatusTest, ARefusalGoesOutAsItIs) {
  const absl::Status refusal = Refusal(v1::KEY_TAKEN, "External id 7 is held.")
                                   .With("key", "customers.external_id")
                                   .Field("customer.external_id", "is held")
                                   .Next("Choose another.");
  const grpc::Status status = ToGrpcStatus(refusal);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(status.error_message(), std::string(refusal.message()));
  const WireError error = ErrorOf(status);
  EXPECT_EQ(error.reason, "KEY_TAKEN");
  EXPECT_THAT(error.fields, ::testing::ElementsAre("customer.external_id"));
  EXPECT_EQ(ReasonName(refusal), "KEY_TAKEN");
}

TEST(StatusTest, EveryStatusHasAReason) {
  const std::pair<absl::Status, const char*> cases[] = {
      {absl::CancelledError(), "CALLER_CANCELLED"},
      {absl::DeadlineExceededError("x"), "DEADLINE_PASSED"},
      {absl::UnavailableError("x"), "NOT_SERVING"},
      {absl::DataLossError("x"), "INTERNAL_ERROR"},
      {absl::InvalidArgumentError("x"), "INTERNAL_ERROR"},
      {absl::UnknownError("x"), "INTERNAL_ERROR"},
  };
  for (const auto& [status, reason] : cases) {
    EXPECT_EQ(ErrorOf(ToGrpcStatus(status)).reason, reason) << status;
    EXPECT_EQ(ReasonName(status), reason);
  }
  EXPECT_EQ(ToGrpcStatus(absl::DeadlineExceededError("")).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

// What a status takes in the trailers, percent-encoded and in base64.
size_t SizeOnWire(const grpc::Status& status) {
  size_t message = 0;
  for (const char c : status.error_message()) {
    message += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
  }
  return message + absl::Base64Escape(status.error_details()).size();
}

TEST(StatusTest, FitsIntoMetadata) {
  Refusal refusal(v1::INVALID_FIELD, std::string(20'000, 'm'));
  for (int i = 0; i < 20; ++i) {
    std::move(refusal).Field("field_" + std::to_string(i), std::string(3000, 'd'));
  }
  const grpc::Status status = ToGrpcStatus(refusal);
  EXPECT_LE(SizeOnWire(status), kMaxStatusBytes);
  EXPECT_EQ(ErrorOf(status).reason, "INVALID_FIELD");
  EXPECT_FALSE(ErrorOf(status).fields.empty());
}

TEST(StatusTest, CutsTextBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    text += "界";
  }
  const grpc::Status status = ToGrpcStatus(Refusal(v1::STATE_REFUSED, text));
  EXPECT_LE(SizeOnWire(status), kMaxStatusBytes);
  EXPECT_EQ(status.error_message().find("界..."), status.error_message().size() - 6);
}

std::string FaultOf(const std::string& bytes) {
  const auto fault = FindFault(*v1::CreateCustomerRequest::descriptor(), bytes);
  return fault.has_value() ? fault->field + ": " + fault->description : "none";
}

TEST(MalformedTest, FindsTheField) {
  v1::CreateCustomerRequest request;
  request.set_parent("tenants/acme");
  request.mutable_customer()->add_emails("good@example.com");
  (*request.mutable_customer()->mutable_attributes())["colour"] = "QQQQ";
  request.mutable_customer()->add_phones()->set_raw("PPPP");
  const std::string good = request.SerializeAsString();
  EXPECT_EQ(FaultOf(good), "none");
  const auto spoiled = [&](const std::string& what, const std::string& by) {
    std::string bytes = good;
    bytes.replace(bytes.find(what), what.size(), by);
    return FaultOf(bytes);
  };
  EXPECT_THAT(spoiled("QQQQ", "\xc3\x28QQ"), HasSubstr("customer.attributes.value: "));
  EXPECT_THAT(spoiled("colour", "colou\xff"), HasSubstr("customer.attributes.key: "));
  EXPECT_THAT(spoiled("PPPP", "\xed\xa0\x80P"), HasSubstr("customer.phones.raw: "));
  EXPECT_THAT(spoiled("good@", "\xf8\x88\x80\x80\x80"), HasSubstr("customer.emails: "));
}

// Whatever protobuf's parser refuses has a fault, and what it takes has none.
TEST(MalformedTest, AgreesWithTheParser) {
  google::protobuf::SetLogHandler(nullptr);
  v1::CreateCustomerRequest request;
  request.set_parent("tenants/acme");
  request.mutable_customer()->set_display_name("Łódź");
  request.mutable_customer()->add_phones()->set_raw("030 1");
  request.mutable_options()->set_change_set(1 << 20);
  const std::string good = request.SerializeAsString();
  int refused = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(value);
      v1::CreateCustomerRequest parsed;
      const bool parses = parsed.ParseFromString(bytes);
      refused += parses ? 0 : 1;
      // Groups are refused here and skipped there; nobody sends them.
      if (!parses) {
        EXPECT_NE(FaultOf(bytes), "none") << absl::CHexEscape(bytes);
      }
    }
    v1::CreateCustomerRequest cut;
    EXPECT_EQ(cut.ParseFromString(good.substr(0, at)), FaultOf(good.substr(0, at)) == "none");
  }
  EXPECT_GT(refused, 1000);
}

// google.protobuf.Value nests as deep as a sender likes.
TEST(MalformedTest, BoundsNesting) {
  const auto nested = [](int depth) {
    google::protobuf::Value value;
    google::protobuf::Value* at = &value;
    for (int i = 0; i < depth; ++i) {
      at = at->mutable_list_value()->add_values();
    }
    at->set_number_value(1);
    return value.SerializeAsString();
  };
  const auto& type = *google::protobuf::Value::descriptor();
  EXPECT_FALSE(FindFault(type, nested(40)).has_value());
  const auto fault = FindFault(type, nested(60));
  ASSERT_TRUE(fault.has_value());
  EXPECT_THAT(fault->description, HasSubstr("nest"));
  google::protobuf::Value parsed;
  EXPECT_TRUE(parsed.ParseFromString(nested(40)));
  EXPECT_FALSE(parsed.ParseFromString(nested(60)));
}

}  // namespace
}  // namespace retrace::server
