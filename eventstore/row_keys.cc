#include "eventstore/row_keys.h"

#include <rocksdb/slice.h>
#include <rocksdb/slice_transform.h>

#include <algorithm>
#include <cstring>

namespace retrace::eventstore {
namespace {

enum Family : char {
  kCheckpoint = 0x01,
  kRow = 0x02,
  kEntry = 0x03,
  kEnd = 0x7f,  // above every family
};

constexpr size_t kTenantSize = 4;
constexpr size_t kFamilyAt = kTenantSize;
constexpr size_t kKindAt = kFamilyAt + 1;
constexpr size_t kRowIdAt = kKindAt + 2;
constexpr size_t kEntryValueAt = kKindAt + 3;

template <typename Number>
void AppendBigEndian(Number number, std::string& key) {
  for (int shift = 8 * (static_cast<int>(sizeof(Number)) - 1); shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(number >> shift));
  }
}

template <typename Number>
Number BigEndianAt(std::string_view key, size_t at) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number = static_cast<Number>((number << 8) | static_cast<uint8_t>(key[at + i]));
  }
  return number;
}

std::string Begin(TenantNumber tenant, Family family, size_t size) {
  std::string key;
  key.reserve(size);
  AppendBigEndian(tenant, key);
  key.push_back(family);
  return key;
}

bool NeedsEscape(char c) { return static_cast<uint8_t>(c) <= 0x01; }

// The length of the prefix in the header's sense; 0 when the key has none.
size_t PrefixLength(const rocksdb::Slice& key) {
  if (key.size() <= kEntryValueAt) return 0;
  const char family = key[kFamilyAt];
  const size_t at = family == kRow ? kRowIdAt : family == kEntry ? kEntryValueAt : 0;
  if (at == 0) return 0;
  const void* end = std::memchr(key.data() + at, '\0', key.size() - at);
  if (end == nullptr) return 0;
  return static_cast<size_t>(static_cast<const char*>(end) - key.data()) + 1;
}

class Table final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "retrace.Table.1"; }
  bool InDomain(const rocksdb::Slice& key) const override { return key.size() > kEntryValueAt; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    const std::string_view table = TableOf({key.data(), key.size()});
    return {table.data(), table.size()};
  }
};

class FirstString final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "retrace.FirstString.1"; }
  bool InDomain(const rocksdb::Slice& key) const override { return PrefixLength(key) != 0; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), PrefixLength(key)};
  }
};

}  // namespace

void AppendString(std::string_view bytes, std::string& key) {
  size_t done = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (!NeedsEscape(bytes[i])) continue;
    key.append(bytes.substr(done, i - done));
    key.push_back('\x01');
    key.push_back(static_cast<char>(bytes[i] + 1));
    done = i + 1;
  }
  key.append(bytes.substr(done));
  key.push_back('\0');
}

bool TakeString(std::string_view& rest, std::string& bytes) {
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return false;
  const std::string_view escaped = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  bytes.clear();
  for (size_t done = 0; done < escaped.size();) {
    const size_t escape = std::min(escaped.find('\x01', done), escaped.size());
    bytes.append(escaped.substr(done, escape - done));
    if (escape == escaped.size()) break;
    if (escape + 1 == escaped.size()) return false;
    const char original = static_cast<char>(escaped[escape + 1] - 1);
    if (!NeedsEscape(original)) return false;
    bytes.push_back(original);
    done = escape + 2;
  }
  return true;
}

void AppendPosition(Position position, std::string& key) { AppendBigEndian(~position, key); }

Position PositionOf(std::string_view key) {
  return ~BigEndianAt<Position>(key, key.size() - kPositionSize);
}

std::string_view StemOf(std::string_view key) { return key.substr(0, key.size() - kPositionSize); }

std::string LayoutStampKey() { return std::string(1, '\0'); }

std::string PendingRemovalsKey() { return std::string(2, '\0'); }

std::string FirstKeyOf(TenantNumber tenant) {
  std::string key;
  AppendBigEndian(tenant, key);
  return key;
}

std::string EndOf(TenantNumber tenant) { return Begin(tenant, kEnd, kKindAt); }

TenantNumber TenantOf(std::string_view key) { return BigEndianAt<TenantNumber>(key, 0); }

bool IsCheckpointKey(std::string_view key) {
  return key.size() == kKindAt && key[kFamilyAt] == kCheckpoint;
}

std::string CheckpointKey(TenantNumber tenant) { return Begin(tenant, kCheckpoint, kKindAt); }

std::string FirstRowOf(TenantNumber tenant, KindNumber kind) {
  std::string key = Begin(tenant, kRow, kRowIdAt);
  AppendBigEndian(kind, key);
  return key;
}

std::string EndOfRows(TenantNumber tenant) { return Begin(tenant, kEntry, kKindAt); }

std::string RowStem(TenantNumber tenant, KindNumber kind, std::string_view id) {
  std::string key = Begin(tenant, kRow, kRowIdAt + id.size() + 1 + kPositionSize);
  AppendBigEndian(kind, key);
  AppendString(id, key);
  return key;
}

std::string FirstEntryOf(TenantNumber tenant, KindNumber kind, IndexNumber index) {
  std::string key = Begin(tenant, kEntry, kEntryValueAt);
  AppendBigEndian(kind, key);
  key.push_back(static_cast<char>(index));
  return key;
}

std::string EndOfEntries(TenantNumber tenant, KindNumber kind, IndexNumber index) {
  if (index != UINT8_MAX) return FirstEntryOf(tenant, kind, static_cast<IndexNumber>(index + 1));
  if (kind != UINT16_MAX) return FirstEntryOf(tenant, static_cast<KindNumber>(kind + 1), 0);
  return EndOf(tenant);
}

std::string FirstEntryOf(TenantNumber tenant, KindNumber kind, IndexNumber index,
                         std::string_view value) {
  std::string key = FirstEntryOf(tenant, kind, index);
  AppendString(value, key);
  return key;
}

std::string EntryStem(TenantNumber tenant, KindNumber kind, IndexNumber index,
                      std::string_view value, std::string_view id) {
  std::string key =
      Begin(tenant, kEntry, kEntryValueAt + value.size() + 1 + id.size() + 1 + kPositionSize);
  AppendBigEndian(kind, key);
  key.push_back(static_cast<char>(index));
  AppendString(value, key);
  AppendString(id, key);
  return key;
}

bool ParseRowStem(std::string_view stem, KindNumber& kind, std::string& id) {
  if (stem.size() <= kRowIdAt || stem[kFamilyAt] != kRow) return false;
  kind = BigEndianAt<KindNumber>(stem, kKindAt);
  stem.remove_prefix(kRowIdAt);
  return TakeString(stem, id) && stem.empty();
}

bool ParseEntryStem(std::string_view stem, std::string& value, std::string& id) {
  if (stem.size() <= kEntryValueAt || stem[kFamilyAt] != kEntry) return false;
  stem.remove_prefix(kEntryValueAt);
  return TakeString(stem, value) && TakeString(stem, id) && stem.empty();
}

std::string_view TableOf(std::string_view key) {
  return key.substr(0, key[kFamilyAt] == kRow ? kRowIdAt : kEntryValueAt);
}

std::shared_ptr<const rocksdb::SliceTransform> RowPrefix() {
  return std::make_shared<FirstString>();
}

std::shared_ptr<const rocksdb::SliceTransform> TablePrefix() { return std::make_shared<Table>(); }

}  // namespace retrace::eventstore
