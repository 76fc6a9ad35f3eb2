// The file that an export is kept in, and the one with its keys. Their bytes:
// proto/retrace/store/v1/export.proto.
#pragma once

#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/commit_log.h"
#include "eventstore/key_store.h"
#include "eventstore/types.h"
#include "retrace/store/v1/commit.pb.h"
#include "retrace/store/v1/export.pb.h"
#include "retrace/v1/history.pb.h"
#include "server/history_hash.h"

namespace retrace::server {

// Writes what History.ExportCommits streams into a file. Under another name until it is complete;
// without Finish nothing is left. Not thread-safe.
class ExportWriter {
 public:
  explicit ExportWriter(std::string path);
  ~ExportWriter();
  ExportWriter(const ExportWriter&) = delete;
  ExportWriter& operator=(const ExportWriter&) = delete;

  // DATA_LOSS when the stream is out of order or its hashes do not fit; UNAVAILABLE when the file
  // cannot be written.
  absl::Status Add(const v1::ExportCommitsResponse& message);
  // Once, at the end of the stream, which must have come to its end.
  absl::Status Finish();
  const store::v1::ExportHeader& header() const { return header_; }
  const HistoryHash& history() const { return history_; }

 private:
  absl::Status AddHeader(const v1::ExportCommitsResponse::Header& header);
  absl::Status AddCommits(const v1::ExportCommitsResponse::Commits& commits);
  absl::Status AddLaterPurges(const v1::ExportCommitsResponse::LaterPurges& purges);
  absl::Status AddEnd(const v1::ExportCommitsResponse::End& end);
  absl::Status Write(const store::v1::ExportRecord& record);

  const std::string path_;
  const std::string partial_;
  std::ofstream out_;
  bool begun_ = false;
  bool ended_ = false;
  store::v1::ExportHeader header_;
  eventstore::Position written_ = 0;
  eventstore::Sha256Digest last_hash_{};
  HistoryHash history_;
};

// A commit as the file holds it.
struct ExportedCommit {
  eventstore::StoredCommit stored;
  store::v1::Commit parsed;
  // It came after the last commit of the file, which holds only what it purged: `stored` is empty.
  bool later_purge = false;
};

// Reads such a file from its beginning to its end, and checks all of it. Not thread-safe.
class ExportReader {
 public:
  // NOT_FOUND when there is no such file; DATA_LOSS when it is no export, cut or altered;
  // FAILED_PRECONDITION when a newer build wrote it. Every message names the file.
  static absl::StatusOr<std::unique_ptr<ExportReader>> Open(std::string path);

  const store::v1::ExportHeader& header() const { return header_; }
  // The next commit, then each later purge; nothing at the end of the file, which then has been
  // found whole. Errors as of Open; a message says behind which position.
  absl::StatusOr<std::optional<ExportedCommit>> Next();
  // Over the commits read so far.
  const HistoryHash& history() const { return history_; }

 private:
  explicit ExportReader(std::string path);
  absl::Status ReadHeader();
  // Nothing at the end of the file.
  absl::StatusOr<std::optional<store::v1::ExportRecord>> ReadRecord();
  absl::StatusOr<ExportedCommit> CheckCommit(std::string bytes);
  absl::StatusOr<ExportedCommit> CheckLaterPurge(const std::string& bytes);
  absl::StatusOr<store::v1::Commit> Parse(std::string_view bytes) const;
  absl::Status CheckEnd(const store::v1::ExportEnd& end);
  absl::Status Damaged(std::string_view what) const;

  const std::string path_;
  std::ifstream in_;
  store::v1::ExportHeader header_;
  eventstore::Position position_ = 0;
  eventstore::Position purge_position_ = 0;  // of the last later purge
  eventstore::Sha256Digest last_hash_{};
  HistoryHash history_;
};

// The keys of an export.
struct ExportedKeys {
  ~ExportedKeys();
  std::vector<eventstore::SubjectKey> keys;
  // Ids of those that were not there any more.
  std::vector<std::string> destroyed;
};

// Adds what History.ExportKeys streams.
absl::Status AddKeys(const v1::ExportKeysResponse& message, ExportedKeys& keys);
// Writes a file of mode 0600, in place of one that is there.
absl::Status WriteKeyFile(const std::string& path, std::string_view tenant,
                          const ExportedKeys& keys);
// NOT_FOUND when there is no such file, FAILED_PRECONDITION when it is open to others, DATA_LOSS
// when it is no key file.
absl::StatusOr<std::unique_ptr<ExportedKeys>> ReadKeyFile(const std::string& path);

}  // namespace retrace::server
