#include "tests/support/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace retrace::testing {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Starts a program with its output going to a file. -1 when it cannot be started.
pid_t Spawn(const std::vector<std::string>& arguments, const std::string& output_file) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const int fd = open(output_file.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  dup2(fd, STDOUT_FILENO);
  dup2(fd, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

constexpr int kRuns = -1;

// Waits for a child to end by itself; its exit code, or kRuns after the time.
int AwaitEnd(pid_t pid, int seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (true) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) return ExitCode(status);
    if (std::chrono::steady_clock::now() >= deadline) return kRuns;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace

std::string ProgramDirectory() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

int RunProgram(const std::vector<std::string>& arguments, std::string* output, int seconds) {
  char file[] = "/tmp/retrace-output-XXXXXX";
  close(mkstemp(file));
  const pid_t pid = Spawn(arguments, file);
  int code = AwaitEnd(pid, seconds);
  const bool too_long = code == kRuns;
  if (too_long) {
    kill(pid, SIGKILL);
    code = AwaitEnd(pid, seconds);
  }
  if (output != nullptr) *output += ReadFile(file);
  if (output != nullptr && too_long) *output += "killed: it ran longer than it may\n";
  unlink(file);
  return code;
}

Daemon::Daemon(std::string directory, Directory state) : directory_(std::move(directory)) {
  std::string output;
  if (state == kNew &&
      RunProgram({ProgramDirectory() + "/retraced", "init", data()}, &output) != 0) {
    std::fprintf(stderr, "retraced init failed: %s\n", output.c_str());
    std::abort();
  }
  token_ = ReadFile(data() + "/root.token");
  while (!token_.empty() && token_.back() == '\n') token_.pop_back();
}

Daemon::~Daemon() {
  if (pid_ > 0) Kill();
}

bool Daemon::Start(const std::vector<std::string>& more_arguments) {
  std::vector<std::string> arguments = {
      ProgramDirectory() + "/retraced", "serve", "--data", data(), "--listen", "none"};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  pid_ = Spawn(arguments, directory_ + "/daemon.log");
  return AwaitServing();
}

bool Daemon::AwaitServing() {
  for (int i = 0; i < 6000; ++i) {  // a minute; a rebuild of a test's size takes seconds
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    if (RunProgram({ProgramDirectory() + "/retraced", "health", "--data", data()}, nullptr) == 0)
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

void Daemon::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
}

int Daemon::Stop() {
  kill(pid_, SIGTERM);
  return AwaitExit(60);
}

int Daemon::AwaitExit(int seconds) {
  const int code = AwaitEnd(pid_, seconds);
  if (code != kRuns) pid_ = -1;
  return code;
}

std::shared_ptr<grpc::Channel> Daemon::Channel() const {
  return grpc::CreateChannel(target(), grpc::InsecureChannelCredentials());
}

std::string Daemon::log() const { return ReadFile(directory_ + "/daemon.log"); }

}  // namespace retrace::testing
