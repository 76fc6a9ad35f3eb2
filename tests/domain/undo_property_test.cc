// The laws of undo, over random histories of two actors. Each run takes other histories and prints
// the seed; RETRACE_SEED=N runs that one again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "tests/domain/random_history.h"
#include "tests/domain/sample_kind.h"
#include "tests/domain/undo_model.h"

namespace retrace::domain {
namespace {

using retrace::testing::AddSampleKind;
using retrace::testing::CreateSample;
using retrace::testing::DeleteSample;
using retrace::testing::kSample;
using retrace::testing::RandomHistory;
using retrace::testing::Reply;
using retrace::testing::Sample;
using retrace::testing::TestTenant;
using retrace::testing::UndoModel;
using retrace::testing::UpdateSample;

const bool kAdded = (AddSampleKind(), true);

bool OneSeedOnly() { return std::getenv("RETRACE_SEED") != nullptr; }

// Runs `law(seed)` with other seeds each time.
template <typename Law>
void ForSeeds(int histories, Law law) {
  ASSERT_TRUE(kAdded);
  const char* fixed = std::getenv("RETRACE_SEED");
  const uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device()();
  for (int i = 0; i < (fixed != nullptr ? 1 : histories); ++i) {
    const uint64_t one = seed + static_cast<uint64_t>(i);
    SCOPED_TRACE(fmt::format("RETRACE_SEED={}", one));
    law(one);
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

// Every command of customers, records, members and the policy, cascades and batches included.
constexpr int kHistories = 60;
constexpr int kSteps = 60;

TEST(UndoPropertyTest, UndoAfterDoIsIdentity) {
  int undone = 0;
  ForSeeds(kHistories, [&](uint64_t seed) {
    RandomHistory history(seed);
    TestTenant& tenant = history.tenant();
    for (int i = 0; i < kSteps && !::testing::Test::HasFailure(); ++i) {
      const std::string before = tenant.Content();
      const std::vector<std::string> counters = tenant.Counters();
      const Reply done = history.Step();
      if (done.position == 0) continue;
      const std::string after = tenant.Content();
      tenant.ActAs("root");
      const Reply undo = tenant.UndoCommit(done.position);
      ASSERT_TRUE(undo.ok()) << undo.status;
      EXPECT_EQ(tenant.Content(), before);
      if (undo.position == 0) continue;
      ++undone;
      const Reply redo = tenant.UndoCommit(undo.position);
      ASSERT_TRUE(redo.ok()) << redo.status;
      EXPECT_EQ(tenant.Content(), after);
    }
  });
  // About 45 of 100 commands change something that counts.
  if (!OneSeedOnly() && !::testing::Test::HasFailure()) {
    EXPECT_GT(undone, kHistories * kSteps / 3);
  }
}

TEST(UndoPropertyTest, UndosThenRedosAreIdentity) {
  ForSeeds(kHistories, [](uint64_t seed) {
    RandomHistory history(seed);
    TestTenant& tenant = history.tenant();
    std::vector<Position> done;
    for (int i = 0; i < kSteps; ++i) {
      if (const Reply reply = history.Step(); reply.position != 0) done.push_back(reply.position);
    }
    tenant.ActAs("root");
    const std::string before = tenant.Content();
    std::vector<Position> undos;
    for (size_t i = 0; i < 15 && i < done.size(); ++i) {
      const Reply undo = tenant.UndoCommit(done[done.size() - 1 - i]);
      ASSERT_TRUE(undo.ok()) << undo.status;
      if (undo.position != 0) undos.push_back(undo.position);
    }
    EXPECT_FALSE(undos.empty());
    for (size_t i = undos.size(); i > 0; --i) {
      const Reply redo = tenant.UndoCommit(undos[i - 1]);
      ASSERT_TRUE(redo.ok()) << redo.status;
    }
    EXPECT_EQ(tenant.Content(), before);
    const auto replayed = tenant.Replay();
    ASSERT_TRUE(replayed.ok()) << replayed.status();
    EXPECT_TRUE(*replayed == tenant.rows());
  });
}

TEST(UndoPropertyTest, UndoingEverythingBackwardsLeavesNothing) {
  ForSeeds(kHistories, [](uint64_t seed) {
    RandomHistory history(seed);
    TestTenant& tenant = history.tenant();
    for (int i = 0; i < kSteps; ++i) {
      history.Step();
    }
    tenant.ActAs("root");
    for (Position position = tenant.head(); position > 0; --position) {
      const Reply undo = tenant.UndoCommit(position);
      ASSERT_TRUE(undo.ok()) << position << ": " << undo.status;
    }
    EXPECT_EQ(tenant.Content(), "");
  });
}

// Two actors on few customers, records and samples; undos and redos of any commit in any order.
class Mix {
 public:
  explicit Mix(uint64_t seed) : random_(seed) {
    v1::UpdatePolicyRequest request;
    request.mutable_policy()->set_name("tenants/acme/policy");
    request.mutable_policy()->add_unique_keys("none");
    EXPECT_TRUE(tenant_.Do(request).ok());
    model_.Remember(tenant_);
  }

  void Step() {
    tenant_.ActAs(Chance(50) ? "ann" : "bob");
    const size_t dice = Below(100);
    if (dice < 45 && tenant_.head() > 1) {
      return UndoSomething();
    }
    const Reply reply = dice < 60   ? Create()
                        : dice < 86 ? Update()
                        : dice < 90 ? Merge()
                        : dice < 96 ? Delete()
                                    : Undelete();
    if (reply.position != 0) {
      model_.Did(tenant_);
    }
  }

  TestTenant& tenant() { return tenant_; }
  UndoModel& model() { return model_; }
  int undone() const { return undone_; }
  int refused() const { return refused_; }

 private:
  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  bool Chance(int percent) { return Below(100) < static_cast<size_t>(percent); }
  std::string OneOf(const std::vector<std::string>& values) { return values[Below(values.size())]; }
  std::string IdOf(KindNumber kind) { return ids_[kind].empty() ? "none" : OneOf(ids_[kind]); }
  std::string NameOfA(KindNumber kind) { return NameOf("acme", {kind, IdOf(kind)}); }

  Sample RandomSample() {
    Sample sample;
    sample.set_level(OneOf({"", "gold", "silver"}));
    sample.set_score(static_cast<int64_t>(Below(9)) - 4);
    for (size_t i = Below(3); i > 0; --i) {
      sample.add_steps(OneOf({"a", "b"}));
      if (const std::string tag = OneOf({"x", "y", "z"});
          std::find(sample.tags().begin(), sample.tags().end(), tag) == sample.tags().end()) {
        sample.add_tags(tag);
      }
      (*sample.mutable_attributes())[OneOf({"k", "l"})] = OneOf({"1", "2", ""});
      (*sample.mutable_numbered())[static_cast<int32_t>(Below(2))].set_text(OneOf({"p", "q"}));
      Sample::Part& part = *sample.add_parts();
      part.set_key(OneOf({"a", "b", "c", ""}));
      part.set_text(OneOf({"1", "2"}));
    }
    if (Chance(30)) sample.mutable_main()->set_text(OneOf({"1", "2", ""}));
    if (Chance(30)) sample.set_email(OneOf({"a@x", "b@x"}));
    if (Chance(30)) sample.set_pager(static_cast<int64_t>(Below(2)));
    return sample;
  }

  v1::Customer RandomCustomer() {
    v1::Customer customer;
    customer.set_display_name(OneOf({"Ann", "Bo"}));
    customer.set_level(OneOf({"", "gold", "silver"}));
    for (size_t i = Below(3); i > 0; --i) {
      customer.add_tags(OneOf({"a", "b", "c"}));
      customer.add_phones()->set_raw(OneOf({"22 12 34 56", "555"}));
      customer.add_addresses()->set_label(OneOf({"", "home"}));
      (*customer.mutable_attributes())[OneOf({"k", "l"})] = OneOf({"1", "2"});
    }
    return customer;
  }

  v1::Record RandomRecord() {
    v1::Record record;
    record.set_kind(v1::Record::DEAL);
    record.set_title(OneOf({"Pumps", "Valves"}));
    if (Chance(60)) record.set_customer(NameOfA(KindNumber::kCustomer));
    if (Chance(50)) {
      record.mutable_amount()->set_currency(OneOf({"EUR", "USD"}));
      record.mutable_amount()->set_minor_units(static_cast<int64_t>(Below(3)));
    }
    return record;
  }

  Reply Create() {
    const size_t dice = Below(3);
    Reply reply;
    KindNumber kind = kSample;
    if (dice == 0) {
      v1::CreateCustomerRequest request;
      request.set_parent("tenants/acme");
      *request.mutable_customer() = RandomCustomer();
      reply = tenant_.Do(request);
      kind = KindNumber::kCustomer;
    } else if (dice == 1) {
      v1::CreateRecordRequest request;
      request.set_parent("tenants/acme");
      *request.mutable_record() = RandomRecord();
      reply = tenant_.Do(request);
      kind = KindNumber::kRecord;
    } else {
      reply = CreateSample(tenant_, RandomSample());
    }
    if (reply.ok()) ids_[kind].push_back(reply.id());
    return reply;
  }

  Reply Update() {
    const size_t dice = Below(4);
    if (dice == 0) {
      v1::UpdateCustomerRequest request;
      *request.mutable_customer() = RandomCustomer();
      request.mutable_customer()->set_name(NameOfA(KindNumber::kCustomer));
      for (const char* path : {"level", "tags", "phones", "addresses", "attributes"}) {
        if (Chance(40)) request.mutable_update_mask()->add_paths(path);
      }
      return tenant_.Do(request);
    }
    if (dice == 1) {
      v1::UpdateRecordRequest request;
      *request.mutable_record() = RandomRecord();
      request.mutable_record()->set_name(NameOfA(KindNumber::kRecord));
      for (const char* path : {"title", "customer", "amount"}) {
        if (Chance(50)) request.mutable_update_mask()->add_paths(path);
      }
      return tenant_.Do(request);
    }
    std::vector<std::string> paths;
    for (const char* path : {"level", "steps", "main", "tags", "attributes.k", "attributes.l",
                             "parts", "score", "email", "pager", "numbered"}) {
      if (Chance(25)) paths.emplace_back(path);
    }
    return paths.empty() ? Reply() : UpdateSample(tenant_, IdOf(kSample), RandomSample(), paths);
  }

  Reply Delete() {
    const size_t dice = Below(3);
    if (dice == 0) {
      v1::DeleteCustomerRequest request;
      request.set_name(NameOfA(KindNumber::kCustomer));
      request.mutable_related()->set_all(Chance(50) ? v1::RelatedRecords::DELETE
                                                    : v1::RelatedRecords::KEEP);
      return tenant_.Do(request);
    }
    if (dice == 1) {
      v1::DeleteRecordRequest request;
      request.set_name(NameOfA(KindNumber::kRecord));
      return tenant_.Do(request);
    }
    return DeleteSample(tenant_, IdOf(kSample));
  }

  Reply Merge() {
    v1::MergeCustomersRequest request;
    request.set_name(NameOfA(KindNumber::kCustomer));
    request.add_losers(NameOfA(KindNumber::kCustomer));
    return tenant_.Do(request);
  }

  Reply Undelete() {
    if (Chance(50)) {
      v1::UndeleteCustomerRequest request;
      request.set_name(NameOfA(KindNumber::kCustomer));
      return tenant_.Do(request);
    }
    v1::UndeleteRecordRequest request;
    request.set_name(NameOfA(KindNumber::kRecord));
    return tenant_.Do(request);
  }

  void UndoSomething() {
    // Mostly something that is not long ago, often an undo.
    const Position back =
        Chance(70) ? std::min<Position>(6, tenant_.head() - 1) : tenant_.head() - 1;
    const Position position = tenant_.head() - Below(back);
    const std::string before = tenant_.Content();
    const Reply undo = tenant_.UndoCommit(position);
    if (!undo.ok()) {
      EXPECT_NE(undo.reason(), v1::ERROR_REASON_UNSPECIFIED) << undo.status;
      EXPECT_EQ(tenant_.Content(), before);
      ++refused_;
    } else if (undo.position != 0) {
      EXPECT_EQ(model_.Undid(tenant_, position), "");
      ++undone_;
    }
  }

  std::mt19937_64 random_;
  TestTenant tenant_;
  UndoModel model_;
  std::map<KindNumber, std::vector<std::string>> ids_;
  int undone_ = 0;
  int refused_ = 0;
};

TEST(UndoPropertyTest, AnyMixEqualsAReplayOfWhatStands) {
  int undone = 0, refused = 0;
  ForSeeds(2000, [&](uint64_t seed) {
    Mix mix(seed);
    for (int i = 0; i < 40 && !::testing::Test::HasFailure(); ++i) {
      mix.Step();
      if (i % 8 == 7) {
        ASSERT_EQ(mix.model().Differs(mix.tenant()), "") << "after step " << i;
      }
    }
    undone += mix.undone();
    refused += mix.refused();
  });
  if (!OneSeedOnly() && !::testing::Test::HasFailure()) {
    EXPECT_GT(undone, 15'000);
    EXPECT_GT(refused, 10'000);
  }
}

}  // namespace
}  // namespace retrace::domain
