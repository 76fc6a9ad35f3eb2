// Announced plans over real gRPC, for tests, with a clock that they move.
#pragma once

#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "domain/announcement.h"
#include "domain/commands.h"
#include "domain/lifecycle.h"
#include "domain/timer.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/store/v1/timers.pb.h"
#include "retrace/v1/announcements.grpc.pb.h"
#include "retrace/v1/members.grpc.pb.h"
#include "retrace/v1/tenants.grpc.pb.h"
#include "server/row_view.h"
#include "server/submit.h"
#include "server/system_log.h"
#include "tests/server/operations_fixture.h"

namespace retrace::server {

class AnnouncementsTest : public OperationsTest {
 protected:
  using Announcement = v1::Announcement;
  static constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;

  void SetUp() override {
    Reconnect();
    CreateMember("sue", "Sales");
    CreateMember("bob", "Support");
  }

  void Reconnect() {
    Connect();
    plans_ = v1::Plans::NewStub(Channel());
    members_ = v1::Members::NewStub(Channel());
    tenants_ = v1::Tenants::NewStub(Channel());
  }

  // Another token: of a service, or of somebody who has one.
  void AddService(const std::string& id, const std::string& role,
                  Principal::Kind kind = Principal::Kind::kService) {
    TokenEntry entry;
    entry.principal = id;
    entry.kind = kind;
    entry.roles = {role};
    entry.tenants = {"acme"};
    const auto token = AddToken(directory_.Below("tokens.toml"), entry);
    ASSERT_TRUE(token.ok()) << token.status();
    tokens_.emplace(id, *token);
    ASSERT_TRUE(principals_->Refresh().ok());
  }
  void ReplaceInTokens(const std::string& before, const std::string& after) {
    const std::string file = directory_.Below("tokens.toml");
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    std::ofstream(file, std::ios::trunc) << absl::StrReplaceAll(text.str(), {{before, after}});
    const absl::StatusOr<bool> changed = principals_->Refresh();
    ASSERT_TRUE(changed.ok() && *changed) << changed.status();
  }
  void AskForASecondPerson() {
    SetPolicy("require_second_person",
              [](v1::Policy& policy) { policy.set_require_second_person(true); });
  }

  void CreateMember(const std::string& id, const std::string& team) {
    v1::CreateMemberRequest request;
    request.set_parent(kParent);
    request.set_member_id(id);
    request.mutable_member()->set_display_name(id);
    request.mutable_member()->set_team(team);
    request.mutable_member()->set_email(id + "@acme.example");
    v1::CreateMemberResponse reply;
    ASSERT_TRUE(members_->CreateMember(As("administrator").get(), request, &reply).ok());
  }

  void SetPolicy(const std::string& path, const std::function<void(v1::Policy&)>& change) {
    v1::UpdatePolicyRequest request;
    request.mutable_policy()->set_name("tenants/acme/policy");
    change(*request.mutable_policy());
    request.mutable_update_mask()->add_paths(path);
    v1::UpdatePolicyResponse reply;
    ASSERT_TRUE(tenants_->UpdatePolicy(As("administrator").get(), request, &reply).ok());
  }

  static v1::DeleteCustomerRequest Deleting(const std::string& name) {
    v1::DeleteCustomerRequest request;
    request.set_name(name);
    request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    request.mutable_options()->set_reason("they left");
    return request;
  }

  // Deletes it as somebody; the change set.
  int64_t Delete(const std::string& name, const std::string& as) {
    v1::DeleteCustomerResponse reply;
    const grpc::Status status = customers_->DeleteCustomer(As(as).get(), Deleting(name), &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.outcome().change_set();
  }
  static v1::UndoRequest Undoing(int64_t change_set, v1::UndoMode mode = v1::STRICT) {
    v1::UndoRequest request;
    request.set_parent(kParent);
    request.add_names(fmt::format("{}/changeSets/{}", kParent, change_set));
    request.set_mode(mode);
    request.mutable_options()->set_reason("wrong");
    return request;
  }

  static v1::AnnounceRequest Announcing(const google::protobuf::Message& command) {
    v1::AnnounceRequest request;
    request.set_parent(kParent);
    request.mutable_command()->PackFrom(command);
    request.mutable_to()->add_teams("Sales");
    request.set_message("say so by Friday");
    *request.mutable_ttl() = google::protobuf::util::TimeUtil::HoursToDuration(7 * 24);
    return request;
  }

  grpc::Status TryAnnounce(const v1::AnnounceRequest& request, Announcement& shown,
                           const std::string& as = "administrator") {
    v1::AnnounceResponse reply;
    const grpc::Status status = plans_->Announce(As(as).get(), request, &reply);
    shown = reply.announcement();
    return status;
  }
  Announcement Announce(const v1::AnnounceRequest& request,
                        const std::string& as = "administrator") {
    Announcement shown;
    const grpc::Status status = TryAnnounce(request, shown, as);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return shown;
  }
  std::string RefusalOf(const v1::AnnounceRequest& request,
                        const std::string& as = "administrator") {
    Announcement shown;
    return ErrorOf(TryAnnounce(request, shown, as)).reason;
  }

  static v1::AnnounceRequest ByTimer(const google::protobuf::Message& command, int64_t hours) {
    v1::AnnounceRequest request = Announcing(command);
    *request.mutable_execute_delay() = google::protobuf::util::TimeUtil::HoursToDuration(hours);
    return request;
  }

  // A plan of an operation, and the request that does it.
  v1::StartOperationRequest Planned(v1::StartOperationRequest request) {
    request.mutable_options()->set_plan_only(true);
    const v1::Plan plan = ResultOf(Run(request)).plan();
    request.mutable_options()->set_plan_only(false);
    request.mutable_options()->set_plan_token(plan.plan_token());
    request.mutable_options()->set_acknowledged_count(plan.entity_count());
    return request;
  }

  Announcement Get(const std::string& name, const std::string& as = "administrator") {
    v1::GetAnnouncementRequest request;
    request.set_name(name);
    v1::GetAnnouncementResponse reply;
    const grpc::Status status = plans_->GetAnnouncement(As(as).get(), request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.announcement();
  }

  grpc::Status Object(const std::string& name, const std::string& words,
                      const std::string& as = "agent") {
    v1::ObjectRequest request;
    request.set_name(name);
    request.set_words(words);
    v1::ObjectResponse reply;
    return plans_->Object(As(as).get(), request, &reply);
  }
  grpc::Status Acknowledge(const std::string& name, const std::string& as = "agent") {
    v1::AcknowledgeRequest request;
    request.set_name(name);
    v1::AcknowledgeResponse reply;
    return plans_->Acknowledge(As(as).get(), request, &reply);
  }
  grpc::Status Approve(const std::string& name, const std::string& as,
                       const std::string& plan_token = "") {
    v1::ApproveRequest request;
    request.set_name(name);
    request.set_plan_token(plan_token);
    v1::ApproveResponse reply;
    return plans_->Approve(As(as).get(), request, &reply);
  }
  grpc::Status TakeOut(const std::string& name, const std::vector<std::string>& entities,
                       int64_t acknowledged = 0, const std::string& as = "administrator") {
    v1::TakeOutRequest request;
    request.set_name(name);
    request.mutable_names()->Assign(entities.begin(), entities.end());
    request.set_acknowledge_objections(acknowledged);
    v1::TakeOutResponse reply;
    return plans_->TakeOut(As(as).get(), request, &reply);
  }
  grpc::Status Withdraw(const std::string& name, const std::string& as = "administrator") {
    v1::WithdrawRequest request;
    request.set_name(name);
    v1::WithdrawResponse reply;
    return plans_->Withdraw(As(as).get(), request, &reply);
  }
  grpc::Status Execute(const std::string& name, const std::string& as = "administrator",
                       int64_t acknowledged = 0) {
    v1::ExecuteRequest request;
    request.set_name(name);
    request.set_acknowledge_objections(acknowledged);
    v1::ExecuteResponse reply;
    return plans_->Execute(As(as).get(), request, &reply);
  }
  // Waits for the end of what is being executed.
  Announcement AwaitEnd(const std::string& name) {
    Announcement shown = Get(name);
    uint64_t seen = ledger_->tenants().changes();
    for (int i = 0; i < 200 && shown.state() == Announcement::EXECUTING; ++i) {
      seen = ledger_->tenants().WaitForChange(seen, absl::Milliseconds(300));
      shown = Get(name);
    }
    EXPECT_NE(shown.state(), Announcement::EXECUTING);
    return shown;
  }
  Announcement Executed(const std::string& name, int64_t acknowledged = 0) {
    const grpc::Status status = Execute(name, "administrator", acknowledged);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return AwaitEnd(name);
  }

  // Lets time pass; what is due then happens.
  void Pass(int64_t microseconds) {
    passed_us_ += microseconds;
    Tenant& acme = *ledger_->tenants().Find("acme");
    const RowView view(ledger_->rows(), acme.number, acme.visible);
    const int64_t now_us = absl::ToUnixMicros(absl::Now()) + passed_us_;
    const auto due = domain::FindDue(view, now_us, 100);
    ASSERT_TRUE(due.ok());
    for (const domain::Due& one : *due) {
      if (one.entity.kind != domain::KindNumber::kAnnouncement) continue;
      store::v1::Fire fire;
      *fire.mutable_entity() = domain::ToStored(one.entity);
      fire.set_due_us(one.due_us);
      Command command;
      command.tenant = &acme;
      command.principal = ServerItself();
      command.method = "retraced.Fire";
      command.decide = [&fire](domain::Draft& draft, const domain::Context& context) {
        return domain::Decide(fire, draft, context);
      };
      const absl::Status fired = SubmitAndAwait(*sequencer_, std::move(command)).status;
      EXPECT_TRUE(fired.ok()) << fired;
    }
  }

  bool IsDeleted(const std::string& name) {
    v1::GetCustomerRequest request;
    request.set_name(name);
    v1::GetCustomerResponse reply;
    const grpc::Status status = customers_->GetCustomer(As("administrator").get(), request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.customer().state() == v1::Customer::DELETED;
  }
  v1::Commit CommitAt(int64_t position) {
    v1::GetCommitRequest request;
    request.set_name(fmt::format("{}/commits/{}", kParent, position));
    v1::GetCommitResponse reply;
    const grpc::Status status = history_->GetCommit(As("administrator").get(), request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.commit();
  }
  // Notifications of a kind that were asked for, as rows.
  // Notifications of the kind, as they were asked for.
  std::vector<v1::Notification> Asked(const std::string& kind) {
    Tenant& acme = *ledger_->tenants().Find("acme");
    std::vector<v1::Notification> all;
    for (eventstore::Position at = 1; at <= acme.visible; ++at) {
      const auto commit = ledger_->ReadCommit(acme, at);
      EXPECT_TRUE(commit.ok());
      for (const domain::DraftEvent& event : commit->events) {
        if (event.event->GetDescriptor()->name() != "NotificationRequested") continue;
        const auto& asked = static_cast<const store::v1::NotificationRequested&>(*event.event);
        if (asked.notification().kind() == kind) all.push_back(asked.notification());
      }
    }
    return all;
  }
  size_t CountOf(const std::string& kind) { return Asked(kind).size(); }

  std::unique_ptr<v1::Plans::Stub> plans_;
  std::unique_ptr<v1::Members::Stub> members_;
  std::unique_ptr<v1::Tenants::Stub> tenants_;
};

}  // namespace retrace::server
