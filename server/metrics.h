// What the server counts, in Prometheus' text form.
//
// The exposition is written to a file every few seconds, as node-exporter's textfile collector
// reads it; the gRPC port does not speak HTTP.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace retrace::server {

// Canonical codes 0 to 16.
inline constexpr size_t kStatusCodes = 17;

// Counters of one RPC. Thread-safe; lives as long as its Metrics.
class MethodMetrics {
 public:
  MethodMetrics(prometheus::Family<prometheus::Counter>& calls,
                prometheus::Family<prometheus::Histogram>& seconds, std::string method);
  // Counts a call that ended with this canonical code.
  void Count(int code, absl::Duration duration);

 private:
  prometheus::Family<prometheus::Counter>& calls_;
  const std::string method_;
  prometheus::Histogram& seconds_;
  // Made at first use, so that only codes that occurred are listed.
  std::array<std::atomic<prometheus::Counter*>, kStatusCodes> by_code_{};
};

// Thread-safe.
class Metrics {
 public:
  Metrics();

  // Of the RPC of that full name; the same for the same name.
  MethodMetrics& ForMethod(const std::string& name);

  // Sets a gauge, made at first use.
  void Set(const std::string& name, const std::string& help, double value,
           const std::map<std::string, std::string>& labels = {});
  // Sets a counter, made at first use, to what was counted since the start; `name` ends in
  // `_total`.
  void SetTotal(const std::string& name, const std::string& help, double total);

  std::string Text() const;
  // Replaces the file with the text as it is now: a reader sees the old one or the new one.
  absl::Status WriteFile(const std::string& file) const;

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::unique_ptr<MethodMetrics>> methods_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace retrace::server
