// Principals: who may call, read from the token file.
//
// The file is TOML, a table a token; only the token's hash is in it:
//
//   [[tokens]]
//   token_hash = "9f86d0…"             # SHA-256 of the token, 64 hexadecimal digits
//   principal = "mei.lin"              # recorded as the actor of what is done with the token
//   kind = "HUMAN"                     # or "SERVICE", which may act on behalf of somebody
//   display_name = "Lin Mei"           # this and the next three: optional
//   email = "mei.lin@example.com"
//   language = "zh-CN"
//   team = "East"
//   tenants = ["acme"]                 # or ["*"]: every tenant, also those to come
//   roles = ["agent"]                  # see roles.h
//
// Several tokens may name one principal. The file must not be accessible to group or others.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/types.h"
#include "server/principal.h"

namespace retrace::server {

// What `retraced token new` writes for a fresh token.
struct TokenEntry {
  std::string principal;
  Principal::Kind kind = Principal::Kind::kHuman;
  std::string display_name;
  std::vector<std::string> tenants;  // ids, or the one entry "*"
  std::vector<std::string> roles;
};

// Thread-safe.
class Principals {
 public:
  // Reads the file. FAILED_PRECONDITION: it is missing, unreadable, accessible to others, or says
  // something that cannot be; the message names file and line.
  static absl::StatusOr<std::unique_ptr<Principals>> Open(std::string file);

  // Null when no such token is known. Takes the same time whatever part of the token is wrong: what
  // is looked up is the hash.
  PrincipalPtr FindByToken(std::string_view token) const;
  PrincipalPtr FindByHash(const eventstore::Sha256Digest& token_hash) const;

  // Who of that id may enter the tenant and holds the permission; null when there is nobody. Has of
  // several such tokens what all of them grant: nobody knows with which of them it began.
  PrincipalPtr FindById(std::string_view id, std::string_view tenant,
                        std::string_view permission) const;

  // Everybody who may enter the tenant, each once, by id: with what any of their tokens says.
  std::vector<PrincipalPtr> Entering(std::string_view tenant) const;

  // Reads the file again if it changed (time, size or inode). On an error the old table stays, and
  // the same fault is reported once only. True when the table was replaced.
  absl::StatusOr<bool> Refresh();

  // Refresh, and a line in the log when something came of it. Done before every call: one look at
  // the file's state, so that a removed token fails from the next call on.
  void Look();

  size_t size() const;

 private:
  using Table = absl::flat_hash_map<eventstore::Sha256Digest, PrincipalPtr>;
  // What tells one state of the file from another.
  struct Stamp {
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    int64_t size = -1;
    uint64_t inode = 0;
    bool operator==(const Stamp&) const = default;
  };

  explicit Principals(std::string file) : file_(std::move(file)) {}
  static absl::StatusOr<Stamp> StampOf(const std::string& file);
  static absl::StatusOr<Table> Read(const std::string& file);

  const std::string file_;
  mutable absl::Mutex mutex_;
  Stamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Table> table_ ABSL_GUARDED_BY(mutex_);
  std::string fault_ ABSL_GUARDED_BY(mutex_);  // said last; empty: the file was good
};

// Makes a token (`rt_` and 256 random bits), appends its entry to the file (made with mode 0600
// when missing) and returns it: it is nowhere else. INVALID_ARGUMENT for an unknown role, a
// malformed tenant or an empty principal; FAILED_PRECONDITION when the file cannot be read or
// written.
absl::StatusOr<std::string> AddToken(const std::string& file, const TokenEntry& entry);

}  // namespace retrace::server
