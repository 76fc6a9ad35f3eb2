#include "eventstore/backup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "eventstore/files.h"
#include "eventstore/log_database.h"
#include "eventstore/log_keys.h"
#include "eventstore/rocks_status.h"
#include "fmt/format.h"
#include "google/protobuf/util/json_util.h"

namespace retrace::eventstore {
namespace {

using store::v1::BackupManifest;

constexpr uint32_t kBackupFormat = 1;
constexpr char kLogDirectory[] = "/log";
constexpr char kManifestFile[] = "/manifest.json";
constexpr char kSumsFile[] = "/SHA256SUMS";
constexpr std::string_view kIfDamaged = "Use another backup.";

absl::Status Damaged(const std::string& directory, std::string_view what) {
  return absl::DataLossError(
      fmt::format("the backup in {} is damaged: {}. {}", directory, what, kIfDamaged));
}

// Size and hash of a file.
rocksdb::Status Measure(rocksdb::Env* env, const std::string& path, store::v1::BackupFile* file) {
  Sha256Hasher hasher;
  uint64_t size = 0;
  const rocksdb::Status status = ReadInPieces(env, path, [&](std::string_view piece) {
    hasher.Update(piece);
    size += piece.size();
  });
  file->set_size(size);
  file->set_sha256(Hex(hasher.Finish()));
  return status;
}

using Stopping = std::function<bool()>;

absl::Status GoOn(const Stopping& stopping) {
  return stopping != nullptr && stopping() ? absl::CancelledError("the backup was stopped")
                                           : absl::OkStatus();
}

// Opens the copy, reads all of it, and tells where it ends. Changes nothing.
absl::StatusOr<LogEnd> ReadCopy(rocksdb::Env* env, const std::string& directory,
                                const Stopping& stopping) {
  absl::StatusOr<std::unique_ptr<LogDatabase>> log =
      LogDatabase::Open(env, directory, DatabaseMode::kReadOnly);
  if (!log.ok()) return log.status();
  absl::StatusOr<std::optional<LogEnd>> end = (*log)->ReadEnd();
  if (!end.ok()) return end.status();
  if (!end->has_value()) return Damaged(directory, "its log is empty");
  if (absl::Status status = (*log)->Verify((*end)->heads, stopping); !status.ok()) {
    return status;
  }
  return **std::move(end);
}

void DescribeEnd(const LogEnd& end, BackupManifest& manifest) {
  manifest.set_epoch(end.header.epoch());
  manifest.set_batch(end.last.number());
  manifest.set_chain_hash(absl::BytesToHexString(end.last.chain_hash()));
  for (const auto& [tenant, head] : end.heads) {
    store::v1::BackupHead& stored = *manifest.add_heads();
    stored.set_tenant(tenant);
    stored.set_position(head.position);
    stored.set_commit_hash(Hex(head.commit_hash));
  }
}

absl::StatusOr<std::string> ToJson(const BackupManifest& manifest) {
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  print.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(manifest, &json, print);
  if (!status.ok()) {
    return absl::InternalError("writing a backup's manifest: " + status.ToString());
  }
  return json;
}

// What SHA256SUMS must hold.
std::string SumsOf(const BackupManifest& manifest, std::string_view manifest_json) {
  std::string sums;
  for (const store::v1::BackupFile& file : manifest.files()) {
    sums += fmt::format("{}  log/{}\n", file.sha256(), file.name());
  }
  sums += fmt::format("{}  manifest.json\n", Hex(Sha256(manifest_json)));
  return sums;
}

absl::Status CheckFiles(rocksdb::Env* env, const std::string& directory,
                        const BackupManifest& manifest, const Stopping& stopping) {
  const std::string doing = "reading the backup in " + directory;
  std::vector<std::string> names;
  rocksdb::Status status = ListDirectory(env, directory + kLogDirectory, &names);
  if (!status.ok()) return FromRocks(status, doing, kIfDamaged);
  std::vector<std::string> expected;
  for (const store::v1::BackupFile& file : manifest.files()) expected.push_back(file.name());
  std::vector<std::string> odd;
  std::set_symmetric_difference(names.begin(), names.end(), expected.begin(), expected.end(),
                                std::back_inserter(odd));
  if (!odd.empty()) {
    const bool missing = !std::binary_search(names.begin(), names.end(), odd.front());
    return Damaged(directory, fmt::format("log/{} is {}", odd.front(),
                                          missing ? "missing" : "there but not in the manifest"));
  }
  for (const store::v1::BackupFile& file : manifest.files()) {
    if (absl::Status status = GoOn(stopping); !status.ok()) return status;
    store::v1::BackupFile found;
    status = Measure(env, directory + kLogDirectory + "/" + file.name(), &found);
    if (!status.ok()) return FromRocks(status, doing, kIfDamaged);
    if (found.size() != file.size() || found.sha256() != file.sha256()) {
      return Damaged(directory, fmt::format("log/{} does not have its hash", file.name()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckEmpty(rocksdb::Env* env, const std::string& directory) {
  std::vector<std::string> names;
  const rocksdb::Status status = ListDirectory(env, directory, &names);
  if (!status.ok()) return FromRocks(status, "looking into " + directory, "Check the path.");
  std::erase_if(
      names, [](const std::string& name) { return name == kLockFileName || name == "lost+found"; });
  if (names.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "{} is not empty (it holds {}). Recovery writes into empty directories only: move what is "
      "there aside, or name another directory.",
      directory, names.front()));
}

absl::Status CopyLog(rocksdb::Env* env, const RecoverOptions& options,
                     const BackupManifest& manifest) {
  rocksdb::Status status = MakeDirectories(env, options.log_directory);
  for (const store::v1::BackupFile& file : manifest.files()) {
    const std::string to = options.log_directory + "/" + file.name();
    if (status.ok()) {
      status = CopyFile(env, options.from + kLogDirectory + "/" + file.name(), to);
    }
    store::v1::BackupFile copied;
    if (status.ok()) status = Measure(env, to, &copied);
    if (status.ok() && copied.sha256() != file.sha256()) {
      status = rocksdb::Status::Corruption("the copy differs from the backup", to);
    }
  }
  if (status.ok()) status = SyncDirectory(env, options.log_directory);
  return FromRocks(
      status, fmt::format("copying the backup in {} to {}", options.from, options.log_directory),
      "Empty the directory and try again.");
}

}  // namespace

absl::StatusOr<BackupManifest> ReadManifest(const std::string& directory, rocksdb::Env* env) {
  env = EnvOrDefault(env);
  if (env->FileExists(directory + kSumsFile).IsNotFound()) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is not a finished backup: it has no file SHA256SUMS, which is written last. Use "
        "another backup.",
        directory));
  }
  const std::string doing = "reading the backup in " + directory;
  std::string sums;
  std::string json;
  rocksdb::Status status = ReadWholeFile(env, directory + kSumsFile, &sums);
  if (status.ok()) status = ReadWholeFile(env, directory + kManifestFile, &json);
  if (!status.ok()) return FromRocks(status, doing, kIfDamaged);
  BackupManifest manifest;
  google::protobuf::util::JsonParseOptions parse;
  parse.ignore_unknown_fields = true;
  if (!google::protobuf::util::JsonStringToMessage(json, &manifest, parse).ok()) {
    return Damaged(directory, "manifest.json is not what was written");
  }
  if (manifest.format() > kBackupFormat) {
    return absl::FailedPreconditionError(
        fmt::format("the backup in {} has format {}; this build knows up to {}. Use a newer build.",
                    directory, manifest.format(), kBackupFormat));
  }
  if (sums != SumsOf(manifest, json)) {
    return Damaged(directory, "manifest.json and SHA256SUMS do not belong together");
  }
  return manifest;
}

absl::StatusOr<BackupManifest> Backup(const RocksCommitLog& log, const BackupOptions& options) {
  rocksdb::Env* env = EnvOrDefault(options.env);
  if (env->FileExists(options.directory).ok()) {
    return absl::AlreadyExistsError(
        fmt::format("{} exists; a backup needs a directory that does not", options.directory));
  }
  const std::string doing = "writing the backup in " + options.directory;
  constexpr std::string_view kNext = "Remove it and try again.";
  absl::Status made = FromRocks(MakeDirectories(env, options.directory), doing, kNext);
  if (!made.ok()) return made;
  // Nobody else's while it is empty: files of the copy are open to whom the log's are.
  if (options.env == nullptr && chmod(options.directory.c_str(), 0700) != 0) {
    return absl::UnavailableError(
        fmt::format("{}: it cannot be closed to others: {}", doing, std::strerror(errno)));
  }
  const std::string copy = options.directory + kLogDirectory;
  made = log.Checkpoint(copy);
  if (!made.ok()) return made;
  absl::StatusOr<LogEnd> end = ReadCopy(env, copy, options.stopping);
  if (!end.ok()) return end.status();

  BackupManifest manifest;
  manifest.set_format(kBackupFormat);
  manifest.set_time_us(absl::ToUnixMicros(options.time));
  manifest.set_time(absl::FormatTime(absl::RFC3339_full, options.time, absl::UTCTimeZone()));
  manifest.set_layout_stamp(options.layout_stamp);
  DescribeEnd(*end, manifest);
  std::vector<std::string> names;
  rocksdb::Status status = ListDirectory(env, copy, &names);
  for (const std::string& name : names) {
    if (!status.ok()) break;
    if (absl::Status stopped = GoOn(options.stopping); !stopped.ok()) return stopped;
    store::v1::BackupFile& file = *manifest.add_files();
    file.set_name(name);
    status = Measure(env, copy + "/" + name, &file);
  }
  if (!status.ok()) return FromRocks(status, doing, kNext);
  absl::StatusOr<std::string> json = ToJson(manifest);
  if (!json.ok()) return json.status();
  status = ReplaceFile(env, options.directory + kManifestFile, *json);
  if (status.ok()) {
    status = ReplaceFile(env, options.directory + kSumsFile, SumsOf(manifest, *json));
  }
  if (!status.ok()) return FromRocks(status, doing, kNext);
  return manifest;
}

absl::StatusOr<BackupManifest> VerifyFiles(const std::string& directory, rocksdb::Env* env,
                                           const Stopping& stopping) {
  env = EnvOrDefault(env);
  absl::StatusOr<BackupManifest> manifest = ReadManifest(directory, env);
  if (!manifest.ok()) return manifest.status();
  if (absl::Status status = CheckFiles(env, directory, *manifest, stopping); !status.ok()) {
    return status;
  }
  return manifest;
}

absl::StatusOr<BackupManifest> VerifyBackup(const std::string& directory, rocksdb::Env* env,
                                            const Stopping& stopping) {
  env = EnvOrDefault(env);
  absl::StatusOr<BackupManifest> manifest = VerifyFiles(directory, env, stopping);
  if (!manifest.ok()) return manifest.status();
  absl::StatusOr<LogEnd> end = ReadCopy(env, directory + kLogDirectory, stopping);
  if (!end.ok()) return end.status();
  BackupManifest found;
  DescribeEnd(*end, found);
  BackupManifest stated;
  stated.set_epoch(manifest->epoch());
  stated.set_batch(manifest->batch());
  stated.set_chain_hash(manifest->chain_hash());
  *stated.mutable_heads() = manifest->heads();
  if (found.SerializeAsString() != stated.SerializeAsString()) {
    return Damaged(directory, "its log does not end where the manifest says");
  }
  return manifest;
}

absl::StatusOr<Recovered> Recover(const RecoverOptions& options) {
  rocksdb::Env* env = EnvOrDefault(options.env);
  for (const std::string& directory : {options.log_directory, options.witness_directory}) {
    if (absl::Status status = CheckEmpty(env, directory); !status.ok()) return status;
  }
  absl::StatusOr<BackupManifest> manifest = VerifyBackup(options.from, env);
  if (!manifest.ok()) return manifest.status();
  if (absl::Status status = CopyLog(env, options, *manifest); !status.ok()) return status;
  RocksCommitLogOptions log;
  log.directory = options.log_directory;
  log.witness_directory = options.witness_directory;
  log.on_failure = [](const absl::Status&) {};  // the status is returned
  log.env = env;
  absl::StatusOr<Epoch> epoch = RocksCommitLog::BeginEpoch(std::move(log));
  if (!epoch.ok()) return epoch.status();

  Recovered recovered;
  recovered.previous_epoch = manifest->epoch();
  recovered.epoch = *epoch;
  for (const store::v1::BackupHead& head : manifest->heads()) {
    const std::optional<Sha256Digest> hash = AsDigest(absl::HexStringToBytes(head.commit_hash()));
    if (!hash.has_value()) return Damaged(options.from, "a commit hash has not 32 bytes");
    recovered.heads[head.tenant()] = Head{head.position(), *hash};
  }
  recovered.manifest = *std::move(manifest);
  return recovered;
}

}  // namespace retrace::eventstore
