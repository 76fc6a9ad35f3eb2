// A ledger with people in it, a test clock, and everything that tells them what happens but the
// network.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "domain/commands.h"
#include "domain/follower.h"
#include "domain/refusal.h"
#include "retrace/store/v1/undo.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "server/addressing.h"
#include "server/clock.h"
#include "server/history.h"
#include "server/inbox.h"
#include "server/log_follower.h"
#include "server/principals.h"
#include "server/queries.h"
#include "server/sequencer.h"
#include "server/submit.h"
#include "server/system_log.h"
#include "server/timers.h"
#include "server/undo.h"
#include "tests/support/small_ledger.h"

namespace retrace::server {

// Members `anna` (who signs in as `anna`, reads mail) and `bo` (mail only, in Chinese); principals
// `boss` (administrator, with an address) and `anna`.
class NotifyingTest : public ::testing::Test {
 protected:
  NotifyingTest() {
    clock_ = *Clock::Open(directory_.path(), true);
    AddPrincipal("boss", "administrator", "boss@example.com");
    AddPrincipal("anna", "agent", "");
    principals_ = *Principals::Open(directory_.Below("tokens.toml"));
    StartSequencer();
    AddMember("anna", "anna", "en");
    AddMember("bo", "", "zh-CN");
    StartFollower();
  }
  ~NotifyingTest() override {
    follower_.reset();
    sequencer_.reset();
  }

  void StartSequencer() {
    SequencerOptions options;
    options.wall_us = [this] { return clock_->WallMicros(); };
    options.monotonic_us = [this] { return clock_->MonotonicMicros(); };
    options.disk_full = [this] { return IsDiskFull(); };
    Ledger& ledger = small_.ledger();
    sequencer_ = std::make_unique<Sequencer>(ledger.log(), ledger.keys(), ledger.rows(),
                                             ledger.tenants(), options);
  }
  // Asked for each command; then it is refused.
  bool IsDiskFull() {
    refusals_ += disk_full_ ? 1 : 0;
    return disk_full_;
  }
  // Follows when it is told to (Follow), and by itself.
  void StartFollower(bool mail = true, size_t most_at_once = 1000) {
    addressing_ = std::make_unique<Addressing>(Addressing::Parts{
        &small_.ledger(), sequencer_.get(), principals_.get(), mail, most_at_once});
    FollowerOptions options;
    options.name = domain::kNotificationFollower;
    options.wants = &Addressing::Wants;
    options.handle = [this](Tenant& tenant, const Envelope& commit, const Envelope::Event& event) {
      return addressing_->Handle(tenant, commit, event);
    };
    options.checkpoint_every = absl::ZeroDuration();
    follower_ = std::make_unique<LogFollower>(small_.ledger(), *sequencer_, std::move(options));
  }
  // Everything that was committed was looked at.
  void Follow() {
    const absl::Status status = follower_->CatchUp();
    ASSERT_TRUE(status.ok()) << status;
  }

  void AddPrincipal(const std::string& id, const std::string& role, const std::string& email) {
    TokenEntry entry;
    entry.principal = id;
    entry.tenants = {"acme"};
    entry.roles = {role};
    const std::string file = directory_.Below("tokens.toml");
    ASSERT_TRUE(AddToken(file, entry).ok());
    if (email.empty()) return;
    std::ofstream(file, std::ios::app) << "email = \"" << email << "\"\n";
  }
  void AddMember(const std::string& id, const std::string& principal, const std::string& language) {
    v1::CreateMemberRequest request;
    request.set_parent("tenants/acme");
    request.set_member_id(id);
    request.mutable_member()->set_display_name(id);
    request.mutable_member()->set_email(id + "@example.com");
    request.mutable_member()->set_principal(principal);
    request.mutable_member()->set_language(language);
    Do(request);
  }

  template <typename Request>
  CommandResult TryAs(const std::string& actor, const Request& request,
                      const std::string& tenant = "acme") {
    auto principal = std::make_shared<Principal>();
    principal->id = actor;
    Command command;
    command.tenant = &small_.tenant(tenant);
    command.principal = std::move(principal);
    command.method = request.GetDescriptor()->full_name();
    if constexpr (requires { request.options(); }) command.options = request.options();
    command.decide = [&request](domain::Draft& draft, const domain::Context& context) {
      return domain::Decide(request, draft, context);
    };
    return SubmitAndAwait(*sequencer_, std::move(command));
  }
  template <typename Request>
  CommandResult Do(const Request& request, const std::string& actor = "boss",
                   const std::string& tenant = "acme") {
    CommandResult result = TryAs(actor, request, tenant);
    EXPECT_TRUE(result.status.ok()) << result.status;
    return result;
  }

  std::string NewCustomer(const std::string& title, const std::string& owner) {
    v1::CreateCustomerRequest request;
    request.set_parent("tenants/acme");
    request.mutable_customer()->set_display_name(title);
    if (!owner.empty()) request.mutable_customer()->set_owner("tenants/acme/members/" + owner);
    return "tenants/acme/customers/" + Do(request).targets.at(0).first.id;
  }
  static v1::DeleteCustomerRequest Deletion(const std::string& name, int64_t change_set = 0) {
    v1::DeleteCustomerRequest request;
    request.set_name(name);
    request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    request.mutable_options()->set_reason("left");
    request.mutable_options()->set_change_set(change_set);
    return request;
  }
  int64_t Delete(const std::string& name, const std::string& actor = "boss") {
    return Do(Deletion(name), actor).outcome.change_set();
  }
  int64_t Undo(int64_t change_set) {
    v1::UndoRequest request;
    request.set_parent("tenants/acme");
    request.add_names("tenants/acme/changeSets/" + std::to_string(change_set));
    request.set_mode(v1::STRICT);
    const History history(small_.ledger());
    auto resolved =
        ResolveUndo(history, small_.Call("Undo", "boss"), request, UndoBound::kOneCommit);
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    return Do(*resolved).outcome.change_set();
  }

  // The principal wants no notifications of that kind by that channel.
  CommandResult SwitchOff(const std::string& principal, const std::string& kind,
                          v1::Channel channel) {
    v1::UpdateMyPreferencesRequest request;
    request.set_parent("tenants/acme");
    v1::Preference& preference = *request.add_preferences();
    preference.set_kind(kind);
    preference.set_channel(channel);
    preference.set_off(true);
    const auto resolved = Inbox(small_.ledger(), *principals_)
                              .Resolve(small_.Call("UpdateMyPreferences", principal), request);
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    return TryAs(principal, *resolved);
  }

  std::vector<v1::InboxItem> InboxOf(const std::string& principal, bool unread_only = false) {
    v1::ListMyNotificationsRequest request;
    request.set_parent("tenants/acme");
    request.set_unread_only(unread_only);
    const auto reply = Inbox(small_.ledger(), *principals_)
                           .Answer(small_.Call("ListMyNotifications", principal), request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return {reply->items().begin(), reply->items().end()};
  }
  static std::vector<std::string> KindsOf(const std::vector<v1::InboxItem>& items) {
    std::vector<std::string> kinds;
    for (const v1::InboxItem& item : items) kinds.push_back(item.notification().kind());
    return kinds;
  }
  void MarkRead(const std::string& principal, const std::string& name) {
    v1::MarkMyNotificationsRequest request;
    request.set_parent("tenants/acme");
    request.add_names(name);
    Do(request, principal);
  }
  std::vector<v1::Delivery> Deliveries(const std::string& filter = "") {
    v1::ListDeliveriesRequest request;
    request.set_parent("tenants/acme");
    request.set_filter(filter);
    const auto reply =
        Queries(small_.ledger()).Answer(small_.Call("ListDeliveries", "boss"), request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return {reply->deliveries().begin(), reply->deliveries().end()};
  }
  std::vector<v1::Notification> Notifications(const std::string& filter = "") {
    v1::ListNotificationsRequest request;
    request.set_parent("tenants/acme");
    request.set_filter(filter);
    const auto reply =
        Queries(small_.ledger()).Answer(small_.Call("ListNotifications", "boss"), request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return {reply->notifications().begin(), reply->notifications().end()};
  }
  // What a mail server would have answered.
  CommandResult Record(const v1::Delivery& delivery, v1::Delivery::State state,
                       int64_t taken_back = 0) {
    store::v1::RecordAttempt attempt;
    attempt.set_delivery(delivery.name().substr(delivery.name().rfind('/') + 1));
    attempt.set_attempt(delivery.attempt_count() + 1);
    attempt.set_state(state);
    attempt.set_taken_back_count(taken_back);
    if (state == v1::Delivery::PENDING) {
      attempt.set_next_attempt_us(clock_->WallMicros() + 1'000'000);
    }
    return Do(attempt, "retraced");
  }

  testing::TempDirectory directory_;
  testing::SmallLedger small_;
  std::unique_ptr<Clock> clock_;
  std::atomic<bool> disk_full_{false};
  std::atomic<int> refusals_{0};  // because of that
  std::unique_ptr<Principals> principals_;
  std::unique_ptr<Sequencer> sequencer_;
  std::unique_ptr<Addressing> addressing_;
  std::unique_ptr<LogFollower> follower_;
};

}  // namespace retrace::server
