#include "eventstore/log_and_witness.h"

#include <openssl/rand.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "eventstore/log_keys.h"
#include "eventstore/rocks_status.h"
#include "fmt/format.h"

namespace retrace::eventstore {
namespace {

using store::v1::BatchRecord;

// 0 stands for "none".
Epoch NewEpoch() {
  Epoch epoch = 0;
  while (epoch == 0) {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&epoch), sizeof(epoch)) != 1) std::abort();
  }
  return epoch;
}

absl::Status CheckOptions(const RocksCommitLogOptions& options) {
  if (options.on_failure == nullptr) {
    return absl::InvalidArgumentError("RocksCommitLogOptions::on_failure must be set");
  }
  if (options.directory.empty() || options.witness_directory.empty() ||
      SamePath(options.directory, options.witness_directory)) {
    return absl::InvalidArgumentError(
        fmt::format("the commit log ({}) and its witness ({}) need two different directories",
                    options.directory, options.witness_directory));
  }
  return absl::OkStatus();
}

absl::Status LockBoth(rocksdb::Env* env, const RocksCommitLogOptions& options,
                      LogAndWitness& opened) {
  constexpr std::string_view kNext = "Check that it is a directory on a sound disk.";
  const std::string doing = "preparing the directory of the commit log, " + options.directory;
  absl::Status status = FromRocks(MakeDirectories(env, options.directory), doing, kNext);
  if (!status.ok()) return status;
  status = FromRocks(opened.log_lock.Lock(env, options.directory), doing, kNext);
  if (!status.ok()) return status;
  const std::string witness_doing =
      "preparing the directory of the head witness, " + options.witness_directory;
  status = FromRocks(MakeDirectories(env, options.witness_directory), witness_doing, kNext);
  if (!status.ok()) return status;
  return FromRocks(opened.witness_lock.Lock(env, options.witness_directory), witness_doing, kNext);
}

std::string DescribeWitness(const WitnessContents& witness) {
  if (!witness.exists) return "is missing";
  if (!witness.last.has_value()) return "cannot be read: neither of its slots is sound";
  if (SaysLogIsBeingMade(witness)) return "says that a log is being made there";
  return "says " + Describe(*witness.last);
}

absl::Status NoLog(const RocksCommitLogOptions& options, const WitnessContents& witness) {
  if (!witness.exists) {
    return absl::FailedPreconditionError(
        fmt::format("there is no commit log in {}; check the path", options.directory));
  }
  return absl::FailedPreconditionError(fmt::format(
      "there is no commit log in {}, but the head witness in {} {}. If the log was moved, put it "
      "back; else recover from a backup into empty directories (`retraced recover`). To begin a "
      "new log, remove the witness as well.",
      options.directory, options.witness_directory, DescribeWitness(witness)));
}

// Whether a log may be made where there is none.
bool MayMakeLog(Purpose purpose, const WitnessContents& witness) {
  return purpose == Purpose::kServe && (!witness.exists || SaysLogIsBeingMade(witness));
}

// Before the directories are made: what is refused leaves nothing that a log which is put back
// would have to replace.
absl::Status RefuseMissingLog(rocksdb::Env* env, const RocksCommitLogOptions& options,
                              Purpose purpose) {
  if (!env->FileExists(options.directory).IsNotFound()) return absl::OkStatus();
  absl::StatusOr<WitnessContents> witness = ReadWitness(env, options.witness_directory);
  if (!witness.ok()) return witness.status();
  return MayMakeLog(purpose, *witness) ? absl::OkStatus() : NoLog(options, *witness);
}

absl::Status ReadEndInto(LogAndWitness& opened) {
  absl::StatusOr<std::optional<LogEnd>> end = opened.log->ReadEnd();
  if (!end.ok()) return end.status();
  opened.end = *std::move(end);
  return absl::OkStatus();
}

// A power cut may leave the last group's place in the write-ahead log with its length but other
// bytes, which RocksDB cannot tell from rot in an acknowledged group. The witness can: if what lies
// before the damage agrees with it, nobody was told of what lies behind.
bool DamageIsBehindTheWitness(rocksdb::Env* env, const RocksCommitLogOptions& options,
                              const LogAndWitness& opened) {
  LogAndWitness peek;
  peek.witness = opened.witness;
  absl::StatusOr<std::unique_ptr<LogDatabase>> log =
      LogDatabase::Open(env, options.directory, DatabaseMode::kReadOnlyUpToDamage);
  if (!log.ok() || !opened.witness.exists) return false;
  peek.log = *std::move(log);
  if (!ReadEndInto(peek).ok() || !Agree(peek)) return false;
  return !peek.end.has_value() || peek.log->Verify(peek.end->heads).ok();
}

absl::Status OpenDatabase(rocksdb::Env* env, const RocksCommitLogOptions& options, Purpose purpose,
                          LogAndWitness& opened) {
  absl::StatusOr<DirectoryState> state = LogDatabase::Inspect(env, options.directory);
  if (!state.ok()) return state.status();
  if (*state == DirectoryState::kDamaged) {
    return absl::DataLossError(fmt::format(
        "{} holds pieces of a commit log, but its file CURRENT is missing. Put the file back, or "
        "recover from a backup into empty directories (`retraced recover`).",
        options.directory));
  }
  if (*state == DirectoryState::kEmpty) {
    if (!MayMakeLog(purpose, opened.witness)) return NoLog(options, opened.witness);
    // First, so that a log which a crash left half made is not taken for one that was damaged.
    absl::Status status = ReplaceWitness(env, options.witness_directory, LogBeingMade());
    if (!status.ok()) return status;
  }
  absl::StatusOr<std::unique_ptr<LogDatabase>> log = LogDatabase::Open(
      env, options.directory,
      *state == DirectoryState::kEmpty ? DatabaseMode::kCreate : DatabaseMode::kExisting);
  if (absl::IsDataLoss(log.status()) && DamageIsBehindTheWitness(env, options, opened)) {
    log = LogDatabase::Open(env, options.directory, DatabaseMode::kUpToDamage);
  } else if (absl::IsDataLoss(log.status()) && purpose == Purpose::kAcceptLoss) {
    log = LogDatabase::Open(env, options.directory, DatabaseMode::kSalvage);
    opened.salvaged = true;
  }
  if (!log.ok()) return log.status();
  opened.log = *std::move(log);
  return ReadEndInto(opened);
}

}  // namespace

absl::Status OpenBoth(const RocksCommitLogOptions& options, Purpose purpose,
                      LogAndWitness& opened) {
  rocksdb::Env* env = EnvOrDefault(options.env);
  absl::Status status = CheckOptions(options);
  if (status.ok()) status = RefuseMissingLog(env, options, purpose);
  if (status.ok()) status = LockBoth(env, options, opened);
  if (!status.ok()) return status;
  absl::StatusOr<WitnessContents> witness = ReadWitness(env, options.witness_directory);
  if (!witness.ok()) return witness.status();
  opened.witness = *std::move(witness);
  return OpenDatabase(env, options, purpose, opened);
}

bool Agree(const LogAndWitness& opened) {
  const std::optional<LogEnd>& end = opened.end;
  const WitnessContents& witness = opened.witness;
  if (!witness.exists || SaysLogIsBeingMade(witness)) return !end.has_value() || end->heads.empty();
  if (!end.has_value() || !witness.last.has_value()) return false;
  const BatchRecord& log = end->last;
  const BatchRecord& witnessed = *witness.last;
  if (log.number() == witnessed.number()) {
    return log.chain_hash() == witnessed.chain_hash() && log.epoch() == witnessed.epoch();
  }
  return log.number() == witnessed.number() + 1 &&
         log.previous_chain_hash() == witnessed.chain_hash();
}

WitnessDifference DifferenceOf(const RocksCommitLogOptions& options, const LogAndWitness& opened) {
  WitnessDifference difference;
  if (opened.end.has_value()) difference.log_batch = opened.end->last.number();
  if (opened.witness.last.has_value()) difference.witness_batch = opened.witness.last->number();
  difference.description = fmt::format(
      "the commit log in {} ends with {}{}, but the head witness in {} {}", options.directory,
      opened.end.has_value() ? Describe(opened.end->last) : std::string("nothing ever written"),
      opened.salvaged ? " (its write-ahead log was damaged; what follows the damage is lost)" : "",
      options.witness_directory, DescribeWitness(opened.witness));
  return difference;
}

absl::Status RefuseDifference(const RocksCommitLogOptions& options, const LogAndWitness& opened) {
  return absl::FailedPreconditionError(fmt::format(
      "{}. Acknowledged commits may be lost. If a newer copy of either exists, put it back; else "
      "recover from a backup (`retraced recover`), or accept what this log holds with `retraced "
      "accept-loss`.",
      DifferenceOf(options, opened).description));
}

absl::StatusOr<LogEnd> BeginEpochIn(const RocksCommitLogOptions& options, LogAndWitness& opened) {
  LogEnd end;
  const Sha256Digest zero{};
  Sha256Digest chain = zero;
  if (opened.end.has_value()) {
    end.heads = opened.end->heads;
    end.previous = opened.end->last;
    chain = ChainHash(*AsDigest(opened.end->last.chain_hash()), {});
    end.last.set_number(opened.end->last.number() + 1);
  }
  end.last.set_previous_chain_hash(opened.end.has_value() ? opened.end->last.chain_hash()
                                                          : std::string(AsView(zero)));
  end.last.set_chain_hash(std::string(AsView(chain)));
  end.header.set_format(kLogFormat);
  end.header.set_epoch(NewEpoch());
  end.last.set_epoch(end.header.epoch());
  rocksdb::WriteBatch batch;
  rocksdb::Status put = opened.log->PutHeader(end.header, &batch);
  if (put.ok()) {
    put = opened.log->PutBatchRecord(end.last.number(), end.last.SerializeAsString(), &batch);
  }
  absl::Status status = FromRocks(put, "beginning an epoch in " + options.directory, "");
  if (status.ok()) status = opened.log->Write(&batch);
  if (status.ok()) {
    status = ReplaceWitness(EnvOrDefault(options.env), options.witness_directory, end.last);
  }
  if (!status.ok()) return status;
  return end;
}

}  // namespace retrace::eventstore
