// A tenant as an export tells it, without a server: its rows, rebuilt by the code that the server
// rebuilds them with, asked by the code that the server answers with.
//
// The whole file is replayed, whatever moment is asked about: only so is it known to be whole, and
// what was purged later, in the file or after its last commit, is left out as the server leaves it
// out. What was purged after the file was made is in it as it was then.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/key_store.h"
#include "eventstore/row_store.h"
#include "google/protobuf/message.h"
#include "retrace/store/v1/commit.pb.h"
#include "retrace/store/v1/export.pb.h"
#include "retrace/v1/common.pb.h"
#include "server/digest.h"
#include "server/scratch_directory.h"
#include "server/tenants.h"

namespace retrace::server {

struct ExportReplayOptions {
  std::string file;
  // Empty: the export must hold no personal fields.
  std::string key_file;
  // The moment that is asked about; unset: the end of the file.
  v1::AsOf until;
  // Where the scratch directory with the rows is made.
  std::string scratch = "/tmp";
  // Keys and opened rows go even if this process is killed: another one, which is forked, sees to
  // that. So there must be no threads yet.
  bool remove_when_killed = false;
};

// What is listed; as of a List request.
struct ExportList {
  std::string collection;
  std::string filter;
  std::string order_by;
  std::string query;
  bool show_inactive = false;
  bool show_deleted = false;
};

// Thread-compatible.
class ExportReplay {
 public:
  // Reads, checks and replays the file. Errors as of ExportReader and ReadKeyFile; INVALID_FIELD
  // when the moment is none of the file's; FAILED_PRECONDITION when keys are needed and none are
  // given.
  static absl::StatusOr<std::unique_ptr<ExportReplay>> Open(ExportReplayOptions options);
  ~ExportReplay();

  const store::v1::ExportHeader& header() const { return header_; }
  // Of the log that was exported, 16 hexadecimal digits.
  std::string epoch() const;
  // The moment that is asked about.
  eventstore::Position position() const { return position_; }
  absl::Time commit_time() const { return absl::FromUnixMicros(commit_time_us_); }
  // Over the commits up to it, and over all; see HistoryHash.
  const eventstore::Sha256Digest& history_hash() const { return history_hash_; }
  const eventstore::Sha256Digest& whole_history_hash() const { return whole_history_hash_; }

  // How many entities are left out at every position, since they lost their past to a purge after
  // the last commit of the file.
  int64_t left_out() const { return left_out_; }

  // As of History.GetDigest, when the file was made.
  absl::StatusOr<ContentDigest> Digest() const;
  // The entity of that name, full or without its tenant. ENTITY_NOT_FOUND.
  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Get(std::string_view name) const;
  // The resource type of a collection; null when it has no list.
  static const google::protobuf::Message* TypeOf(std::string_view collection);
  // Hands over each listed entity, in the order of the list, until `visit` returns false.
  // INVALID_FIELD, INVALID_FILTER as of Queries.
  absl::Status List(const ExportList& list,
                    const std::function<bool(const google::protobuf::Message&)>& visit) const;

 private:
  explicit ExportReplay(const ExportReplayOptions& options);
  absl::Status OpenStores();
  absl::Status Replay();
  absl::Status ImportKeys();
  // What a later commit purged goes, as it went on the server.
  absl::Status LeaveOut(const store::v1::Commit& purge);
  absl::Status CheckMoment() const;

  const ExportReplayOptions options_;
  ScratchDirectory directory_;
  std::unique_ptr<eventstore::KeyStore> keys_;
  std::unique_ptr<eventstore::RowStore> rows_;
  std::unique_ptr<Tenant> tenant_;
  store::v1::ExportHeader header_;
  eventstore::Position rows_position_ = 0;
  int64_t left_out_ = 0;
  eventstore::Position position_ = 0;
  int64_t commit_time_us_ = 0;
  int64_t first_time_us_ = 0;
  eventstore::Sha256Digest history_hash_{};
  eventstore::Sha256Digest whole_history_hash_{};
};

}  // namespace retrace::server
