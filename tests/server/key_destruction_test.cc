// When the keys of a purge end: after its commit is in the log, before the rows know of it. So a
// crash between any two of the three leaves something that replay makes up for.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "domain/commands.h"
#include "domain/kind.h"
#include "eventstore/key_store.h"
#include "eventstore/row_store.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/recycle_bin.pb.h"
#include "server/replay.h"
#include "server/row_view.h"
#include "server/sequencer.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_commit_log.h"

namespace retrace::server {
namespace {

using eventstore::KeyStore;
using eventstore::Position;
using eventstore::RowStore;
using eventstore::TenantNumber;
using testing::TempDirectory;
using testing::TestCommitLog;

// A key store that calls back before it destroys.
class WatchedKeys final : public KeyStore {
 public:
  explicit WatchedKeys(std::unique_ptr<KeyStore> keys) : keys_(std::move(keys)) {}
  void BeforeDestroy(std::function<absl::Status()> observer) { observer_ = std::move(observer); }

  absl::Status Destroy(TenantNumber tenant, absl::Span<const std::string> key_ids) override {
    const absl::Status before = observer_ ? observer_() : absl::OkStatus();
    return before.ok() ? keys_->Destroy(tenant, key_ids) : before;
  }
  absl::StatusOr<eventstore::SubjectKey> NewKey(TenantNumber tenant) override {
    return keys_->NewKey(tenant);
  }
  absl::StatusOr<bool> WasDestroyed(TenantNumber tenant, std::string_view key_id) const override {
    return keys_->WasDestroyed(tenant, key_id);
  }
  absl::Status Sweep() override { return keys_->Sweep(); }
  absl::Status Import(TenantNumber tenant, absl::Span<const eventstore::SubjectKey> keys) override {
    return keys_->Import(tenant, keys);
  }
  absl::StatusOr<eventstore::SecretKey> Find(TenantNumber tenant,
                                             std::string_view key_id) const override {
    return keys_->Find(tenant, key_id);
  }
  absl::StatusOr<bool> Contains(TenantNumber tenant, std::string_view key_id) const override {
    return keys_->Contains(tenant, key_id);
  }
  absl::StatusOr<eventstore::SecretKey> MacKey(TenantNumber tenant) override {
    return keys_->MacKey(tenant);
  }
  absl::Status Checkpoint(const std::string& directory) const override {
    return keys_->Checkpoint(directory);
  }

 private:
  const std::unique_ptr<KeyStore> keys_;
  std::function<absl::Status()> observer_;
};

class KeyDestructionTest : public ::testing::Test {
 protected:
  KeyDestructionTest() {
    const std::string master = directory_.Below("master.key");
    EXPECT_TRUE(KeyStore::MakeMasterKey(master).ok());
    keys_ =
        std::make_unique<WatchedKeys>(*KeyStore::Open({.directory = directory_.Below("keys"),
                                                       .master_key_file = master,
                                                       .on_failure = [](const absl::Status&) {}}));
    rows_ = OpenRows("rows");
    acme_ = tenants_.Add("acme", 1);
  }

  std::unique_ptr<RowStore> OpenRows(const std::string& name) {
    return *RowStore::Open({.directory = directory_.Below(name),
                            .layout_stamp = domain::LayoutStamp(),
                            .cache_bytes = 8u << 20});
  }

  template <typename Request>
  CommandResult Run(Sequencer& sequencer, const Request& request) {
    auto principal = std::make_shared<Principal>();
    principal->id = "ann";
    principal->tenants = {"acme"};
    absl::Notification finished;
    CommandResult result;
    Command command;
    command.tenant = acme_;
    command.principal = std::move(principal);
    command.method = "retrace.v1.Test.Run";
    command.request_bytes = request.SerializeAsString();
    command.decide = [request](domain::Draft& draft, const domain::Context& context) {
      return domain::Decide(request, draft, context);
    };
    command.done = [&](CommandResult given) {
      result = std::move(given);
      finished.Notify();
    };
    sequencer.Submit(std::move(command));
    finished.WaitForNotification();
    return result;
  }

  // Creates, deletes and purges a customer; the answer to the purge.
  CommandResult PurgeOne(Sequencer& sequencer) {
    v1::CreateCustomerRequest create;
    create.set_parent("tenants/acme");
    create.mutable_customer()->set_display_name("Ann");
    const CommandResult created = Run(sequencer, create);
    EXPECT_TRUE(created.status.ok()) << created.status;
    ann_ = created.targets.at(0).first;
    v1::DeleteCustomerRequest erase;
    erase.set_name("tenants/acme/customers/" + ann_.id);
    erase.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    EXPECT_TRUE(Run(sequencer, erase).status.ok());
    v1::PurgeEntitiesRequest purge;
    purge.set_parent("tenants/acme");
    purge.add_names(erase.name());
    return Run(sequencer, purge);
  }

  // Notes where log and rows stand at each destruction.
  void Watch(const RowStore& rows) {
    keys_->BeforeDestroy([this, &rows] {
      in_log_.push_back(log_.HeadOf(acme_->number)->position);
      in_rows_.push_back(rows.CheckpointOf(acme_->number)->position);
      return answer_;
    });
  }

  bool IsPurgedIn(const RowStore& rows) const {
    const auto row = RowView(rows, acme_->number, eventstore::kLatest).Get(ann_);
    return row.ok() && *row != nullptr && (*row)->purged();
  }

  TempDirectory directory_;
  TestCommitLog log_;
  std::unique_ptr<WatchedKeys> keys_;
  std::unique_ptr<RowStore> rows_;
  Tenants tenants_;
  Tenant* acme_ = nullptr;
  domain::EntityRef ann_;
  absl::Status answer_;
  std::vector<Position> in_log_, in_rows_;  // at each destruction
};

TEST_F(KeyDestructionTest, KeysEndBetweenLogAndRows) {
  Watch(*rows_);
  Sequencer sequencer(log_, *keys_, *rows_, tenants_, {});
  const CommandResult purged = PurgeOne(sequencer);
  ASSERT_TRUE(purged.status.ok()) << purged.status;
  EXPECT_EQ(in_log_, std::vector<Position>{3});
  EXPECT_EQ(in_rows_, std::vector<Position>{2});
  EXPECT_TRUE(IsPurgedIn(*rows_));
}

// Rows that said more than the key store did would keep replay from ending the keys.
TEST_F(KeyDestructionTest, RowsStayBehindKeysThatCannotBeDestroyed) {
  answer_ = absl::UnavailableError("disk");
  Watch(*rows_);
  int failures = 0;
  Sequencer sequencer(log_, *keys_, *rows_, tenants_,
                      {.on_failure = [&failures](const absl::Status&) { ++failures; }});
  EXPECT_FALSE(PurgeOne(sequencer).status.ok());
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(rows_->CheckpointOf(acme_->number)->position, 2u);
  EXPECT_FALSE(IsPurgedIn(*rows_));
}

TEST_F(KeyDestructionTest, ReplayKeepsTheOrderAndMakesUpForACrash) {
  answer_ = absl::UnavailableError("crash");
  Watch(*rows_);
  {
    Sequencer sequencer(log_, *keys_, *rows_, tenants_, {});
    EXPECT_FALSE(PurgeOne(sequencer).status.ok());
  }
  answer_ = absl::OkStatus();
  in_log_.clear();
  in_rows_.clear();
  const auto commits = *log_.Read(acme_->number, 2, 1u << 20);
  Replay replay(*keys_, *rows_, acme_->number);
  ASSERT_TRUE(replay.Apply(commits).ok());
  ASSERT_TRUE(replay.Await().ok());
  EXPECT_EQ(in_rows_, std::vector<Position>{2});
  EXPECT_TRUE(IsPurgedIn(*rows_));
  // From nothing, all at once and one by one, though the key is gone: the same rows.
  for (const size_t bytes : {size_t{1}, size_t{1} << 20}) {
    const auto fresh = OpenRows("fresh" + std::to_string(bytes));
    Replay again(*keys_, *fresh, acme_->number);
    for (Position position = 0; position < 3;) {
      const auto some = *log_.Read(acme_->number, position, bytes);
      ASSERT_TRUE(again.Apply(some).ok());
      position = some.back().position;
    }
    ASSERT_TRUE(again.Await().ok());
    EXPECT_EQ(*fresh->FullDigest(acme_->number), *rows_->FullDigest(acme_->number));
  }
}

}  // namespace
}  // namespace retrace::server
