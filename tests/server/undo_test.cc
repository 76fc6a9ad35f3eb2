// What an undo is addressed to: found whole, or refused as soon as it is known to be too much.
#include "server/undo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "domain/refusal.h"
#include "domain/undo.h"
#include "tests/support/small_ledger.h"

namespace retrace::server {
namespace {

class ResolveUndoTest : public ::testing::Test {
 protected:
  // In one commit.
  void CreateCustomers(int count) {
    v1::BatchCreateCustomersRequest create;
    for (int i = 0; i < count; ++i) {
      create.add_requests()->mutable_customer()->set_display_name("Ann");
    }
    ASSERT_TRUE(small_.Do(create).status.ok());
  }
  absl::StatusOr<store::v1::ResolvedUndo> Resolve(UndoBound bound) {
    auto ann = std::make_shared<Principal>();
    ann->id = "ann";
    ann->permissions = {domain::kUndoAny};
    QueryCall call = small_.Call("undo");
    call.principal = std::move(ann);
    return ResolveUndo(History(small_.ledger()), call, request_, bound);
  }

  testing::SmallLedger small_;
  v1::UndoRequest request_;
};

TEST_F(ResolveUndoTest, MoreThanOneCommitTakesIsLeftToAnOperation) {
  CreateCustomers(600);
  CreateCustomers(600);
  request_.set_parent("tenants/acme");
  request_.add_names("tenants/acme/commits/1");
  EXPECT_TRUE(Resolve(UndoBound::kOneCommit).ok());
  request_.add_names("tenants/acme/commits/2");
  const absl::Status refused = Resolve(UndoBound::kOneCommit).status();
  EXPECT_EQ(domain::ReasonOf(refused), v1::USE_OPERATION);
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("Operations.StartOperation"));
  const auto all = Resolve(UndoBound::kNone);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->commits_size(), 2);
  // Of these commits only a few entities.
  request_.add_entities("tenants/acme/customers/any");
  EXPECT_TRUE(Resolve(UndoBound::kOneCommit).ok());
}

TEST_F(ResolveUndoTest, AFilterFindsAllCommitsOverSeveralPages) {
  for (int i = 0; i < 40; ++i) CreateCustomers(1);
  request_.set_parent("tenants/acme");
  request_.set_filter("position > 2");
  const auto found = Resolve(UndoBound::kOneCommit);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->commits_size(), 38);
  EXPECT_EQ(found->commits(0).position(), 3u);
  EXPECT_EQ(found->commits(37).position(), 40u);
  EXPECT_EQ(found->commits(37).entities_size(), 1);
}

}  // namespace
}  // namespace retrace::server
