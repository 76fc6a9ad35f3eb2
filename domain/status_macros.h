// The two macros that abseil of this age does not have.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RETRACE_CONCAT_INNER_(a, b) a##b
#define RETRACE_CONCAT_(a, b) RETRACE_CONCAT_INNER_(a, b)

// Returns from the function when `expression` is not OK.
#define RETRACE_RETURN_IF_ERROR(expression)                   \
  do {                                                        \
    if (absl::Status status_ = (expression); !status_.ok()) { \
      return status_;                                         \
    }                                                         \
  } while (false)

// Declares or assigns `target` from a StatusOr, or returns its error.
#define RETRACE_ASSIGN(target, expression) \
  RETRACE_ASSIGN_INNER_(RETRACE_CONCAT_(result_, __LINE__), target, expression)
#define RETRACE_ASSIGN_INNER_(result, target, expression) \
  auto result = (expression);                             \
  if (!result.ok()) {                                     \
    return std::move(result).status();                    \
  }                                                       \
  target = *std::move(result)
