// Announced plans, for tests of their deciders: plans of ann's that exist on paper only.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "domain/announcement.h"
#include "domain/lifecycle.h"
#include "domain/resource.h"
#include "domain/timer.h"
#include "retrace/store/v1/timers.pb.h"
#include "retrace/v1/announcements.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {

class AnnouncementTest : public ::testing::Test {
 protected:
  using Announcement = v1::Announcement;
  using Reply = testing::Reply;
  static constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;

  // A plan of ann's that is announced for a week; without `planner` a request.
  Reply Announce(const std::string& planner = "ann", int64_t execute_after_us = 0,
                 int64_t ttl_us = 7 * kDayUs) {
    return acme_.Do(Resolved(planner, execute_after_us, ttl_us));
  }
  store::v1::ResolvedAnnounce Resolved(const std::string& planner, int64_t execute_after_us = 0,
                                       int64_t ttl_us = 7 * kDayUs) {
    store::v1::ResolvedAnnounce resolved;
    store::v1::PlanAnnounced& announced = *resolved.mutable_announced();
    announced.mutable_command()->PackFrom(v1::DeleteCustomerRequest());
    announced.set_method("retrace.v1.Customers.DeleteCustomer");
    announced.set_target_method(announced.method());
    announced.add_permissions("customers.delete");
    announced.mutable_to()->add_teams("Sales");
    announced.set_message("by Friday");
    announced.set_divisible(true);
    resolved.set_ttl_us(ttl_us);
    resolved.set_execute_delay_us(execute_after_us);
    if (!planner.empty()) {
      *announced.mutable_planned() = PlanOf(planner);
    }
    return resolved;
  }
  // Announced by a service for somebody.
  std::string OpenedBy(const std::string& service, const std::string& person) {
    store::v1::ResolvedAnnounce resolved = Resolved(service);
    resolved.mutable_options()->set_on_behalf_of(person);
    acme_.ActAs(service);
    const Reply reply = acme_.Do(resolved);
    EXPECT_TRUE(reply.ok()) << reply.status;
    return reply.id();
  }
  Reply Approve(const std::string& id, const std::string& as, const std::string& person = "") {
    acme_.ActAs(as);
    store::v1::ResolvedApprove approval;
    approval.set_name("tenants/acme/announcements/" + id);
    approval.mutable_options()->set_on_behalf_of(person);
    if (StateOf(id) == Announcement::REQUESTED) {
      *approval.mutable_planned() = PlanOf(as);
    }
    return acme_.Do(approval);
  }
  Reply Execute(const std::string& id, const std::string& as, const std::string& person = "") {
    acme_.ActAs(as);
    return acme_.Do<v1::ExecuteRequest>(
        Named(id, absl::Substitute(R"pb(options { on_behalf_of: "$0" })pb", person)));
  }
  void AskForASecondPerson() {
    acme_.Must<v1::UpdatePolicyRequest>(
        R"pb(policy { name: "tenants/acme/policy" require_second_person: true }
             update_mask { paths: "require_second_person" })pb");
  }
  store::v1::AnnouncedPlan PlanOf(const std::string& planner) {
    store::v1::AnnouncedPlan planned;
    planned.mutable_token()->set_principal(planner);
    planned.mutable_token()->set_nonce(absl::StrCat("nonce ", ++nonces_));
    planned.mutable_token()->set_expire_time_us(acme_.time_us() + kDayUs);
    planned.mutable_plan()->set_plan_token("a secret");
    auto& count = *planned.mutable_plan()->add_counts();
    count.set_kind("customers");
    count.set_change("Deleted");
    count.set_count(3);
    planned.mutable_plan()->set_entity_count(3);
    return planned;
  }
  std::string Opened(int64_t execute_after_us = 0) {
    const Reply reply = Announce("ann", execute_after_us);
    EXPECT_TRUE(reply.ok()) << reply.status;
    return reply.id();
  }
  const store::v1::AnnouncementRow& Row(const std::string& id) {
    row_ = acme_.RowOf({KindNumber::kAnnouncement, id});
    return row_->As<store::v1::AnnouncementRow>();
  }
  Announcement::State StateOf(const std::string& id) { return Row(id).shown().state(); }
  static std::string Named(const std::string& id, const std::string& more = "") {
    return absl::Substitute(R"pb(name: "tenants/acme/announcements/$0" $1)pb", id, more);
  }
  Reply Advance(const std::string& id, Announcement::State state, int64_t change_set) {
    store::v1::AdvanceAnnouncement step;
    step.set_announcement(id);
    step.mutable_ended()->set_state(state);
    step.mutable_ended()->mutable_result()->set_change_set(change_set);
    return acme_.Record(step);
  }
  // An undo as the server decides it: what it causes is told in the same commit.
  Reply Undo(Position position) {
    v1::UndoRequest request;
    request.add_names(absl::StrCat("tenants/acme/commits/", position));
    return Undo(std::move(request));
  }
  Reply Undo(v1::UndoRequest request) {
    request.set_parent("tenants/acme");
    const store::v1::ResolvedUndo undo = acme_.Resolve(request);
    return acme_.DoWith(request, [&](const auto&, Draft& draft, const Context& context) {
      const absl::Status decided = Decide(undo, draft, context);
      return decided.ok() ? NoteUndone(draft, context) : decided;
    });
  }
  // Three customers made at once, as what was announced; the position.
  Position Executed(const std::string& id) {
    EXPECT_TRUE(Execute(id, "ann").ok());
    v1::BatchCreateCustomersRequest create;
    create.set_parent("tenants/acme");
    for (const char* name : {"Ada", "Bea", "Cleo"}) {
      create.add_requests()->mutable_customer()->set_display_name(name);
    }
    const Reply done = acme_.Do(create);
    EXPECT_TRUE(done.ok()) << done.status;
    made_ = done.targets;
    EXPECT_TRUE(Advance(id, Announcement::EXECUTED, static_cast<int64_t>(done.position)).ok());
    return done.position;
  }
  std::string Made(size_t i) const { return NameOf("acme", made_.at(i)); }
  // Fires what is due; how many were.
  size_t FireDue() {
    const auto due = FindDue(acme_.view(), acme_.time_us(), 10);
    size_t fired = 0;
    for (const Due& one : *due) {
      if (one.entity.kind != KindNumber::kAnnouncement) continue;
      store::v1::Fire fire;
      *fire.mutable_entity() = ToStored(one.entity);
      fire.set_due_us(one.due_us);
      const Reply reply = acme_.Record(fire);
      EXPECT_TRUE(reply.ok()) << reply.status;
      told_ = reply.events;
      ++fired;
    }
    return fired;
  }

  testing::TestTenant acme_;
  RowPtr row_;
  int nonces_ = 0;
  std::vector<std::string> told_;  // events of what was fired last
  std::vector<EntityRef> made_;
};

}  // namespace retrace::domain
