// A real daemon in a directory of its own, for tests that kill it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "grpcpp/channel.h"

namespace retrace::testing {

// Not thread-safe. Ends the daemon when destroyed.
class Daemon {
 public:
  // Makes a data directory with keys and one principal who may do everything in every tenant
  // (`root`). kPresent: takes the data directory that is there.
  enum Directory { kNew, kPresent };
  explicit Daemon(std::string directory, Directory state = kNew);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Starts it and waits until it serves. False with the reason in `log()` when it exits before.
  bool Start(const std::vector<std::string>& more_arguments = {});
  // SIGKILL; returns when it is gone.
  void Kill();
  // SIGTERM; returns its exit code.
  int Stop();
  // Waits for it to end by itself; its exit code, or -1 after the time.
  int AwaitExit(int seconds);

  const std::string& directory() const { return directory_; }
  std::string data() const { return directory_ + "/data"; }
  std::string target() const { return "unix:" + data() + "/retraced.sock"; }
  const std::string& token() const { return token_; }
  pid_t pid() const { return pid_; }
  // A fresh channel; calls on it need `token()`.
  std::shared_ptr<grpc::Channel> Channel() const;
  // Everything it wrote to its standard error so far.
  std::string log() const;

 private:
  bool AwaitServing();

  const std::string directory_;
  std::string token_;
  pid_t pid_ = -1;
};

// The directory that holds the programs of this build.
std::string ProgramDirectory();
// Runs a program to its end; its exit code, or 128 + the number of the signal that ended it. Output
// is appended to `output` when that is not null. A program that has not ended after `seconds` is
// killed, which is said in `output`: 137.
int RunProgram(const std::vector<std::string>& arguments, std::string* output, int seconds = 60);

}  // namespace retrace::testing
