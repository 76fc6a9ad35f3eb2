// Keys of the row store.
//
//   store      = stamp | removals | tenant-keys
//   stamp      = 00                                                       -> the layout stamp
//   removals   = 00 00                                                    -> PendingRemovals
//   checkpoint = tenant 01                                                -> RowsCheckpoint
//   row        = tenant 02 kind string(id) position                       -> the row's bytes
//   entry      = tenant 03 kind index string(value) string(id) position   -> one byte, a Mark
//
//   tenant     = 4 bytes, big endian
//   kind       = 2 bytes, big endian
//   index      = 1 byte
//   position   = 8 bytes, big endian, all bits inverted: the newest version comes first
//   string(s)  = s with 00 written as 01 01 and 01 as 01 02, then 00: strings sort as their bytes
//                do, also when one is the beginning of another
//
// A key without its position is called its stem: all versions of one row, or of one index entry,
// share a stem and lie together. A key up to and with its first string is its prefix, what bloom
// filters hold: for a row that is its stem, for an entry all ids of one value.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "eventstore/row_store.h"
#include "eventstore/types.h"

namespace rocksdb {
class SliceTransform;
}

namespace retrace::eventstore {

inline constexpr size_t kPositionSize = 8;

// string(s) of the grammar, appended to `key`.
void AppendString(std::string_view bytes, std::string& key);
// Takes one string(s) from the front of `rest`; false when there is none or it is malformed.
bool TakeString(std::string_view& rest, std::string& bytes);

void AppendPosition(Position position, std::string& key);
// The position at the end of a key of a row or entry, which must have one.
Position PositionOf(std::string_view key);
// `key` without its position.
std::string_view StemOf(std::string_view key);

std::string LayoutStampKey();
// Before every key of a tenant, as the stamp is.
std::string PendingRemovalsKey();
// The bounds of everything that a tenant has: keys from the first (inclusive) to the second.
std::string FirstKeyOf(TenantNumber tenant);
std::string EndOf(TenantNumber tenant);
// The tenant of any key but the layout stamp's.
TenantNumber TenantOf(std::string_view key);
bool IsCheckpointKey(std::string_view key);

std::string CheckpointKey(TenantNumber tenant);
// Every row of the kind or of a later one sorts at or after it.
std::string FirstRowOf(TenantNumber tenant, KindNumber kind);
// Every row of the tenant sorts before it.
std::string EndOfRows(TenantNumber tenant);
std::string RowStem(TenantNumber tenant, KindNumber kind, std::string_view id);
// Every entry of the index sorts at or after the first and before the second.
std::string FirstEntryOf(TenantNumber tenant, KindNumber kind, IndexNumber index);
std::string EndOfEntries(TenantNumber tenant, KindNumber kind, IndexNumber index);
// Every entry with this value or a greater one sorts at or after it, every other one before it.
std::string FirstEntryOf(TenantNumber tenant, KindNumber kind, IndexNumber index,
                         std::string_view value);
std::string EntryStem(TenantNumber tenant, KindNumber kind, IndexNumber index,
                      std::string_view value, std::string_view id);

// False when `stem` is none of a row; kind and id otherwise.
bool ParseRowStem(std::string_view stem, KindNumber& kind, std::string& id);
// False when `stem` is none of an entry; value and id otherwise.
bool ParseEntryStem(std::string_view stem, std::string& value, std::string& id);

// The prefix that bloom filters hold, see above.
std::shared_ptr<const rocksdb::SliceTransform> RowPrefix();
// The first bytes of all keys of the table that a row's or an entry's key lies in.
std::string_view TableOf(std::string_view key);
// The part of a key that names its table: a tenant's rows of one kind, or one index of a kind. Keys
// of a table are often written in rising order, which a memtable can make use of.
std::shared_ptr<const rocksdb::SliceTransform> TablePrefix();

}  // namespace retrace::eventstore
