// Everything that tells people what happens, with the network: a deliverer, and an endpoint on
// loopback that answers when and what the test says.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "domain/notification.h"
#include "fmt/format.h"
#include "retrace/v1/webhooks.pb.h"
#include "server/deliverer.h"
#include "server/http/server.h"
#include "tests/server/notifying_fixture.h"

namespace retrace::server {

// An endpoint, which takes what is posted to it.
class Receiver {
 public:
  Receiver() {
    auto server =
        http::Server::Start({.addresses = {"127.0.0.1:0"}},
                            [this](http::ExchangePtr exchange) { Take(std::move(exchange)); });
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~Receiver() { Held().clear(); }

  std::string Url(const std::string& path = "/") const {
    return fmt::format("http://127.0.0.1:{}{}", server_->ports().front(), path);
  }
  // From now on each request is answered so, at once; 0: it is held. Those to /hold always are.
  void AnswerWith(int status) { status_ = status; }
  // The oldest one that is held.
  http::ExchangePtr AwaitHeld() {
    const auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !held_.empty(); };
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&any), absl::Seconds(60))) {
      ADD_FAILURE() << "nothing is sent";
      return nullptr;
    }
    http::ExchangePtr exchange = std::move(held_.front());
    held_.erase(held_.begin());
    return exchange;
  }
  // How many requests came.
  int taken() const { return taken_; }

 private:
  void Take(http::ExchangePtr exchange) {
    ++taken_;
    if (status_ == 0 || exchange->request().path == "/hold") {
      absl::MutexLock lock(&mutex_);
      held_.push_back(std::move(exchange));
    } else {
      exchange->Send(http::TextReply(status_, ""));
    }
  }
  std::vector<http::ExchangePtr> Held() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(held_, {});
  }

  std::atomic<int> status_{204};
  std::atomic<int> taken_{0};
  absl::Mutex mutex_;
  std::vector<http::ExchangePtr> held_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<http::Server> server_;
};

class DelivererFixture : public NotifyingTest {
 protected:
  static constexpr int64_t kHourUs = int64_t{3600} * 1'000'000;

  ~DelivererFixture() override { deliverer_.reset(); }

  void StartDeliverer(DelivererOptions options = {}) {
    options.outbox.guard = *AddressGuard::Allowing({"127.0.0.0/8"});
    Deliverer::Parts parts{&small_.ledger(), sequencer_.get(), principals_.get(), clock_.get(),
                           [this](const Tenant& tenant) { return tenant.id != "acme" || open_; }};
    deliverer_ = std::make_unique<Deliverer>(parts, std::move(options));
  }
  // As the daemon does, in order or killed.
  void Restart(bool in_order) {
    deliverer_.reset();
    follower_.reset();
    addressing_.reset();
    sequencer_.reset();
    if (in_order) {
      EXPECT_TRUE(clock_->End().ok());
    }
    std::filesystem::create_directories(directory_.Below("log"));
    clock_ = *Clock::Open(directory_.path(), true);
    StartSequencer();
    StartFollower();
  }
  // True once it holds; fails the test when patience is over.
  static void Await(const std::function<bool()>& holds) {
    for (int i = 0; i < 6000; ++i) {
      if (holds()) return;
      absl::SleepFor(absl::Milliseconds(10));
    }
    ADD_FAILURE() << "in vain";
  }

  std::string NewWebhook(const std::string& url, const std::string& tenant = "acme") {
    v1::CreateWebhookRequest request;
    request.set_parent("tenants/" + tenant);
    request.mutable_webhook()->set_url(url);
    const auto made = Do(request, "boss", tenant);
    return fmt::format("tenants/{}/webhooks/{}", tenant, made.targets.at(0).first.id);
  }
  v1::Webhook WebhookOf(const std::string& name) {
    const RowView view(small_.ledger().rows(), small_.tenant().number, small_.tenant().visible);
    const auto row = view.Get({domain::KindNumber::kWebhook, domain::IdOfName(name)});
    return !row.ok() || *row == nullptr ? v1::Webhook() : (*row)->As<v1::Webhook>();
  }
  // Asks for something to be sent there, now.
  void Try(const std::string& webhook, const std::string& tenant = "acme") {
    v1::TestWebhookRequest request;
    request.set_name(webhook);
    Do(request, "boss", tenant);
  }
  // Tells the webhooks of something; its change set.
  int64_t Tell() {
    const int64_t change_set = Delete(NewCustomer("Acme", ""));
    Follow();
    return change_set;
  }
  // The delivery of a deletion, unless the filter says another.
  v1::Delivery Only(const std::string& filter = "kind = \"customers.deleted\"") {
    const auto found = Deliveries(filter);
    EXPECT_EQ(found.size(), 1u) << filter;
    return found.empty() ? v1::Delivery() : found.front();
  }
  // The same, once it was tried or given up.
  v1::Delivery AwaitTried(int32_t attempts = 1) {
    v1::Delivery tried;
    Await([&] {
      tried = Only();
      return tried.state() != v1::Delivery::PENDING || tried.attempt_count() >= attempts;
    });
    return tried;
  }
  // So many attempts came to nothing; it is due once more.
  void FailOften(int attempts) {
    for (int i = 0; i < attempts; ++i) Record(Only(), v1::Delivery::PENDING);
    ASSERT_TRUE(clock_->Advance(10'000'000).ok());
  }
  // One attempt came to nothing; it is due in half an hour.
  void PutOff() {
    store::v1::RecordAttempt attempt;
    attempt.set_delivery(domain::IdOfName(Only().name()));
    attempt.set_attempt(1);
    attempt.set_state(v1::Delivery::PENDING);
    attempt.set_next_attempt_us(clock_->WallMicros() + kHourUs / 2);
    Do(attempt, "retraced");
  }
  // From now on nothing can be recorded, and nobody but the deliverer tries.
  void FillDisk() {
    follower_.reset();
    disk_full_ = true;
  }
  // Returns when something that was due later, in another tenant, was sent. What was not tried by
  // then waits for more than its turn.
  void AwaitAnothersTurn() {
    Try(NewWebhook(endpoint_.Url("/other"), "other"), "other");
    Await([this] {
      small_.In("other");
      v1::ListDeliveriesRequest request;
      request.set_parent("tenants/other");
      request.set_filter("state = SENT");
      const auto reply =
          Queries(small_.ledger()).Answer(small_.Call("ListDeliveries", "boss"), request);
      small_.In("acme");
      return reply.ok() && reply->deliveries_size() == 1;
    });
  }
  void Pause(bool resume) {
    v1::PauseFollowerRequest request;
    request.set_name("tenants/acme/followers/notifications");
    request.set_resume(resume);
    Do(request);
  }
  void Hold() {
    store::v1::AdvanceFollower request;
    request.set_follower(std::string(domain::kNotificationFollower));
    request.set_hold(true);
    Do(request, "retraced");
  }
  void Resolve(v1::ResolveHeldDeliveriesRequest::Choice choice) {
    v1::ResolveHeldDeliveriesRequest request;
    request.set_parent("tenants/acme");
    request.set_choice(choice);
    request.mutable_options()->set_reason("looked at");
    Do(request);
    Follow();
  }

  Receiver endpoint_;
  std::atomic<bool> open_{true};
  std::unique_ptr<Deliverer> deliverer_;
};

}  // namespace retrace::server
