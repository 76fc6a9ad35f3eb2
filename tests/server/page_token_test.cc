// Page tokens: good for the very walk that they come from, and for nothing else.
#include "server/page_token.h"

#include <gtest/gtest.h>

#include <string>

#include "domain/refusal.h"
#include "server/moment.h"
#include "server/queries.h"
#include "tests/support/small_ledger.h"

namespace retrace {
namespace {

using testing::SmallLedger;

class PageTokenTest : public ::testing::Test {
 protected:
  PageTokenTest() {
    request_.set_parent("tenants/acme");
    request_.set_filter("level = gold");
    request_.set_page_size(10);
    small_.Do(
        testing::FromText<v1::CreateCustomerRequest>(R"pb(customer { display_name: "Ann" })pb"));
    store::v1::PageToken token;
    token.set_position(1);
    token.set_part(2);
    token.set_value(std::string("\0\xff", 2));
    token.set_id("one");
    auto sealed = server::SealPageToken(small_.ledger(), Call(), request_, token);
    EXPECT_TRUE(sealed.ok()) << sealed.status();
    text_ = *sealed;
  }
  server::QueryCall Call() { return small_.Call("List"); }
  absl::StatusOr<store::v1::PageToken> Open(const server::QueryCall& call, std::string_view text) {
    return server::OpenPageToken(small_.ledger(), call, request_, text);
  }
  v1::ErrorReason Reason(const server::QueryCall& call) {
    return domain::ReasonOf(Open(call, text_).status());
  }

  SmallLedger small_;
  v1::ListCustomersRequest request_;
  std::string text_;
};

TEST_F(PageTokenTest, OpensForTheSameRequestWhateverThePageSize) {
  request_.set_page_token(text_);
  request_.set_page_size(99);
  auto token = Open(Call(), text_);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(token->position(), 1u);
  EXPECT_EQ(token->part(), 2u);
  EXPECT_EQ(token->value(), std::string("\0\xff", 2));
  EXPECT_EQ(token->id(), "one");
}

TEST_F(PageTokenTest, IsSafeInAnAddress) {
  EXPECT_EQ(
      text_.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="),
      std::string::npos);
}

TEST_F(PageTokenTest, EveryChangedBitIsRefused) {
  for (size_t i = 0; i < text_.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text_;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_EQ(domain::ReasonOf(Open(Call(), changed).status()), v1::INVALID_PAGE_TOKEN)
          << i << " " << bit;
    }
  }
}

TEST_F(PageTokenTest, EveryCutIsRefused) {
  for (size_t size = 0; size < text_.size(); ++size) {
    EXPECT_EQ(domain::ReasonOf(Open(Call(), text_.substr(0, size)).status()),
              v1::INVALID_PAGE_TOKEN)
        << size;
  }
  EXPECT_EQ(domain::ReasonOf(Open(Call(), text_ + "AAAA").status()), v1::INVALID_PAGE_TOKEN);
}

TEST_F(PageTokenTest, AnotherCallerMethodTenantOrRequestIsRefused) {
  EXPECT_EQ(Reason(small_.Call("List", "bob")), v1::INVALID_PAGE_TOKEN);
  EXPECT_EQ(Reason(small_.Call("ListOthers")), v1::INVALID_PAGE_TOKEN);
  request_.set_filter("level = silver");
  EXPECT_EQ(Reason(Call()), v1::INVALID_PAGE_TOKEN);
  request_.set_filter("level = gold");
  request_.mutable_as_of()->set_position(1);
  EXPECT_EQ(Reason(Call()), v1::INVALID_PAGE_TOKEN);
  request_.clear_as_of();
  EXPECT_TRUE(Open(Call(), text_).ok());
  small_.In("other");
  EXPECT_EQ(Reason(Call()), v1::INVALID_PAGE_TOKEN);
}

// A token is younger than what is served only when commits that it saw are lost.
TEST_F(PageTokenTest, APositionThatIsNotThereIsRefused) {
  store::v1::PageToken token;
  for (const uint64_t position : {uint64_t{1}, uint64_t{2}}) {
    token.set_position(position);
    text_ = *server::SealPageToken(small_.ledger(), Call(), request_, token);
    EXPECT_EQ(Reason(Call()),
              position == 1 ? v1::ERROR_REASON_UNSPECIFIED : v1::INVALID_PAGE_TOKEN);
  }
}

TEST_F(PageTokenTest, AnotherEpochIsToldWithTheBranchPosition) {
  const uint64_t old_epoch = small_.ledger().log().epoch();
  small_.Reopen(/*new_epoch=*/true);
  small_.Do(
      testing::FromText<v1::CreateCustomerRequest>(R"pb(customer { display_name: "Bob" })pb"));
  const absl::Status status = Open(Call(), text_).status();
  EXPECT_EQ(domain::ReasonOf(status), v1::EPOCH_CHANGED);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(*server::BranchPosition(small_.ledger(), small_.tenant(), old_epoch), 1u);
}

// Epochs 1 1 2 3 3: what somebody knows from each, and from one that this tenant never had.
TEST_F(PageTokenTest, TheBranchPositionIsTheLastOfTheEpochAsked) {
  const auto create =
      testing::FromText<v1::CreateCustomerRequest>(R"pb(customer { display_name: "Bob" })pb");
  small_.Do(create);
  const uint64_t first = small_.ledger().log().epoch();
  small_.Reopen(true);
  small_.Do(create);
  const uint64_t second = small_.ledger().log().epoch();
  small_.Reopen(true);
  EXPECT_EQ(*server::BranchPosition(small_.ledger(), small_.tenant(), 12345), 3u);
  small_.Do(create);
  small_.Do(create);
  EXPECT_EQ(*server::BranchPosition(small_.ledger(), small_.tenant(), first), 2u);
  EXPECT_EQ(*server::BranchPosition(small_.ledger(), small_.tenant(), second), 3u);
  EXPECT_EQ(*server::BranchPosition(small_.ledger(), small_.tenant(), 12345), 3u);
  EXPECT_EQ(*server::BranchPosition(small_.ledger(), small_.tenant("other"), first), 0u);
}

}  // namespace
}  // namespace retrace
