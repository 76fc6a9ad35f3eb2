#include "server/logging.h"

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>

#include "absl/time/clock.h"

namespace retrace::server {
namespace {

constexpr size_t kWaitingLines = 8192;

// Set once by StartLogging, read by every thread afterwards.
std::atomic<spdlog::logger*> current{nullptr};
std::shared_ptr<spdlog::logger> owner;  // keeps `current` alive
std::shared_ptr<spdlog::details::thread_pool> writer;

void AppendJson(std::string_view text, fmt::memory_buffer& line) {
  line.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line.push_back('\\');
      line.push_back(c);
    } else if (byte < 0x20) {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", byte);
    } else {
      line.push_back(c);
    }
  }
  line.push_back('"');
}

void AppendMember(std::string_view key, std::string_view text, fmt::memory_buffer& line) {
  line.append(std::string_view(",\""));
  line.append(key);
  line.append(std::string_view("\":"));
  AppendJson(text, line);
}

void AppendMember(std::string_view key, int64_t number, fmt::memory_buffer& line) {
  fmt::format_to(std::back_inserter(line), ",\"{}\":{}", key, number);
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

bool ParseLevel(std::string_view name, spdlog::level::level_enum& level) {
  static constexpr std::pair<std::string_view, spdlog::level::level_enum> kLevels[] = {
      {"debug", spdlog::level::debug},
      {"info", spdlog::level::info},
      {"warn", spdlog::level::warn},
      {"error", spdlog::level::err},
      {"off", spdlog::level::off}};
  for (const auto& [known, value] : kLevels) {
    if (name == known) {
      level = value;
      return true;
    }
  }
  return false;
}

void Write(spdlog::logger& logger, spdlog::level::level_enum level,
           const fmt::memory_buffer& line) {
  logger.log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

absl::Status StartLogging(const LogOptions& options) {
  spdlog::level::level_enum level = spdlog::level::info;
  if (!ParseLevel(options.level, level)) {
    return absl::InvalidArgumentError(fmt::format(
        "there is no log level `{}`; levels are debug, info, warn, error, off", options.level));
  }
  spdlog::sink_ptr sink;
  if (options.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    // spdlog throws when it cannot open the file; look first.
    std::FILE* file = std::fopen(options.file.c_str(), "ae");
    if (file == nullptr) {
      return absl::FailedPreconditionError(
          fmt::format("log file {} cannot be opened: {}", options.file, std::strerror(errno)));
    }
    std::fclose(file);
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
  }
  writer = std::make_shared<spdlog::details::thread_pool>(kWaitingLines, 1);
  auto logger = std::make_shared<spdlog::async_logger>(
      "retraced", std::move(sink), writer, spdlog::async_overflow_policy::overrun_oldest);
  logger->set_pattern("{\"time\":\"%Y-%m-%dT%H:%M:%S.%fZ\",\"level\":\"%l\"%v}",
                      spdlog::pattern_time_type::utc);
  logger->set_level(level);
  logger->flush_on(spdlog::level::warn);
  owner = logger;
  current.store(logger.get(), std::memory_order_release);
  spdlog::register_logger(logger);
  spdlog::flush_every(std::chrono::seconds(1));
  return absl::OkStatus();
}

void FlushLogging() {
  spdlog::logger* logger = current.load(std::memory_order_acquire);
  if (logger == nullptr) {
    return;
  }
  logger->flush();
  // The queue is in order: it is empty once the flush, its last entry, was taken.
  for (int i = 0; i < 100 && writer->queue_size() > 0; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  absl::SleepFor(absl::Milliseconds(10));
}

void StopLogging() {
  if (current.exchange(nullptr) == nullptr) {
    return;
  }
  owner->flush();
  spdlog::shutdown();
  owner.reset();
  writer.reset();  // joins its thread when the queue is empty
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  spdlog::logger* logger = current.load(std::memory_order_acquire);
  if (logger == nullptr || !logger->should_log(ToSpdlog(level))) {
    return;
  }
  fmt::memory_buffer line;
  AppendMember("event", event, line);
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { AppendMember(field.key, value, line); }, field.value);
  }
  Write(*logger, ToSpdlog(level), line);
}

void LogCall(const CallRecord& call) {
  spdlog::logger* logger = current.load(std::memory_order_acquire);
  const auto level = call.fault.empty() ? spdlog::level::info : spdlog::level::err;
  if (logger == nullptr || !logger->should_log(level)) {
    return;
  }
  fmt::memory_buffer line;
  AppendMember("event", "call", line);
  AppendMember("method", call.method, line);
  AppendMember("tenant", call.tenant, line);
  AppendMember("principal", call.principal, line);
  AppendMember("code", static_cast<int64_t>(call.code), line);
  if (!call.reason.empty()) {
    AppendMember("reason", call.reason, line);
  }
  AppendMember("micros", absl::ToInt64Microseconds(call.duration), line);
  AppendMember("request_bytes", static_cast<int64_t>(call.request_bytes), line);
  AppendMember("reply_bytes", static_cast<int64_t>(call.reply_bytes), line);
  if (!call.fault.empty()) {
    AppendMember("fault", call.fault, line);
  }
  Write(*logger, level, line);
}

}  // namespace retrace::server
