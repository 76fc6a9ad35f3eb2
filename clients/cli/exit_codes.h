#pragma once

#include <ostream>
#include <string>

#include "absl/status/status.h"

namespace retrace::cli {

// How the tool ends. Scripts rely on these numbers: they never change their meaning.
enum class ExitCode {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kUnavailable = 3,
  kPartial = 4,
  kInvalid = 5,
  kNotFound = 6,
  kConflict = 7,
  kPrecondition = 8,
  kNotAllowed = 9,
  kExhausted = 10,
  kFile = 11,
};

// The list of exit codes for the help text, a line each.
std::string ExitCodesHelp();

// What is done, but not all of it went well (rejected rows, differences found): exit code 4. The
// message is printed.
absl::Status PartialError(std::string message);

// A local file could not be read or written: exit code 11.
absl::Status FileError(std::string message);

// What the server was asked for and could not do, told by a reply in place of an error: exit
// code 8.
absl::Status RefusedError(std::string message);

// For a status as commands return it. Errors of this program are usage errors unless made by the
// functions above.
ExitCode ExitCodeOf(const absl::Status& status);

// Prints an error for a person: the message, what is wrong with which field, what is in the way,
// whom or what to look at, and what to do next.
void PrintError(const absl::Status& status, std::ostream& err, bool color);

}  // namespace retrace::cli
