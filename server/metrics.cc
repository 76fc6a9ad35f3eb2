#include "server/metrics.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace retrace::server {
namespace {

constexpr std::array<const char*, kStatusCodes> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

// Seconds; from a cached read to the deadline's cap.
const prometheus::Histogram::BucketBoundaries& Buckets() {
  static const prometheus::Histogram::BucketBoundaries buckets = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
      0.05,   0.1,     0.25,   0.5,   1,      2.5,   10,   60};
  return buckets;
}

}  // namespace

MethodMetrics::MethodMetrics(prometheus::Family<prometheus::Counter>& calls,
                             prometheus::Family<prometheus::Histogram>& seconds, std::string method)
    : calls_(calls),
      method_(std::move(method)),
      seconds_(seconds.Add({{"method", method_}}, Buckets())) {}

void MethodMetrics::Count(int code, absl::Duration duration) {
  const size_t index = code >= 0 && code < static_cast<int>(kStatusCodes)
                           ? static_cast<size_t>(code)
                           : 2;  // UNKNOWN
  prometheus::Counter* counter = by_code_[index].load(std::memory_order_acquire);
  if (counter == nullptr) {
    // Two threads that meet here get the same counter: a family has one for a set of labels.
    counter = &calls_.Add({{"method", method_}, {"code", kCodeNames[index]}});
    by_code_[index].store(counter, std::memory_order_release);
  }
  counter->Increment();
  seconds_.Observe(absl::ToDoubleSeconds(duration));
}

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      calls_(prometheus::BuildCounter()
                 .Name("retrace_calls_total")
                 .Help("Calls answered, by method and canonical code.")
                 .Register(*registry_)),
      seconds_(prometheus::BuildHistogram()
                   .Name("retrace_call_seconds")
                   .Help("Time from a call's arrival to its answer.")
                   .Register(*registry_)) {}

MethodMetrics& Metrics::ForMethod(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<MethodMetrics>& method = methods_[name];
  if (method == nullptr) {
    method = std::make_unique<MethodMetrics>(calls_, seconds_, name);
  }
  return *method;
}

// The registry gives the same family for a name, and a family the same metric for the same labels.
void Metrics::Set(const std::string& name, const std::string& help, double value,
                  const std::map<std::string, std::string>& labels) {
  absl::MutexLock lock(&mutex_);
  prometheus::BuildGauge().Name(name).Help(help).Register(*registry_).Add(labels).Set(value);
}

void Metrics::SetTotal(const std::string& name, const std::string& help, double total) {
  absl::MutexLock lock(&mutex_);
  prometheus::Counter& counter =
      prometheus::BuildCounter().Name(name).Help(help).Register(*registry_).Add({});
  counter.Increment(std::max(0.0, total - counter.Value()));
}

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

absl::Status Metrics::WriteFile(const std::string& file) const {
  const std::string beside = file + ".new";
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out << Text();
    out.flush();
    if (!out) {
      return absl::UnavailableError(
          fmt::format("{} cannot be written: {}", beside, std::strerror(errno)));
    }
  }
  if (std::rename(beside.c_str(), file.c_str()) != 0) {
    return absl::UnavailableError(
        fmt::format("{} cannot be replaced: {}", file, std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace retrace::server
