// Exports: rows rebuilt from a file say what the server's say, and a file that is not as it was
// written is refused or found out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "domain/refusal.h"
#include "eventstore/crc32c.h"
#include "fmt/format.h"
#include "server/export.h"
#include "server/export_file.h"
#include "server/export_replay.h"
#include "tests/support/message_sink.h"
#include "tests/support/small_ledger.h"

namespace retrace {
namespace {

using server::ExportReplay;
using ::testing::HasSubstr;
using testing::MessageSink;
using testing::SmallLedger;

std::string Contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void Put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string LittleEndian(uint32_t number) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(number >> (8 * i)));
  return bytes;
}

// The records of a file, and a file of records.
std::vector<store::v1::ExportRecord> RecordsOf(const std::string& file) {
  std::vector<store::v1::ExportRecord> records;
  for (size_t at = 8; at < file.size();) {
    uint32_t size = 0;
    for (int i = 0; i < 4; ++i) {
      size |= uint32_t{static_cast<unsigned char>(file[at + i])} << (8 * i);
    }
    EXPECT_TRUE(records.emplace_back().ParseFromString(file.substr(at + 8, size)));
    at += 8 + size;
  }
  return records;
}

// With sums and hashes that fit, as somebody would write who knows the format.
std::string FileOf(std::vector<store::v1::ExportRecord> records) {
  server::HistoryHash history;
  eventstore::Sha256Digest last{};
  for (const auto& record : records) {
    if (!record.has_commit()) continue;
    history.Add(record.commit());
    last = eventstore::Sha256(record.commit());
  }
  records.front().mutable_header()->set_head_hash(std::string(last.begin(), last.end()));
  records.back().mutable_end()->set_history_hash(
      std::string(history.digest().begin(), history.digest().end()));
  std::string file = "RETRACE1";
  for (const auto& record : records) {
    const std::string bytes = record.SerializeAsString();
    file += LittleEndian(static_cast<uint32_t>(bytes.size())) +
            LittleEndian(eventstore::Crc32c(bytes)) + bytes;
  }
  return file;
}

class ExportTest : public ::testing::Test {
 protected:
  // Customers with personal names, and deals, over some thirty commits.
  void Live() {
    std::mt19937 random(5);
    std::vector<std::string> names;
    for (int i = 0; i < 30; ++i) {
      if (names.size() < 3 || random() % 3 == 0) {
        v1::CreateCustomerRequest request;
        request.mutable_customer()->set_given_name(fmt::format("Person {}", i));
        request.mutable_customer()->set_level("gold");
        names.push_back("tenants/acme/customers/" + small_.Do(request).id());
      } else {
        v1::UpdateCustomerRequest request;
        request.mutable_customer()->set_name(names[random() % names.size()]);
        request.mutable_customer()->set_level(fmt::format("level {}", i));
        ASSERT_TRUE(small_.Do(request).status.ok());
      }
    }
    first_ = names.front();
  }
  void Export(int64_t until = 0) {
    v1::ExportCommitsRequest request;
    request.set_parent("tenants/acme");
    if (until > 0) request.mutable_until()->set_position(until);
    MessageSink<v1::ExportCommitsResponse> sink;
    const server::QueryCall call = small_.Call("export");
    ASSERT_TRUE(server::StreamStoredCommits(small_.ledger(), call, request, sink).ok());
    server::ExportWriter writer(file_);
    for (const auto& message : sink.messages) ASSERT_TRUE(writer.Add(message).ok());
    ASSERT_TRUE(writer.Finish().ok());
    v1::ExportKeysRequest keys_request;
    keys_request.set_parent("tenants/acme");
    MessageSink<v1::ExportKeysResponse> keys_sink;
    ASSERT_TRUE(server::StreamSubjectKeys(small_.ledger(), call, keys_request, keys_sink).ok());
    server::ExportedKeys keys;
    for (const auto& message : keys_sink.messages) ASSERT_TRUE(AddKeys(message, keys).ok());
    ASSERT_TRUE(server::WriteKeyFile(keys_, "tenants/acme", keys).ok());
  }
  absl::StatusOr<std::unique_ptr<ExportReplay>> Open(int64_t until = -1, bool with_keys = true) {
    server::ExportReplayOptions options{
        .file = file_, .key_file = with_keys ? keys_ : "", .scratch = directory_.path()};
    if (until >= 0) options.until.set_position(until);
    return ExportReplay::Open(options);
  }
  std::string ServerDigest(eventstore::Position position) {
    return server::ShowDigest(
        server::DigestContent(small_.ledger().rows(), small_.tenant().number, position, [] {
          return absl::OkStatus();
        })->digest);
  }
  std::string FileDigest(int64_t position) {
    const auto replay = Open(position);
    EXPECT_TRUE(replay.ok()) << replay.status();
    return replay.ok() ? server::ShowDigest((*replay)->Digest()->digest) : "";
  }
  std::string OpenError() { return std::string(Open().status().message()); }

  testing::TempDirectory directory_;
  const std::string file_ = directory_.Below("acme.retrace");
  const std::string keys_ = directory_.Below("acme.keys");
  SmallLedger small_;
  std::string first_;
};

TEST_F(ExportTest, RowsFromAFileSayWhatTheServersSay) {
  Live();
  Export();
  std::mt19937 random(6);
  for (int i = 0; i < 8; ++i) {
    const int64_t position = 1 + static_cast<int64_t>(random() % small_.head());
    EXPECT_EQ(FileDigest(position), ServerDigest(position)) << position;
  }
  EXPECT_NE(ServerDigest(1), ServerDigest(2));
  const auto replay = Open(20);
  ASSERT_TRUE(replay.ok()) << replay.status();
  const auto shown = (*replay)->Get(first_);
  ASSERT_TRUE(shown.ok()) << shown.status();
  int listed = 0;
  ASSERT_TRUE((*replay)
                  ->List({.collection = "customers"},
                         [&](const google::protobuf::Message&) { return ++listed > 0; })
                  .ok());
  int there = 0;
  for (const auto& [entity, resource] : small_.ShownAt(20)) {
    if (entity.kind != domain::KindNumber::kCustomer) continue;
    ++there;
    const auto found = (*replay)->Get("customers/" + entity.id);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ((*found)->SerializeAsString(), resource->SerializeAsString());
  }
  EXPECT_EQ(listed, there);
  EXPECT_EQ(domain::ReasonOf((*replay)->Get("customers/none").status()), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(domain::ReasonOf((*replay)->List({.collection = "wolves"}, nullptr)),
            v1::INVALID_FIELD);
}

TEST_F(ExportTest, WhatWasPurgedIsReplayedAsTheServerShowsIt) {
  Live();
  v1::DeleteCustomerRequest deletion;
  deletion.set_name(first_);
  deletion.mutable_related()->set_all(v1::RelatedRecords::DELETE);
  ASSERT_TRUE(small_.Do(deletion).status.ok());
  v1::PurgeEntitiesRequest purge;
  purge.add_names(first_);
  ASSERT_TRUE(small_.Do(purge).status.ok());
  Export();
  for (const int64_t position : {int64_t{1}, int64_t{20}, static_cast<int64_t>(small_.head())}) {
    EXPECT_EQ(FileDigest(position), ServerDigest(position)) << position;
  }
  const auto replay = Open();
  ASSERT_TRUE(replay.ok()) << replay.status();
  EXPECT_EQ(domain::ReasonOf((*replay)->Get(first_).status()), v1::ENTITY_NOT_FOUND);
}

// A customer goes, and with it the past of a deal that was sealed under its key.
class PurgedExportTest : public ExportTest {
 protected:
  void SetUp() override {
    Live();
    v1::CreateRecordRequest create;
    create.mutable_record()->set_kind(v1::Record::DEAL);
    create.mutable_record()->set_title("deal");
    create.mutable_record()->set_customer(first_);
    deal_ = "tenants/acme/records/" + small_.Do(create).id();
    v1::UpdateRecordRequest move;
    move.mutable_record()->set_name(deal_);
    move.mutable_record()->set_customer("");
    move.mutable_update_mask()->add_paths("customer");
    ASSERT_TRUE(small_.Do(move).status.ok());
    before_ = small_.head();
    gone_ = first_;
  }
  void Purge() {
    v1::DeleteCustomerRequest remove;
    remove.set_name(gone_);
    remove.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    ASSERT_TRUE(small_.Do(remove).status.ok());
    v1::PurgeEntitiesRequest purge;
    purge.add_names(gone_);
    ASSERT_TRUE(small_.Do(purge).status.ok());
  }
  void ExpectServersDigests(domain::Position until) {
    for (domain::Position position = until; position > until - 9; position -= 4) {
      EXPECT_EQ(FileDigest(static_cast<int64_t>(position)), ServerDigest(position)) << position;
    }
  }

  std::string gone_, deal_;
  domain::Position before_ = 0;
};

TEST_F(PurgedExportTest, WhatWasPurgedAfterTheLastCommitIsLeftOut) {
  const std::string told = ServerDigest(before_);
  Purge();
  EXPECT_NE(told, ServerDigest(before_));
  Live();
  Export(static_cast<int64_t>(before_));
  ExpectServersDigests(before_);
  const auto replay = Open();
  ASSERT_TRUE(replay.ok()) << replay.status();
  EXPECT_EQ((*replay)->left_out(), 2);  // the customer, and the deal, which lost its past
  EXPECT_EQ(domain::ReasonOf((*replay)->Get(gone_).status()), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(domain::ReasonOf((*replay)->Get(deal_).status()), v1::ENTITY_NOT_FOUND);
  // Of the later commits nothing but the purge is in the file.
  const auto records = RecordsOf(Contents(file_));
  ASSERT_EQ(records.size(), before_ + 3);
  store::v1::Commit purge;
  ASSERT_TRUE(purge.ParseFromString(records[before_ + 1].later_purge()));
  EXPECT_EQ(purge.position(), before_ + 2);
  for (const auto& event : purge.events()) EXPECT_TRUE(event.sealed().empty()) << event.type();
}

TEST_F(PurgedExportTest, AFileOlderThanAPurgeSaysWhatTheServerSaidThen) {
  const std::string told = ServerDigest(before_);
  Export();
  Purge();
  EXPECT_EQ(FileDigest(static_cast<int64_t>(before_)), told);
  EXPECT_NE(ServerDigest(before_), told);
}

TEST_F(PurgedExportTest, ALaterPurgeOutOfPlaceIsFoundOut) {
  Purge();
  Export(static_cast<int64_t>(before_));
  const auto records = RecordsOf(Contents(file_));
  auto early = records;
  std::swap(early[before_], early[before_ + 1]);
  Put(file_, FileOf(early));
  EXPECT_THAT(OpenError(), HasSubstr("comes next"));
  auto twice = records;
  twice.insert(twice.begin() + static_cast<int64_t>(before_) + 1, records[before_ + 1]);
  Put(file_, FileOf(twice));
  EXPECT_THAT(OpenError(), HasSubstr("comes next"));
  Put(file_, FileOf(records));
  EXPECT_TRUE(Open().ok());
}

TEST_F(ExportTest, HoldsTheStoredBytesUpToTheMoment) {
  Live();
  Export(7);
  const auto records = RecordsOf(Contents(file_));
  ASSERT_EQ(records.size(), 9u);
  for (size_t position = 1; position <= 7; ++position) {
    EXPECT_EQ(records[position].commit(), *small_.ledger().ReadStored(small_.tenant(), position));
  }
  EXPECT_EQ(FileDigest(7), ServerDigest(7));
  EXPECT_EQ(domain::ReasonOf(Open(8).status()), v1::INVALID_FIELD);
  EXPECT_EQ(domain::ReasonOf(Open(0).status()), v1::INVALID_FIELD);
}

TEST_F(ExportTest, PersonalFieldsNeedTheKeys) {
  Live();
  Export();
  EXPECT_EQ(Contents(file_).find("Person 0"), std::string::npos);
  const auto without = Open(-1, /*with_keys=*/false);
  EXPECT_TRUE(absl::IsFailedPrecondition(without.status())) << without.status();
  EXPECT_THAT(std::string(without.status().message()), HasSubstr("--keys"));
  struct stat found {};
  ASSERT_EQ(stat(keys_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  ASSERT_EQ(chmod(keys_.c_str(), 0644), 0);
  EXPECT_THAT(OpenError(), HasSubstr("open to others"));
  ASSERT_EQ(chmod(keys_.c_str(), 0600), 0);
  Put(keys_, Contents(keys_).substr(0, Contents(keys_).size() - 3));
  EXPECT_THAT(OpenError(), HasSubstr("is no key"));
}

TEST_F(ExportTest, EveryCutAndEveryFlippedBitIsRefused) {
  Live();
  Export();
  const std::string whole = Contents(file_);
  std::mt19937 random(7);
  for (int i = 0; i < 25; ++i) {
    Put(file_, whole.substr(0, random() % whole.size()));
    EXPECT_TRUE(absl::IsDataLoss(Open().status())) << Open().status();
    std::string flipped = whole;
    flipped[random() % whole.size()] ^= static_cast<char>(1 << (random() % 8));
    Put(file_, flipped);
    EXPECT_TRUE(absl::IsDataLoss(Open().status())) << Open().status();
  }
  Put(file_, whole + "x");
  EXPECT_FALSE(Open().ok());
  Put(file_, "");
  EXPECT_THAT(OpenError(), HasSubstr("is no export"));
  Put(file_, whole);
  EXPECT_TRUE(Open().ok());
}

TEST_F(ExportTest, AnEventAlteredWithItsSumsIsFoundOut) {
  Live();
  Export();
  auto records = RecordsOf(Contents(file_));
  Put(file_, FileOf(records));
  ASSERT_EQ(FileDigest(30), ServerDigest(30)) << "written anew it is the same";
  // Somebody who makes a level better than it was, sums and hashes included.
  std::string& commit = *records[1].mutable_commit();
  const size_t at = commit.find("gold");
  ASSERT_NE(at, std::string::npos);
  commit.replace(at, 4, "best");
  std::string file = FileOf(records);
  Put(file_, file);
  EXPECT_NE(FileDigest(1), ServerDigest(1));
  // Who does not know of the hash is refused.
  auto unhashed = RecordsOf(file);
  auto original = records;
  unhashed.back().mutable_end()->set_history_hash(std::string(32, 'x'));
  std::string stale = "RETRACE1";
  for (const auto& record : unhashed) {
    const std::string bytes = record.SerializeAsString();
    stale += LittleEndian(static_cast<uint32_t>(bytes.size())) +
             LittleEndian(eventstore::Crc32c(bytes)) + bytes;
  }
  Put(file_, stale);
  EXPECT_THAT(OpenError(), HasSubstr("hashes do not fit"));
  // A commit that is left out, or said twice.
  auto missing = records;
  missing.erase(missing.begin() + 4);
  Put(file_, FileOf(missing));
  EXPECT_THAT(OpenError(), HasSubstr("comes next"));
  auto twice = records;
  twice.insert(twice.begin() + 4, records[4]);
  Put(file_, FileOf(twice));
  EXPECT_THAT(OpenError(), HasSubstr("comes next"));
}

TEST_F(ExportTest, ThereMustBeSomethingToExport) {
  v1::ExportCommitsRequest request;
  request.set_parent("tenants/acme");
  MessageSink<v1::ExportCommitsResponse> sink;
  const server::QueryCall call = small_.Call("export");
  EXPECT_EQ(domain::ReasonOf(server::StreamStoredCommits(small_.ledger(), call, request, sink)),
            v1::INVALID_FIELD);
  Live();
  request.mutable_until()->set_position(31);
  EXPECT_EQ(domain::ReasonOf(server::StreamStoredCommits(small_.ledger(), call, request, sink)),
            v1::FUTURE_AS_OF);
  request.mutable_until()->mutable_time()->set_seconds(1);
  EXPECT_EQ(domain::ReasonOf(server::StreamStoredCommits(small_.ledger(), call, request, sink)),
            v1::INVALID_FIELD);
  EXPECT_TRUE(sink.messages.empty());
}

TEST_F(ExportTest, AStreamThatIsNotWholeLeavesNoFile) {
  Live();
  v1::ExportCommitsRequest request;
  request.set_parent("tenants/acme");
  MessageSink<v1::ExportCommitsResponse> sink;
  ASSERT_TRUE(
      server::StreamStoredCommits(small_.ledger(), small_.Call("export"), request, sink).ok());
  {
    server::ExportWriter writer(file_);
    for (size_t i = 0; i + 1 < sink.messages.size(); ++i) {
      ASSERT_TRUE(writer.Add(sink.messages[i]).ok());
    }
    EXPECT_FALSE(writer.Finish().ok());
  }
  EXPECT_EQ(Contents(file_), "");
  EXPECT_EQ(Contents(file_ + ".partial"), "");
}

}  // namespace
}  // namespace retrace
