// Random plans in random histories: executed to the digest that was planned, or not at all.
// RETRACE_SEED=N runs a random history again.
#include "tests/server/plan_fixture.h"

namespace retrace::server {
namespace {

// A random destructive command is planned, then others come in between: those that touch nothing of
// the plan must not disturb it, those that do must stop it.
class RandomPlans : public PlanTest {
 protected:
  void Round() {
    Refill();
    const std::string customer = Pick(live_);
    const std::string second = Pick(live_);
    switch (Below(4)) {
      case 0:
        Check(Deleting(customer), {customer}, /*live=*/true);
        break;
      case 1: {
        v1::DeleteCustomerRequest request = Deleting(customer);
        request.mutable_related()->set_all(v1::RelatedRecords::KEEP);
        Check(request, {customer}, true);
        break;
      }
      case 2: {
        if (customer == second) return;
        v1::BatchDeleteCustomersRequest request;
        request.set_parent("tenants/acme");
        request.add_names(customer);
        request.add_names(second);
        request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
        Check(request, {customer, second}, true);
        break;
      }
      default: {
        if (binned_.empty()) return;
        const std::string gone = Pick(binned_);
        v1::UndeleteCustomerRequest request;
        request.set_name(gone);
        Check(request, {gone}, false);
      }
    }
  }

  std::mt19937_64 random_;
  int executed_ = 0;
  int drifted_ = 0;

 private:
  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  std::string Pick(const std::set<std::string>& names) {
    return *std::next(names.begin(), static_cast<std::ptrdiff_t>(Below(names.size())));
  }
  void Refill() {
    while (live_.size() < 6) {
      const std::string name = NewCustomer(fmt::format("Customer {}", ++last_));
      for (size_t i = Below(4); i > 0; --i) NewRecord(name, static_cast<int64_t>(Below(1000)));
      live_.insert(name);
    }
  }

  // Something that has nothing to do with the customers named.
  void Unrelated(const std::set<std::string>& planned) {
    std::set<std::string> others;
    std::set_difference(live_.begin(), live_.end(), planned.begin(), planned.end(),
                        std::inserter(others, others.end()));
    const std::string other = Pick(others);
    switch (Below(3)) {
      case 0:
        ASSERT_TRUE(Rename(other, fmt::format("Renamed {}", ++last_)).status.ok());
        break;
      case 1:
        NewRecord(other, 5);
        break;
      default:
        NewCustomer(fmt::format("Passer-by {}", ++last_));
    }
  }
  // Something that changes what the plan was about.
  void Related(const std::string& customer, bool live) {
    if (!live) {
      v1::UndeleteCustomerRequest request;
      request.set_name(customer);
      ASSERT_TRUE(Do(request).status.ok());
      binned_.erase(customer);
      live_.insert(customer);
    } else if (Below(2) == 0) {
      ASSERT_TRUE(Rename(customer, fmt::format("Renamed {}", ++last_)).status.ok());
    } else {
      NewRecord(customer, 7);
    }
  }

  template <typename Request>
  void Check(const Request& request, const std::set<std::string>& planned, bool live) {
    const auto plan = PlanOf(request);
    ASSERT_TRUE(plan.ok()) << plan.status();
    for (size_t i = Below(4); i > 0; --i) Unrelated(planned);
    const bool related = Below(2) == 0;
    if (related) Related(*planned.begin(), live);
    for (size_t i = Below(3); i > 0; --i) Unrelated(planned);
    const auto head = tenant_->visible.load();
    const CommandResult result = Execute(request, *plan);
    if (related) {
      ++drifted_;
      EXPECT_EQ(domain::ReasonOf(result.status), v1::PLAN_DRIFTED) << result.status;
      EXPECT_FALSE(UnmetOf(result.status).empty());
      EXPECT_EQ(tenant_->visible, head);
      return;
    }
    ++executed_;
    ASSERT_TRUE(result.status.ok()) << result.status;
    EXPECT_EQ(StoredDigest(result.outcome.position()), plan->digest());
    for (const std::string& name : planned) {
      (live ? live_ : binned_).erase(name);
      (live ? binned_ : live_).insert(name);
    }
  }

  std::set<std::string> live_, binned_;
  int last_ = 0;
};

TEST_F(RandomPlans, ThenExecuteIsExactlyThePlanOrNothing) {
  const char* fixed = std::getenv("RETRACE_SEED");
  const uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device()();
  SCOPED_TRACE(fmt::format("RETRACE_SEED={}", seed));
  random_.seed(seed);
  for (int i = 0; i < 300 && !HasFailure(); ++i) Round();
  EXPECT_GT(executed_, 50);
  EXPECT_GT(drifted_, 50);
}

}  // namespace
}  // namespace retrace::server
