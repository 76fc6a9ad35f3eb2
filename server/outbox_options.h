// The settings of what goes outside, made into what sends it.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/config.h"
#include "server/outbound/outbox.h"

namespace retrace::server {

// Judges the settings from smtp_url to webhook_ca_file without reading files. INVALID_ARGUMENT
// naming the setting.
absl::Status CheckOutbound(const Config& config);

// Of settings that CheckOutbound takes. FAILED_PRECONDITION when a file cannot be read.
absl::StatusOr<OutboxOptions> OutboxOptionsOf(const Config& config);

}  // namespace retrace::server
