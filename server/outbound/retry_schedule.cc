#include "server/outbound/retry_schedule.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace retrace::server {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kLongest = 24 * kHour;

constexpr int64_t kWebhook[] = {5 * kSecond, 5 * kMinute, 30 * kMinute, 2 * kHour, 5 * kHour,
                                10 * kHour,  14 * kHour,  20 * kHour,   24 * kHour};
constexpr int64_t kMail[] = {30 * kSecond, 2 * kMinute, 10 * kMinute, 30 * kMinute, 1 * kHour,
                             2 * kHour,    4 * kHour,   8 * kHour,    16 * kHour};

}  // namespace

std::optional<int64_t> NextAttemptAfter(SendChannel channel, int attempts, double random,
                                        std::optional<int64_t> retry_after_us) {
  const std::span<const int64_t> waits =
      channel == SendChannel::kMail ? std::span<const int64_t>(kMail) : kWebhook;
  const int64_t index = std::max(attempts, 1) - 1;
  if (index >= static_cast<int64_t>(waits.size())) {
    return std::nullopt;
  }
  const double spread = 0.8 + 0.4 * std::clamp(random, 0.0, 1.0);
  const int64_t wait =
      static_cast<int64_t>(static_cast<double>(waits[static_cast<size_t>(index)]) * spread);
  return std::max(wait, std::min(retry_after_us.value_or(0), kLongest));
}

}  // namespace retrace::server
