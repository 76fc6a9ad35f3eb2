// Watching an inbox: each change is told, and nothing else.
#include "server/inbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/mutex.h"
#include "server/moment.h"
#include "tests/server/notifying_fixture.h"

namespace retrace::server {
namespace {

using ::testing::SizeIs;

// Keeps what a watch writes, until it is ended.
class Watched : public StreamWriter {
 public:
  absl::Status Write(const google::protobuf::Message& message) override {
    absl::MutexLock lock(&mutex_);
    messages_.push_back(static_cast<const v1::WatchMyNotificationsResponse&>(message));
    return absl::OkStatus();
  }
  absl::Status Alive() const override {
    absl::MutexLock lock(&mutex_);
    return ended_ ? absl::CancelledError("ended") : absl::OkStatus();
  }
  void End() {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
  }
  // The next one; fails the test when none comes.
  v1::WatchMyNotificationsResponse Await() {
    const auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !messages_.empty(); };
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&any), absl::Seconds(60))) {
      ADD_FAILURE() << "nothing is told";
      return {};
    }
    auto message = std::move(messages_.front());
    messages_.erase(messages_.begin());
    return message;
  }

 private:
  mutable absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<v1::WatchMyNotificationsResponse> messages_ ABSL_GUARDED_BY(mutex_);
};

class InboxTest : public NotifyingTest {};

TEST_F(InboxTest, AWatchTellsWhatComesIsReadAndIsTakenBack) {
  const Inbox inbox(small_.ledger(), *principals_);
  const QueryCall call = small_.Call("WatchMyNotifications", "anna");
  Watched watched;
  std::thread watching([&] { EXPECT_TRUE(absl::IsCancelled(inbox.Watch(call, {}, watched))); });
  const absl::Cleanup join = [&] {
    watched.End();
    watching.join();
  };
  EXPECT_EQ(watched.Await().unread_count(), 0);
  // Commits of others' business come between, and before each change.
  NewCustomer("Beta", "");
  const int64_t change_set = Delete(NewCustomer("Acme", "anna"));
  NewCustomer("Gamma", "");
  v1::WatchMyNotificationsResponse told = watched.Await();
  EXPECT_EQ(told.unread_count(), 1);
  ASSERT_THAT(told.items(), SizeIs(1));
  EXPECT_EQ(told.items(0).notification().kind(), "customers.deleted");
  NewCustomer("Delta", "");
  MarkRead("anna", told.items(0).name());
  told = watched.Await();
  EXPECT_EQ(told.unread_count(), 0);
  ASSERT_THAT(told.items(), SizeIs(1));
  EXPECT_TRUE(told.items(0).has_read_time());
  Undo(change_set);
  for (bool restored = false; !restored && !HasFailure();) {
    told = watched.Await();
    for (const v1::InboxItem& item : told.items()) {
      restored = restored || item.notification().kind() == "customers.restored";
    }
  }
}

TEST_F(InboxTest, AWatchGoesOnWhereItWasCutOff) {
  const Inbox inbox(small_.ledger(), *principals_);
  const QueryCall call = small_.Call("WatchMyNotifications", "anna");
  Delete(NewCustomer("Told", "anna"));
  v1::WatchMyNotificationsRequest request;
  request.set_after_position(static_cast<int64_t>(small_.tenant().visible));
  request.set_epoch(ShowEpoch(small_.ledger().log().epoch()));
  Follow();  // whom else the first was addressed to is no news
  Delete(NewCustomer("Missed", "anna"));
  Watched watched;
  std::thread watching(
      [&] { EXPECT_TRUE(absl::IsCancelled(inbox.Watch(call, request, watched))); });
  const absl::Cleanup join = [&] {
    watched.End();
    watching.join();
  };
  v1::WatchMyNotificationsResponse told = watched.Await();
  EXPECT_EQ(told.unread_count(), 2);
  ASSERT_THAT(told.items(), SizeIs(1));
  EXPECT_EQ(told.items(0).subject(), "Customer “Missed” was deleted");
  EXPECT_EQ(told.epoch(), request.epoch());
  Delete(NewCustomer("Next", "anna"));
  told = watched.Await();
  ASSERT_THAT(told.items(), SizeIs(1));
  EXPECT_EQ(told.items(0).subject(), "Customer “Next” was deleted");

  request.set_epoch("0123456789abcdef");
  EXPECT_EQ(domain::ReasonOf(inbox.Watch(call, request, watched)), v1::EPOCH_CHANGED);
}

// Under the names by which the caller is told, and under no others.
TEST_F(InboxTest, PreferencesAreOffWhenNothingArrives) {
  const auto is_off = [this](v1::Channel channel) {
    v1::GetMyPreferencesRequest request;
    request.set_parent("tenants/acme");
    const auto reply = Inbox(small_.ledger(), *principals_)
                           .Answer(small_.Call("GetMyPreferences", "anna"), request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    for (const v1::Preference& one : reply->preferences()) {
      if (one.kind() == "customers.deleted" && one.channel() == channel) return one.off();
    }
    ADD_FAILURE() << "not listed";
    return false;
  };
  v1::SuppressContactPointRequest suppress;
  suppress.set_parent("tenants/acme");
  suppress.set_recipient("tenants/acme/members/anna");
  suppress.set_channel(v1::EMAIL);
  suppress.mutable_options()->set_reason("asked by phone");
  Do(suppress);
  EXPECT_TRUE(is_off(v1::EMAIL));
  EXPECT_FALSE(is_off(v1::INBOX));
  store::v1::ChooseForContactPoint choice;
  choice.set_recipient("tenants/acme/members/anna");
  choice.set_channel(v1::INBOX);
  choice.set_kind("customers.deleted");
  choice.set_off(true);
  choice.set_source("PAGE");
  Do(choice, "retraced");
  EXPECT_TRUE(is_off(v1::INBOX));
}

}  // namespace
}  // namespace retrace::server
