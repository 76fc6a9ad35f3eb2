// What must hold after any history of commands. Each run takes other histories and prints the seed;
// RETRACE_SEED=N runs that one again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "domain/index_values.h"
#include "domain/lifecycle.h"
#include "domain/policy.h"
#include "fmt/format.h"
#include "tests/domain/random_history.h"

namespace retrace::domain {
namespace {

using retrace::testing::MemoryRows;
using retrace::testing::RandomHistory;
using retrace::testing::Reply;
using retrace::testing::TestTenant;

constexpr int kHistories = 40;
constexpr int kSteps = 150;

// Runs `check(history)` on several histories, each after all its steps.
template <typename Step, typename Check>
void ForHistories(Step step, Check check) {
  const char* fixed = std::getenv("RETRACE_SEED");
  const uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device()();
  const int histories = fixed != nullptr ? 1 : kHistories;
  for (int i = 0; i < histories && !::testing::Test::HasFailure(); ++i) {
    const uint64_t one = seed + static_cast<uint64_t>(i);
    SCOPED_TRACE(fmt::format("RETRACE_SEED={}", one));
    RandomHistory history(one);
    for (int j = 0; j < kSteps && !::testing::Test::HasFailure(); ++j) {
      step(history);
    }
    check(history);
  }
}

void TakeStep(RandomHistory& history) {
  const Reply reply = history.Step();
  if (!reply.ok()) {
    // Whatever is refused is refused with a reason; nothing else may go wrong.
    EXPECT_NE(reply.reason(), v1::ERROR_REASON_UNSPECIFIED) << reply.status;
    EXPECT_EQ(reply.position, 0u);
  }
}

std::map<EntityRef, RowPtr> Entities(const TestTenant& tenant) {
  std::map<EntityRef, RowPtr> rows;
  for (const auto& [entity, bytes] : tenant.rows().RowsAt(kLatest)) {
    if (!KindOf(entity.kind).derived) {
      rows.emplace(entity, tenant.RowOf(entity));
    }
  }
  return rows;
}

TEST(HistoryPropertyTest, RowsBuiltAnewEqualLiveRows) {
  ForHistories(TakeStep, [](RandomHistory& history) {
    const auto replayed = history.tenant().Replay();
    ASSERT_TRUE(replayed.ok()) << replayed.status();
    EXPECT_TRUE(*replayed == history.tenant().rows());
  });
}

TEST(HistoryPropertyTest, DeleteThenUndeleteIsIdentity) {
  ForHistories(
      [](RandomHistory& history) {
        TakeStep(history);
        EXPECT_EQ(history.DeleteAndUndelete(), "");
      },
      [](RandomHistory& history) { EXPECT_GT(history.done().at("delete and undelete"), 0); });
}

TEST(HistoryPropertyTest, MergeThenUnmergeIsIdentity) {
  int done = 0;
  ForHistories(
      [](RandomHistory& history) {
        TakeStep(history);
        EXPECT_EQ(history.MergeAndUnmerge(), "");
      },
      [&](RandomHistory& history) {
        const auto met = history.done().find("merge and unmerge");  // in some there is none
        done += met == history.done().end() ? 0 : met->second;
      });
  EXPECT_GT(done, 100);
}

// Counters as somebody would count who reads every row.
std::map<std::string, std::map<std::string, std::pair<int64_t, int64_t>>> Recount(
    const TestTenant& tenant) {
  std::map<std::string, std::map<std::string, std::pair<int64_t, int64_t>>> counted;
  const auto count = [&](const std::string& owner, const std::string& group, int64_t amount) {
    ++counted[owner][group].first;
    counted[owner][group].second += amount;
  };
  for (const auto& [entity, row] : Entities(tenant)) {
    const auto state = [&](const auto& resource) {
      using Resource = std::decay_t<decltype(resource)>;
      return row->binned()                          ? "DELETED"
             : row->merged()                        ? "MERGED"
             : resource.state() == Resource::ACTIVE ? "ACTIVE"
                                                    : "INACTIVE";
    };
    if (entity.kind == KindNumber::kCustomer) {
      count("", fmt::format("customer//{}//", state(row->As<v1::Customer>())), 0);
    } else if (entity.kind == KindNumber::kMember) {
      count("", fmt::format("member//{}//", state(row->As<v1::Member>())), 0);
    } else if (entity.kind == KindNumber::kRecord) {
      const auto& record = row->As<v1::Record>();
      const std::string group =
          fmt::format("record/{}/{}/{}/{}", v1::Record::Kind_Name(record.kind()), state(record),
                      record.stage(), record.amount().currency());
      count("", group, record.amount().minor_units());
      if (!record.customer().empty()) {
        count(record.customer().substr(std::string("tenants/acme/").size()), group,
              record.amount().minor_units());
      }
    }
  }
  return counted;
}

TEST(HistoryPropertyTest, CountersEqualARecount) {
  ForHistories(TakeStep, [](RandomHistory& history) {
    const TestTenant& tenant = history.tenant();
    const auto recounted = Recount(tenant);
    std::set<std::string> owners;
    for (const auto& [owner, groups] : recounted) {
      owners.insert(owner);
    }
    for (const auto& [entity, bytes] : tenant.rows().RowsAt(kLatest)) {
      if (entity.kind == KindNumber::kCounters) {
        owners.insert(entity.id);
      }
    }
    for (const std::string& owner : owners) {
      std::vector<std::string> told;
      if (const auto groups = recounted.find(owner); groups != recounted.end()) {
        for (const auto& [group, sum] : groups->second) {
          told.push_back(fmt::format("{}={},{}", group, sum.first, sum.second));
        }
      }
      EXPECT_THAT(tenant.Counters(owner), ::testing::UnorderedElementsAreArray(told)) << owner;
    }
  });
}

TEST(HistoryPropertyTest, IndexEntriesAreThoseOfTheRows) {
  ForHistories(TakeStep, [](RandomHistory& history) {
    std::map<MemoryRows::EntryKey, Mark> expected;
    for (const auto& [entity, row] : Entities(history.tenant())) {
      const Kind& kind = KindOf(entity.kind);
      for (const IndexDeclaration& index : kind.indexes) {
        for (const std::string& value : IndexValues(index, *row->resource)) {
          expected[{entity.kind, index.number, value, entity.id}] =
              row->live() ? Mark::kLive : Mark::kBinned;
        }
      }
      if (row->binned()) {
        const auto deleted = static_cast<int64_t>(row->head.deletion().position());
        expected[{entity.kind, kBinIndex, EncodeNumber(deleted), entity.id}] = Mark::kBinned;
      }
    }
    std::map<MemoryRows::EntryKey, Mark> entries = history.tenant().rows().EntriesAt(kLatest);
    // Of the past, not of the rows.
    std::erase_if(
        entries, [](const auto& entry) { return std::get<1>(entry.first) == kFormerSubjectIndex; });
    EXPECT_TRUE(entries == expected);
  });
}

// A moment as a naive model keeps it: a copy of everything.
struct Moment {
  Position position;
  std::string content;
  std::map<EntityRef, std::string> rows;
  std::map<MemoryRows::EntryKey, Mark> entries;
};

TEST(HistoryPropertyTest, AsOfEqualsWhatWas) {
  std::vector<Moment> moments;
  ForHistories(
      [&](RandomHistory& history) {
        TakeStep(history);
        const TestTenant& tenant = history.tenant();
        moments.push_back({tenant.head(), tenant.Content(), tenant.rows().RowsAt(kLatest),
                           tenant.rows().EntriesAt(kLatest)});
      },
      [&](RandomHistory& history) {
        const TestTenant& tenant = history.tenant();
        for (const Moment& moment : moments) {
          ASSERT_TRUE(tenant.rows().RowsAt(moment.position) == moment.rows);
          ASSERT_TRUE(tenant.rows().EntriesAt(moment.position) == moment.entries);
          // Later commits wrote no row or entry under an older position.
          for (const auto& [entity, bytes] : moment.rows) {
            const auto row = tenant.view().GetAt(entity, moment.position);
            ASSERT_TRUE(row.ok());
            ASSERT_LE((*row)->head.update_position(), moment.position);
          }
        }
        moments.clear();
      });
}

// Values of unique keys as they stand in resources, without the indexes.
std::vector<std::string> KeyValues(const std::string& key, KindNumber kind, const Row& row) {
  std::vector<std::string> values;
  const auto add = [&](const std::string& text) {
    if (!text.empty()) values.push_back(text);
  };
  if (kind == KindNumber::kCustomer) {
    const auto& customer = row.As<v1::Customer>();
    if (key == "customers.external_id") add(customer.external_id());
    for (const std::string& email : customer.emails()) {
      if (key == "customers.email") add(FoldCaseless(email));
    }
    for (const v1::Phone& phone : customer.phones()) {
      if (key == "customers.phone")
        add(PhoneDigits(phone.e164().empty() ? phone.raw() : phone.e164()));
    }
  } else if (kind == KindNumber::kRecord && key == "records.external_id") {
    add(row.As<v1::Record>().external_id());
  } else if (kind == KindNumber::kMember && key == "members.email") {
    add(FoldCaseless(row.As<v1::Member>().email()));
  }
  return values;
}

TEST(HistoryPropertyTest, UniqueKeysAreNeverHeldTwice) {
  ForHistories(
      [](RandomHistory& history) {
        TakeStep(history);
        const auto keys = KeysInForce(history.tenant().view());
        ASSERT_TRUE(keys.ok());
        const auto entities = Entities(history.tenant());
        for (const std::string& key : *keys) {
          std::map<std::string, std::string> holders;
          for (const auto& [entity, row] : entities) {
            if (!row->live()) {
              continue;
            }
            for (const std::string& value : KeyValues(key, entity.kind, *row)) {
              const auto [held, is_new] = holders.emplace(value, entity.id);
              EXPECT_TRUE(is_new || held->second == entity.id)
                  << key << " " << value << ": " << held->second << ", " << entity.id;
            }
          }
        }
      },
      [](RandomHistory&) {});
}

TEST(HistoryPropertyTest, LiveRecordsReferToLiveCustomers) {
  ForHistories(TakeStep, [](RandomHistory& history) {
    const auto entities = Entities(history.tenant());
    for (const auto& [entity, row] : entities) {
      if (entity.kind == KindNumber::kRecord && row->live()) {
        const std::string& customer = row->As<v1::Record>().customer();
        if (!customer.empty()) {
          const auto found =
              entities.find({KindNumber::kCustomer, customer.substr(customer.rfind('/') + 1)});
          ASSERT_NE(found, entities.end()) << customer;
          EXPECT_TRUE(found->second->live()) << customer;
        }
      }
      EXPECT_EQ(row->head.has_deletion(), row->binned());
    }
  });
}

TEST(HistoryPropertyTest, CustomerNumbersAreGivenOnceInOrder) {
  ForHistories(TakeStep, [](RandomHistory& history) {
    std::map<Position, int64_t> highest;
    std::set<int64_t> numbers;
    for (const auto& [entity, row] : Entities(history.tenant())) {
      if (entity.kind == KindNumber::kCustomer) {
        const int64_t number = row->As<v1::Customer>().number();
        EXPECT_TRUE(numbers.insert(number).second) << number;
        int64_t& of_commit = highest[row->head.create_position()];
        of_commit = std::max(of_commit, number);
      }
    }
    int64_t last = 0;
    for (const auto& [position, number] : highest) {
      EXPECT_GT(number, last) << position;
      last = number;
    }
    EXPECT_EQ(last, static_cast<int64_t>(numbers.size()));
  });
}

// The histories reach what they are meant to reach; otherwise the laws above prove little.
TEST(HistoryPropertyTest, HistoriesMeetEveryCommandAndRefusal) {
  std::map<std::string, int> done;
  std::map<v1::ErrorReason, int> refused;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    RandomHistory history(seed);
    for (int i = 0; i < kSteps; ++i) {
      history.Step();
    }
    for (const auto& [command, count] : history.done()) done[command] += count;
    for (const auto& [reason, count] : history.refused()) refused[reason] += count;
  }
  for (const char* command :
       {"CreateCustomerRequest",       "UpdateCustomerRequest",       "DeactivateCustomerRequest",
        "ActivateCustomerRequest",     "DeleteCustomerRequest",       "UndeleteCustomerRequest",
        "BatchCreateCustomersRequest", "BatchDeleteCustomersRequest", "CreateRecordRequest",
        "UpdateRecordRequest",         "DeactivateRecordRequest",     "ActivateRecordRequest",
        "DeleteRecordRequest",         "UndeleteRecordRequest",       "BatchCreateRecordsRequest",
        "BatchDeleteRecordsRequest",   "CreateMemberRequest",         "UpdateMemberRequest",
        "DeactivateMemberRequest",     "ActivateMemberRequest",       "DeleteMemberRequest",
        "UndeleteMemberRequest",       "UpdatePolicyRequest",         "BeginChangeSetRequest",
        "EndChangeSetRequest",         "MergeCustomersRequest",       "RestoreToRequest"}) {
    EXPECT_GT(done[command], 5) << command;
  }
  for (const v1::ErrorReason reason :
       {v1::INVALID_FIELD, v1::ALREADY_DELETED, v1::NOT_DELETED, v1::KEY_TAKEN, v1::ID_TAKEN,
        v1::REFERENCE_BROKEN, v1::RELATED_CHOICE_MISSING, v1::RELATED_EXIST, v1::NOT_YOUR_DELETION,
        v1::CHANGE_SET_CLOSED, v1::MERGED_AWAY, v1::ENTITY_NOT_FOUND}) {
    EXPECT_GT(refused[reason], 5) << v1::ErrorReason_Name(reason);
  }
}

}  // namespace
}  // namespace retrace::domain
