// A helper that a test runs beside itself and that tells what it sees, a line at a time.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace retrace::testing {

// Not thread-safe. Killed when destroyed.
class ChildProcess {
 public:
  // Its standard error is the test's. Aborts when it cannot be started.
  explicit ChildProcess(const std::vector<std::string>& arguments);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next line of its output; nothing at its end, or when none comes within 30 seconds.
  std::optional<std::string> ReadLine();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string read_;
};

}  // namespace retrace::testing
