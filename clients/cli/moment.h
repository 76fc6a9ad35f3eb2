#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "retrace/v1/common.pb.h"

namespace retrace::cli {

// A moment of history as asked for on the command line.
struct Moment {
  v1::AsOf as_of;
  // How the text was understood, e.g. `2026-03-31T18:00:00+08:00 (Asia/Shanghai)`; empty for a
  // position.
  std::string understood;
};

// Reads `--as-of`, or another flag, which errors then speak of: a position (digits only), or a
// time. A time without an offset is read in the zone that `zone` gives; it is asked only then.
absl::StatusOr<Moment> ParseMoment(absl::string_view text,
                                   absl::FunctionRef<absl::StatusOr<absl::TimeZone>()> zone,
                                   absl::string_view flag = "--as-of");

}  // namespace retrace::cli
