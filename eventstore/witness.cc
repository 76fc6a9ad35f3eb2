#include "eventstore/witness.h"

#include <array>
#include <utility>

#include "eventstore/crc32c.h"
#include "eventstore/files.h"
#include "eventstore/rocks_status.h"
#include "fmt/format.h"

namespace retrace::eventstore {
namespace {

using store::v1::BatchRecord;

constexpr int kSlots = 2;
constexpr std::string_view kMagic = "RTW1";
constexpr size_t kHeaderSize = 12;  // magic, length, check sum

constexpr std::string_view kIfDamaged =
    "If the log itself is sound, `retraced accept-loss` continues it with a new witness.";

void PutLittleEndian(uint32_t value, std::string& to) {
  for (int shift = 0; shift < 32; shift += 8) to += static_cast<char>((value >> shift) & 0xff);
}

uint32_t GetLittleEndian(std::string_view from) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = (value << 8) | static_cast<uint8_t>(from[i]);
  return value;
}

// The slot's number is part of the sum, so that a slot copied over the other one is not believed.
uint32_t SlotCheckSum(uint64_t slot, std::string_view length, std::string_view content) {
  const char index = static_cast<char>('0' + slot);
  return ExtendCrc32c(ExtendCrc32c(Crc32c(std::string_view(&index, 1)), length), content);
}

// Sets `slot_bytes` to the used part of the slot for `number`.
void EncodeSlot(uint64_t number, std::string_view content, std::string& slot_bytes) {
  slot_bytes.assign(kMagic);
  PutLittleEndian(static_cast<uint32_t>(content.size()), slot_bytes);
  const std::string_view length = std::string_view(slot_bytes).substr(kMagic.size());
  PutLittleEndian(SlotCheckSum(number % kSlots, length, content), slot_bytes);
  slot_bytes += content;
}

std::optional<BatchRecord> DecodeSlot(uint64_t slot, std::string_view bytes) {
  if (bytes.size() < kHeaderSize || bytes.substr(0, kMagic.size()) != kMagic) return std::nullopt;
  const std::string_view length = bytes.substr(kMagic.size(), 4);
  const uint32_t size = GetLittleEndian(length);
  if (size > bytes.size() - kHeaderSize) return std::nullopt;
  const std::string_view content = bytes.substr(kHeaderSize, size);
  if (GetLittleEndian(bytes.substr(8, 4)) != SlotCheckSum(slot, length, content)) {
    return std::nullopt;
  }
  BatchRecord record;
  if (!record.ParseFromArray(content.data(), static_cast<int>(content.size()))) {
    return std::nullopt;
  }
  if (record.number() % kSlots != slot) return std::nullopt;
  return record;
}

// What goes into the slot: the record, or if it does not fit, the record without its tenants.
std::string FittingContent(const BatchRecord& record) {
  if (record.ByteSizeLong() <= kWitnessSlotSize - kHeaderSize) return record.SerializeAsString();
  BatchRecord shorter = record;
  shorter.clear_tenants();
  return shorter.SerializeAsString();
}

}  // namespace

std::string WitnessPath(const std::string& directory) { return directory + "/" + kWitnessFileName; }

BatchRecord LogBeingMade() {
  BatchRecord record;  // no log has epoch 0
  record.set_number(0);
  record.set_epoch(0);
  return record;
}

bool SaysLogIsBeingMade(const WitnessContents& witness) {
  return witness.last.has_value() && witness.last->number() == 0 && witness.last->epoch() == 0;
}

absl::StatusOr<WitnessContents> ReadWitness(rocksdb::Env* env, const std::string& directory) {
  WitnessContents contents;
  const std::string path = WitnessPath(directory);
  const rocksdb::Status exists = env->FileExists(path);
  if (exists.IsNotFound()) return contents;
  std::string bytes;
  rocksdb::Status status = exists;
  if (status.ok()) status = ReadWholeFile(env, path, &bytes);
  if (!status.ok()) return FromRocks(status, "reading the head witness " + path, kIfDamaged);
  contents.exists = true;
  for (uint64_t slot = 0; slot < kSlots; ++slot) {
    const size_t begin = slot * kWitnessSlotSize;
    const std::string_view slot_bytes =
        begin < bytes.size() ? std::string_view(bytes).substr(begin, kWitnessSlotSize)
                             : std::string_view();
    std::optional<BatchRecord> record = DecodeSlot(slot, slot_bytes);
    if (!record.has_value()) {
      const bool empty = slot_bytes.size() == kWitnessSlotSize &&
                         slot_bytes.find_first_not_of('\0') == std::string_view::npos;
      if (!empty) ++contents.damaged_slots;
    } else if (!contents.last.has_value() || record->number() > contents.last->number()) {
      contents.last = std::move(record);
    }
  }
  return contents;
}

absl::Status ReplaceWitness(rocksdb::Env* env, const std::string& directory,
                            const BatchRecord& record) {
  std::string slot;
  EncodeSlot(record.number(), FittingContent(record), slot);
  // Zeros are written, not only allocated: later writes then change no metadata, which makes their
  // fdatasync cheaper.
  std::string bytes(kSlots * kWitnessSlotSize, '\0');
  bytes.replace((record.number() % kSlots) * kWitnessSlotSize, slot.size(), slot);
  const std::string path = WitnessPath(directory);
  return FromRocks(ReplaceFile(env, path, bytes), "making the head witness " + path, kIfDamaged);
}

absl::StatusOr<std::unique_ptr<Witness>> Witness::Open(rocksdb::Env* env,
                                                       const std::string& directory) {
  const std::string path = WitnessPath(directory);
  std::unique_ptr<rocksdb::RandomRWFile> file;
  const rocksdb::Status status = env->NewRandomRWFile(path, &file, rocksdb::EnvOptions());
  if (!status.ok()) return FromRocks(status, "opening the head witness " + path, kIfDamaged);
  return std::unique_ptr<Witness>(new Witness(path, std::move(file)));
}

absl::Status Witness::Write(const BatchRecord& record, std::string_view serialized) {
  if (serialized.size() <= kWitnessSlotSize - kHeaderSize) {
    EncodeSlot(record.number(), serialized, buffer_);
  } else {
    EncodeSlot(record.number(), FittingContent(record), buffer_);
  }
  rocksdb::Status status =
      file_->Write((record.number() % kSlots) * kWitnessSlotSize, rocksdb::Slice(buffer_));
  if (status.ok()) status = file_->Sync();
  return FromRocks(status, "writing the head witness " + path_, kIfDamaged);
}

}  // namespace retrace::eventstore
