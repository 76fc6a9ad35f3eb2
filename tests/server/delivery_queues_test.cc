// Whose turn it is, and how many may be under way to where.
#include "server/delivery_queues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace retrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DeliveryQueuesTest : public ::testing::Test {
 protected:
  void Add(Tenant& tenant, const std::string& webhook, int count) {
    for (int i = 0; i < count; ++i) {
      EXPECT_TRUE(queues_.Add({&tenant, webhook}, {&tenant, webhook + std::to_string(i)}));
    }
  }
  // Everything that may be under way now, in its order.
  std::vector<std::string> TakeAll() {
    std::vector<std::string> taken;
    while (const auto next = queues_.Take()) {
      taken.push_back(next->key.tenant->id + next->key.id);
    }
    return taken;
  }

  Tenant a_{"a", 1};
  Tenant b_{"b", 2};
  DeliveryQueues queues_{3, 16};
};

TEST_F(DeliveryQueuesTest, MailsOfAllTenantsAreBoundedTogetherAndTakeTurns) {
  Add(a_, "", 3);
  Add(b_, "", 3);
  const std::vector<std::string> first = TakeAll();
  ASSERT_EQ(first.size(), 3u);
  // Whoever comes first, the other is next.
  EXPECT_NE(first[0][0], first[1][0]);
  EXPECT_EQ(first[0][0], first[2][0]);
  EXPECT_THAT(TakeAll(), IsEmpty());
  Tenant& other = first[0][0] == 'a' ? b_ : a_;
  queues_.GiveBack({&other, ""});
  EXPECT_THAT(TakeAll(), ElementsAre(other.id + "1"));
}

TEST_F(DeliveryQueuesTest, AWebhookHasFourPlaces) {
  Add(a_, "w", 6);
  EXPECT_THAT(TakeAll(), ElementsAre("aw0", "aw1", "aw2", "aw3"));
  queues_.GiveBack({&a_, "w"}, 2);
  EXPECT_THAT(TakeAll(), ElementsAre("aw4", "aw5"));
}

TEST_F(DeliveryQueuesTest, TheWebhooksOfATenantHaveAQuarter) {
  for (const char* webhook : {"u", "v", "w"}) Add(a_, webhook, 4);
  EXPECT_THAT(TakeAll(), ElementsAre("au0", "av0", "aw0", "au1"));
  Add(b_, "x", 4);
  Add(b_, "", 1);
  EXPECT_THAT(TakeAll(), ::testing::UnorderedElementsAre("bx0", "bx1", "bx2", "bx3", "b0"));
  queues_.GiveBack({&a_, "v"});
  EXPECT_EQ(TakeAll().size(), 1u);
}

TEST_F(DeliveryQueuesTest, AllWebhooksAreBounded) {
  std::vector<std::unique_ptr<Tenant>> tenants;
  for (int i = 0; i < 6; ++i) {
    tenants.push_back(std::make_unique<Tenant>("t", i));
    Add(*tenants.back(), "w", 4);
  }
  EXPECT_EQ(TakeAll().size(), 16u);
}

TEST_F(DeliveryQueuesTest, AQueueHasAnEnd) {
  Add(a_, "w", 500);
  EXPECT_FALSE(queues_.Add({&a_, "w"}, {&a_, "more"}));
  EXPECT_TRUE(queues_.Add({&a_, "v"}, {&a_, "other"}));
}

}  // namespace
}  // namespace retrace::server
