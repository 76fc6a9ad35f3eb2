#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
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
  session.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  session.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (session.out_is_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    session.terminal_width = size.ws_col;
  }
  return static_cast<int>(retrace::cli::RunTool(argc, argv, session));
}
