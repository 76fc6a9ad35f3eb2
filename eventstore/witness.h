// The head witness: a small file in another directory that says where the log must end.
//
// No check inside a log can see that its tail was cut off cleanly. So after each group of commits
// is synced, its batch record is written here and synced, too, before anybody is told. Layout of
// the file: README.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "retrace/store/v1/commit.pb.h"
#include "rocksdb/env.h"

namespace retrace::eventstore {

// What a witness file says.
struct WitnessContents {
  // False: there is no such file.
  bool exists = false;
  // Slots that hold bytes but no valid record: torn by a crash, or damaged.
  int damaged_slots = 0;
  // The newest valid record.
  std::optional<store::v1::BatchRecord> last;
};

// True of a witness that says a log is being made here: made before the log, replaced before the
// log's first commit. Whatever state a crash leaves such a log in, nobody was told of anything in
// it.
bool SaysLogIsBeingMade(const WitnessContents& witness);
// What such a witness holds.
store::v1::BatchRecord LogBeingMade();

inline constexpr size_t kWitnessSlotSize = 16 << 10;
inline constexpr char kWitnessFileName[] = "head";

// Path of the witness file in its directory.
std::string WitnessPath(const std::string& directory);

// Reads without changing anything.
absl::StatusOr<WitnessContents> ReadWitness(rocksdb::Env* env, const std::string& directory);

// Makes the file, or replaces it, with `record` in it; synced with its directory. After a crash
// there is the old file or the new one.
absl::Status ReplaceWitness(rocksdb::Env* env, const std::string& directory,
                            const store::v1::BatchRecord& record);

// An open witness file. Used by one thread at a time.
class Witness {
 public:
  // The file must exist.
  static absl::StatusOr<std::unique_ptr<Witness>> Open(rocksdb::Env* env,
                                                       const std::string& directory);
  // Puts the record of group `number` into slot number mod 2 and syncs it. `serialized` is what
  // `record` serialises to; a record too large for its slot is stored without its tenants. After an
  // error the witness must not be used again.
  absl::Status Write(const store::v1::BatchRecord& record, std::string_view serialized);

 private:
  Witness(std::string path, std::unique_ptr<rocksdb::RandomRWFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  const std::string path_;
  const std::unique_ptr<rocksdb::RandomRWFile> file_;
  std::string buffer_;
};

}  // namespace retrace::eventstore
