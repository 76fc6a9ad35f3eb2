// Unsubscribing without signing in (RFC 8058): what a POST does, and what nothing else does.
#include "server/unsubscribe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "domain/notification.h"
#include "domain/recipient.h"
#include "server/query_pool.h"
#include "tests/server/notifying_fixture.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class UnsubscribeTest : public NotifyingTest {
 protected:
  UnsubscribeTest() {
    Delete(NewCustomer("Acme", "bo"));
    Follow();
    token_ = *UnsubscribeToken(small_.ledger(), small_.tenant(), Deliveries().at(0));
  }

  http::UnsubscribeAnswer Call(const std::string& method, const std::string& token,
                               std::map<std::string, std::string> form = {},
                               const std::string& language = "en") {
    http::UnsubscribeCall call;
    call.method = method;
    call.token = token;
    call.form = std::move(form);
    call.client_address = "192.0.2.7";
    call.accept_language = language;
    http::UnsubscribeAnswer answer;
    absl::Notification answered;
    Unsubscribe(small_.ledger(), *principals_, *sequencer_, pool_)
        .Handle(call, [&](http::UnsubscribeAnswer given) {
          answer = std::move(given);
          answered.Notify();
        });
    answered.WaitForNotification();
    return answer;
  }
  http::UnsubscribeAnswer OneClick(const std::string& token) {
    return Call("POST", token, {{"List-Unsubscribe", "One-Click"}});
  }
  http::UnsubscribeAnswer OneClick() { return OneClick(token_); }
  // Of a mail that nobody here knows.
  std::string TokenFor(const std::string& recipient,
                       const std::string& kind = "customers.deleted") {
    v1::Delivery delivery;
    delivery.set_recipient(recipient);
    delivery.set_channel(v1::EMAIL);
    delivery.set_kind(kind);
    return *UnsubscribeToken(small_.ledger(), small_.tenant(), delivery);
  }
  bool MayReach(const std::string& recipient) {
    const RowView view(small_.ledger().rows(), small_.tenant().number, small_.tenant().visible);
    return *domain::MayReach(recipient, v1::EMAIL, "customers.deleted", view, "acme");
  }
  void SignInAs(const std::string& member, const std::string& principal) {
    v1::UpdateMemberRequest request;
    request.mutable_member()->set_name("tenants/acme/members/" + member);
    request.mutable_member()->set_principal(principal);
    request.mutable_update_mask()->add_paths("principal");
    Do(request);
  }
  std::vector<v1::ContactPoint> ContactPoints() {
    v1::ListContactPointsRequest request;
    request.set_parent("tenants/acme");
    const auto reply =
        Queries(small_.ledger()).Answer(small_.Call("ListContactPoints", "boss"), request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return {reply->contact_points().begin(), reply->contact_points().end()};
  }

  QueryPool pool_{2, 100};
  std::string token_;
};

TEST_F(UnsubscribeTest, OneClickSwitchesTheKindOffWithEvidence) {
  EXPECT_EQ(OneClick().status, 200);
  const auto points = ContactPoints();
  ASSERT_THAT(points, SizeIs(1));
  EXPECT_EQ(points[0].recipient(), "tenants/acme/members/bo");
  EXPECT_EQ(points[0].channel(), v1::EMAIL);
  ASSERT_THAT(points[0].choices(), SizeIs(1));
  EXPECT_EQ(points[0].choices(0).kind(), "customers.deleted");
  EXPECT_TRUE(points[0].choices(0).off());
  EXPECT_EQ(points[0].choices(0).evidence().source(), "ONE_CLICK");
  EXPECT_EQ(points[0].choices(0).evidence().client_address(), "192.0.2.7");
  EXPECT_TRUE(points[0].choices(0).evidence().has_time());
  // The next one is not sent, other kinds are.
  const std::string name = NewCustomer("Beta", "bo");
  Delete(name);
  Follow();
  EXPECT_THAT(Deliveries(), SizeIs(1));
  v1::PurgeEntitiesRequest purge;
  purge.set_parent("tenants/acme");
  purge.add_names(name);
  Do(purge);
  Follow();
  EXPECT_THAT(Deliveries("kind = \"customers.purged\""), SizeIs(1));
}

TEST_F(UnsubscribeTest, TenTimesIsOnce) {
  OneClick();
  const auto head = small_.tenant().visible.load();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(OneClick().status, 200);
  EXPECT_EQ(small_.tenant().visible.load(), head);
}

TEST_F(UnsubscribeTest, LookingChangesNothing) {
  const auto head = small_.tenant().visible.load();
  for (const char* method : {"GET", "HEAD"}) {
    const auto page = Call(method, token_);
    EXPECT_EQ(page.status, 200);
    EXPECT_THAT(page.body, HasSubstr("<button"));
    EXPECT_THAT(page.body, HasSubstr("Unsubscribe"));
  }
  EXPECT_EQ(small_.tenant().visible.load(), head);
  EXPECT_THAT(ContactPoints(), IsEmpty());
}

TEST_F(UnsubscribeTest, TheButtonTakesItBack) {
  OneClick();
  EXPECT_THAT(Call("GET", token_).body, HasSubstr("Subscribe again"));
  EXPECT_EQ(Call("POST", token_, {{"action", "subscribe"}}).status, 200);
  EXPECT_FALSE(ContactPoints().at(0).choices(0).off());
  EXPECT_EQ(ContactPoints().at(0).choices(0).evidence().source(), "PAGE");
  Delete(NewCustomer("Beta", "bo"));
  Follow();
  EXPECT_THAT(Deliveries(), SizeIs(2));
}

TEST_F(UnsubscribeTest, SpeaksChinese) {
  const auto page = Call("GET", token_, {}, "zh-CN,zh;q=0.9,en;q=0.8");
  EXPECT_THAT(page.body, HasSubstr("退订"));
  EXPECT_THAT(page.body, HasSubstr("lang=\"zh-CN\""));
  EXPECT_THAT(Call("GET", token_, {}, "en,zh;q=0.5").body, Not(HasSubstr("退订")));
}

TEST_F(UnsubscribeTest, WeighsTheLanguagesThatTheBrowserAsksFor) {
  const auto is_chinese = [this](const std::string& token, const std::string& accepted) {
    return Call("GET", token, {}, accepted).body.find("lang=\"zh-CN\"") != std::string::npos;
  };
  const std::string english = TokenFor("tenants/acme/members/anna");
  EXPECT_TRUE(is_chinese(english, "en;q=0.3, zh;q=0.9"));
  EXPECT_TRUE(is_chinese(english, "ZH-Hant-TW"));
  EXPECT_TRUE(is_chinese(english, "en; Q=0, fr, zh_TW;q=0.1"));
  EXPECT_FALSE(is_chinese(token_, "en-zh"));
  EXPECT_FALSE(is_chinese(token_, "zh;q=0,EN;q=0.1"));
  EXPECT_FALSE(is_chinese(token_, "zh;q=much,en;q=0.1"));
  // Nothing that the page is written in: what the recipient reads.
  for (const char* accepted : {"", "fr, de;q=0.5", "*", "zho", ",;,=q"}) {
    EXPECT_TRUE(is_chinese(token_, accepted)) << accepted;
    EXPECT_FALSE(is_chinese(english, accepted)) << accepted;
    EXPECT_FALSE(is_chinese("none of ours", accepted)) << accepted;
  }
}

TEST_F(UnsubscribeTest, SaysWhenNothingIsSentInAnyCase) {
  v1::SuppressContactPointRequest suppress;
  suppress.set_parent("tenants/acme");
  suppress.set_recipient("tenants/acme/members/bo");
  suppress.set_channel(v1::EMAIL);
  suppress.mutable_options()->set_reason("asked by phone");
  Do(suppress);
  EXPECT_THAT(Call("GET", token_).body, HasSubstr("No e-mail is sent to this address"));
  EXPECT_THAT(OneClick().body, HasSubstr("You get no e-mail about this"));
  EXPECT_THAT(Call("POST", token_, {{"action", "subscribe"}}).body,
              HasSubstr("No e-mail is sent to this address"));
}

// As after a recovery from a backup that is older than the mail.
TEST_F(UnsubscribeTest, ATokenOutlivesItsDelivery) {
  EXPECT_TRUE(MayReach("tenants/acme/members/anna"));
  const std::string token = TokenFor("tenants/acme/members/anna");
  EXPECT_EQ(Call("GET", token).status, 200);
  EXPECT_EQ(OneClick(token).status, 200);
  EXPECT_FALSE(MayReach("tenants/acme/members/anna"));
  // Whoever is not known any more is told nothing, and nothing is kept of them.
  const auto head = small_.tenant().visible.load();
  EXPECT_EQ(OneClick(TokenFor("tenants/acme/members/nobody")).status, 200);
  EXPECT_EQ(small_.tenant().visible.load(), head);
}

TEST_F(UnsubscribeTest, WhatAMemberSwitchesOffIsOffUnderTheirOtherNames) {
  AddMember("mei", "boss", "zh");
  AddMember("meiling", "boss", "zh");
  const std::vector<std::string> names = {"tenants/acme/members/mei",
                                          "tenants/acme/members/meiling", "principals/boss"};
  EXPECT_EQ(OneClick(TokenFor(names[0])).status, 200);
  for (const std::string& name : names) EXPECT_FALSE(MayReach(name)) << name;
  // Also when they are one no more.
  SignInAs("meiling", "");
  for (const std::string& name : names) EXPECT_FALSE(MayReach(name)) << name;
}

TEST_F(UnsubscribeTest, WhatAPrincipalSwitchesOffIsOffForTheirMembers) {
  const std::string before = TokenFor("principals/boss");
  AddMember("mei", "boss", "zh");
  const std::string member = "tenants/acme/members/mei";
  ASSERT_EQ(OneClick(TokenFor(member)).status, 200);
  ASSERT_EQ(Call("POST", TokenFor(member), {{"action", "subscribe"}}).status, 200);
  EXPECT_TRUE(MayReach(member));
  EXPECT_TRUE(MayReach("principals/boss"));
  EXPECT_EQ(OneClick(before).status, 200);
  EXPECT_FALSE(MayReach(member));
  EXPECT_FALSE(MayReach("principals/boss"));
}

TEST_F(UnsubscribeTest, OfWhomWasPurgedNothingIsWrittenDown) {
  const v1::Delivery delivery = Deliveries().at(0);
  v1::DeleteMemberRequest deletion;
  deletion.set_name("tenants/acme/members/bo");
  Do(deletion);
  v1::PurgeEntitiesRequest purge;
  purge.set_parent("tenants/acme");
  purge.add_names("tenants/acme/members/bo");
  Do(purge);
  const auto head = small_.tenant().visible.load();
  EXPECT_EQ(OneClick().status, 200);
  EXPECT_EQ(small_.tenant().visible.load(), head);
  store::v1::RecordAttempt bounced;
  bounced.set_delivery(domain::IdOfName(delivery.name()));
  bounced.set_attempt(1);
  bounced.set_state(v1::Delivery::FAILED);
  bounced.set_result("refused: 550 5.1.1");
  bounced.set_address_refused(true);
  Do(bounced, "retraced");
  EXPECT_EQ(Deliveries().at(0).state(), v1::Delivery::FAILED);
  EXPECT_THAT(ContactPoints(), IsEmpty());
}

TEST_F(UnsubscribeTest, ForgedTruncatedAndForeignTokensAreUnknown) {
  const auto head = small_.tenant().visible.load();
  std::string forged = token_;
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  const std::string foreign =
      *UnsubscribeToken(small_.ledger(), small_.tenant("other"), Deliveries().at(0));
  std::string moved = token_;
  moved.replace(0, moved.find('.'), foreign.substr(0, foreign.find('.')));
  for (const std::string& token :
       {forged, token_.substr(0, token_.size() - 3), token_.substr(0, 5), moved,
        TokenFor("principals/boss", "customers.purged"), TokenFor("principals/boss", "x.y"),
        std::string(), std::string("."), std::string(10'000, 'a')}) {
    EXPECT_EQ(Call("GET", token).status, 404) << token;
    EXPECT_EQ(Call("POST", token, {{"List-Unsubscribe", "One-Click"}}).status, 404) << token;
  }
  EXPECT_EQ(small_.tenant().visible.load(), head);
}

TEST_F(UnsubscribeTest, APostThatAsksForNothingKnownChangesNothing) {
  EXPECT_EQ(Call("POST", token_).status, 400);
  EXPECT_EQ(Call("POST", token_, {{"List-Unsubscribe", "Two-Click"}}).status, 400);
  EXPECT_THAT(ContactPoints(), IsEmpty());
}

}  // namespace
}  // namespace retrace::server
