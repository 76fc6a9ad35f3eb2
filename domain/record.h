// Records: what is special about them. Commands are declared in commands.h.
#pragma once

#include "domain/kind.h"

namespace retrace::domain {

// Indexes that cascades read.
inline constexpr uint8_t kRecordCustomerIndex = 1;
inline constexpr uint8_t kRecordDetachedFromIndex = 12;

Kind RecordKind();

}  // namespace retrace::domain
