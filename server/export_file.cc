#include "server/export_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/escaping.h"
#include "domain/status_macros.h"
#include "eventstore/crc32c.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "server/commit_codec.h"
#include "server/digest.h"
#include "server/numbers.h"

namespace retrace::server {
namespace {

using eventstore::Sha256Digest;
using store::v1::ExportRecord;

constexpr std::string_view kMagic = "RETRACE1";
constexpr uint32_t kFormat = 2;
constexpr uint32_t kMostRecordBytes = 2u << 20;

std::string BytesOf(const Sha256Digest& digest) {
  return std::string(digest.begin(), digest.end());
}

std::string LittleEndian(uint32_t number) {
  std::string bytes(4, '\0');
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  return bytes;
}

uint32_t FromLittleEndian(const char* bytes) {
  uint32_t number = 0;
  for (int i = 0; i < 4; ++i) number |= uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return number;
}

absl::Status CannotWrite(const std::string& path) {
  return absl::UnavailableError(fmt::format("{} cannot be written: {}", path, strerror(errno)));
}

absl::Status Unordered(std::string_view what) {
  return absl::DataLossError(fmt::format("The server's export is not whole: {}.", what));
}

}  // namespace

ExportWriter::ExportWriter(std::string path)
    : path_(std::move(path)), partial_(path_ + ".partial") {}

ExportWriter::~ExportWriter() {
  out_.close();
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
}

absl::Status ExportWriter::Add(const v1::ExportCommitsResponse& message) {
  switch (message.part_case()) {
    case v1::ExportCommitsResponse::kHeader:
      return AddHeader(message.header());
    case v1::ExportCommitsResponse::kCommits:
      return AddCommits(message.commits());
    case v1::ExportCommitsResponse::kLaterPurges:
      return AddLaterPurges(message.later_purges());
    case v1::ExportCommitsResponse::kEnd:
      return AddEnd(message.end());
    case v1::ExportCommitsResponse::PART_NOT_SET:
      break;
  }
  return Unordered("it holds what this release does not know");
}

absl::Status ExportWriter::AddHeader(const v1::ExportCommitsResponse::Header& header) {
  const std::optional<uint64_t> epoch = ReadNumber<uint64_t>(header.epoch(), /*radix=*/16);
  if (begun_ || !epoch.has_value() || header.position() < 1) return Unordered("its header is none");
  begun_ = true;
  header_.set_format(kFormat);
  header_.set_tenant(header.tenant());
  header_.set_epoch(*epoch);
  header_.set_position(static_cast<uint64_t>(header.position()));
  header_.set_commit_time_us(
      google::protobuf::util::TimeUtil::TimestampToMicroseconds(header.commit_time()));
  header_.set_head_hash(absl::HexStringToBytes(header.head_hash()));
  out_.open(partial_, std::ios::binary | std::ios::trunc);
  out_ << kMagic;
  ExportRecord record;
  *record.mutable_header() = header_;
  return Write(record);
}

absl::Status ExportWriter::AddCommits(const v1::ExportCommitsResponse::Commits& commits) {
  if (!begun_ || ended_) return Unordered("commits do not stand between header and end");
  for (const std::string& stored : commits.stored()) {
    ExportRecord record;
    record.set_commit(stored);
    RETRACE_RETURN_IF_ERROR(Write(record));
    history_.Add(stored);
    last_hash_ = eventstore::Sha256(stored);
    ++written_;
  }
  return absl::OkStatus();
}

absl::Status ExportWriter::AddLaterPurges(const v1::ExportCommitsResponse::LaterPurges& purges) {
  if (!begun_ || ended_ || written_ != header_.position()) {
    return Unordered("later purges do not stand between commits and end");
  }
  for (const std::string& purge : purges.purges()) {
    ExportRecord record;
    record.set_later_purge(purge);
    RETRACE_RETURN_IF_ERROR(Write(record));
  }
  return absl::OkStatus();
}

absl::Status ExportWriter::AddEnd(const v1::ExportCommitsResponse::End& end) {
  if (!begun_ || ended_ || written_ != header_.position() ||
      end.commit_count() != static_cast<int64_t>(written_) ||
      end.history_hash() != history_.text() || BytesOf(last_hash_) != header_.head_hash()) {
    return Unordered("what came is not what its header and end say");
  }
  ended_ = true;
  ExportRecord record;
  record.mutable_end()->set_commit_count(written_);
  record.mutable_end()->set_history_hash(BytesOf(history_.digest()));
  return Write(record);
}

absl::Status ExportWriter::Write(const ExportRecord& record) {
  const std::string bytes = record.SerializeAsString();
  out_ << LittleEndian(static_cast<uint32_t>(bytes.size()))
       << LittleEndian(eventstore::Crc32c(bytes)) << bytes;
  return out_.good() ? absl::OkStatus() : CannotWrite(partial_);
}

absl::Status ExportWriter::Finish() {
  if (!ended_) return Unordered("it has no end");
  out_.close();
  if (!out_ || std::rename(partial_.c_str(), path_.c_str()) != 0) return CannotWrite(path_);
  return absl::OkStatus();
}

ExportReader::ExportReader(std::string path)
    : path_(std::move(path)), in_(path_, std::ios::binary) {}

absl::StatusOr<std::unique_ptr<ExportReader>> ExportReader::Open(std::string path) {
  std::unique_ptr<ExportReader> reader(new ExportReader(std::move(path)));
  if (!reader->in_) {
    return absl::NotFoundError(
        fmt::format("{} cannot be read: {}", reader->path_, std::strerror(errno)));
  }
  RETRACE_RETURN_IF_ERROR(reader->ReadHeader());
  return reader;
}

absl::Status ExportReader::ReadHeader() {
  std::string magic(kMagic.size(), '\0');
  if (!in_.read(magic.data(), static_cast<std::streamsize>(magic.size())) || magic != kMagic) {
    return absl::DataLossError(
        fmt::format("{} is no export of commits: `retrace history export` makes one.", path_));
  }
  RETRACE_ASSIGN(std::optional<ExportRecord> record, ReadRecord());
  if (!record.has_value() || !record->has_header()) return Damaged("it has no header");
  header_ = record->header();
  if (header_.format() > kFormat) {
    return absl::FailedPreconditionError(
        fmt::format("{} has format {}; this release reads up to {}. Use the release that wrote it, "
                    "or a later one.",
                    path_, header_.format(), kFormat));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ExportRecord>> ExportReader::ReadRecord() {
  std::array<char, 8> head{};
  in_.read(head.data(), head.size());
  if (in_.gcount() == 0) return std::optional<ExportRecord>();
  if (in_.gcount() != head.size()) return Damaged("it is cut");
  const uint32_t size = FromLittleEndian(head.data());
  if (size > kMostRecordBytes) return Damaged("a length was altered");
  std::string bytes(size, '\0');
  if (!in_.read(bytes.data(), size)) return Damaged("it is cut");
  if (eventstore::Crc32c(bytes) != FromLittleEndian(head.data() + 4)) {
    return Damaged("it was altered: a check sum does not fit");
  }
  ExportRecord record;
  if (!record.ParseFromString(bytes)) return Damaged("it was altered: a record does not parse");
  return std::optional<ExportRecord>(std::move(record));
}

absl::StatusOr<std::optional<ExportedCommit>> ExportReader::Next() {
  RETRACE_ASSIGN(std::optional<ExportRecord> record, ReadRecord());
  if (!record.has_value()) return Damaged("it is cut: its end is missing");
  if (record->has_commit()) {
    RETRACE_ASSIGN(ExportedCommit commit, CheckCommit(std::move(*record->mutable_commit())));
    return std::optional<ExportedCommit>(std::move(commit));
  }
  if (record->has_later_purge()) {
    RETRACE_ASSIGN(ExportedCommit purge, CheckLaterPurge(record->later_purge()));
    return std::optional<ExportedCommit>(std::move(purge));
  }
  if (!record->has_end()) return Damaged("it was altered: a record is out of place");
  RETRACE_RETURN_IF_ERROR(CheckEnd(record->end()));
  RETRACE_ASSIGN(record, ReadRecord());
  if (record.has_value()) return Damaged("it was altered: something follows its end");
  return std::optional<ExportedCommit>();
}

absl::StatusOr<store::v1::Commit> ExportReader::Parse(std::string_view bytes) const {
  absl::StatusOr<store::v1::Commit> parsed = ParseCommit(bytes);
  if (absl::IsDataLoss(parsed.status())) return Damaged("it was altered: a commit does not parse");
  return parsed;
}

absl::StatusOr<ExportedCommit> ExportReader::CheckLaterPurge(const std::string& bytes) {
  ExportedCommit purge{.later_purge = true};
  RETRACE_ASSIGN(purge.parsed, Parse(bytes));
  const eventstore::Position position = purge.parsed.position();
  if (position_ != header_.position() || position <= std::max(position_, purge_position_) ||
      purge.parsed.tenant() != header_.tenant()) {
    return Damaged(fmt::format("it was altered: the purge of position {} of tenant {} comes next",
                               position, purge.parsed.tenant()));
  }
  purge_position_ = position;
  return purge;
}

absl::StatusOr<ExportedCommit> ExportReader::CheckCommit(std::string bytes) {
  ExportedCommit commit;
  RETRACE_ASSIGN(commit.parsed, Parse(bytes));
  if (commit.parsed.position() != position_ + 1 || commit.parsed.tenant() != header_.tenant() ||
      position_ >= header_.position()) {
    return Damaged(fmt::format("it was altered: the commit of position {} of tenant {} comes next",
                               commit.parsed.position(), commit.parsed.tenant()));
  }
  history_.Add(bytes);
  last_hash_ = eventstore::Sha256(bytes);
  commit.stored = {++position_, std::move(bytes)};
  return commit;
}

absl::Status ExportReader::CheckEnd(const store::v1::ExportEnd& end) {
  if (end.commit_count() != position_ || header_.position() != position_) {
    return Damaged(fmt::format("it was altered: it should hold {} commits", header_.position()));
  }
  if (end.history_hash() != BytesOf(history_.digest()) ||
      header_.head_hash() != BytesOf(last_hash_)) {
    return Damaged("it was altered: its hashes do not fit its commits");
  }
  return absl::OkStatus();
}

absl::Status ExportReader::Damaged(std::string_view what) const {
  return absl::DataLossError(
      fmt::format("{}, behind position {}: {}. Export it again.", path_, position_, what));
}

}  // namespace retrace::server
