// What a decider may know beside rows and command: everything that would make it impure is handed
// in here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "domain/entity.h"

namespace retrace::domain {

// Everything about a commit but its events. On deciding it is filled in by the sequencer before
// decide runs; on replay it comes from the stored commit.
struct CommitHeader {
  std::string tenant;     // id, e.g. "acme"
  Position position = 0;  // that the commit has, or will have if it is written
  uint64_t epoch = 0;
  int64_t time_us = 0;    // UTC, microseconds since 1970
  std::string commit_id;  // 16 bytes
  std::string actor;
  std::string on_behalf_of;
  std::string method;  // full name of the RPC
  std::string reason;
  std::string request_id;    // may be empty
  std::string request_hash;  // HMAC; empty without a request id
  Position change_set = 0;   // == position when the commit stands alone
  std::string correlation_id;
  std::string causation_id;
  std::string plan_nonce;  // 16 bytes of the plan that this executes; empty without one
};

// Id of the derived row that remembers a request id (kind kRequest).
std::string RequestRowId(const std::string& actor, const std::string& request_id);
// Id of the derived row that remembers that a plan was executed (kind kRequest).
std::string PlanRowId(const std::string& nonce);

struct Context {
  CommitHeader header;
  // A new entity id: 26 lower-case characters, time-ordered, never the same twice.
  std::function<std::string()> new_id;
  // True when the principal holds the permission, e.g. "customers.undelete-any".
  std::function<bool(const std::string& permission)> may;
};

}  // namespace retrace::domain
