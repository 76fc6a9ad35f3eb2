// Timers: an entity that waits for a moment says so in a field of its own, which its kind indexes
// (Kind.due_index). There are no other records of timers. The command is declared in commands.h.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/view.h"

namespace retrace::domain {

struct Due {
  EntityRef entity;
  int64_t due_us = 0;
};

// What is due at a moment, microseconds since 1970: at most `limit` of each kind, the longest due
// first.
absl::StatusOr<std::vector<Due>> FindDue(const View& view, int64_t now_us, size_t limit);

}  // namespace retrace::domain
