#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "clients/cli/app.h"
#include "clients/cli/session.h"
#include "google/protobuf/stubs/logging.h"

int main(int argc, char** argv) {
  // A reader that goes away (`retrace ... | head`) ends the program like any other tool.
  std::signal(SIGPIPE, SIG_DFL);
  // The server names the field of a malformed text; the library's own words would only precede it.
  google::protobuf::SetLogHandler(nullptr);
  retrace::cli::Session session(std::cout, std::cerr);
  session.in_is_terminal = ::isatty(STDIN_FILENO) == 1;
  session.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  session.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (session.out_is_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    session.terminal_width = size.ws_col;
  }
  const retrace::cli::ExitCode code = retrace::cli::RunTool(argc, argv, session);
  std::cout.flush();
  std::cerr.flush();
  // Without taking the channel down: after a large request gRPC 1.51 waits up to 10 s for the
  // thread of its backup poller, and nothing here needs to end in order.
  std::_Exit(static_cast<int>(code));
}
