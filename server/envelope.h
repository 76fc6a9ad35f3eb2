// A stored commit's envelope, read without parsing its events' contents: what walks over history
// look at.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace retrace::server {

// Views into the bytes that were read; the names are those of store.v1.Commit.
struct Envelope {
  struct Event {
    uint32_t kind = 0;
    std::string_view id;
    uint64_t revision = 0;
    std::string_view type;
  };
  uint64_t position = 0;
  uint64_t epoch = 0;
  int64_t commit_time_us = 0;
  std::string_view commit_id;
  std::string_view actor;
  std::string_view on_behalf_of;
  std::string_view method;
  std::string_view reason;
  std::string_view request_id;
  uint64_t change_set = 0;
  std::string_view causation_id;
  std::string_view correlation_id;
  uint64_t undoes = 0;
  std::vector<Event> events;

  // True for the commit that a change set begins with, and for one that stands alone.
  bool begins_change_set() const { return change_set == 0 || change_set == position; }
};

// Fills `envelope`, whose views last as long as `bytes`; events only when `with_events`. DATA_LOSS
// when the bytes are no commit.
absl::Status ReadEnvelope(std::string_view bytes, bool with_events, Envelope& envelope);

}  // namespace retrace::server
