// Directories for what is thrown away at the end.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace retrace::server {

// A directory of its own below another, gone with everything in it when this is.
class ScratchDirectory {
 public:
  // Not made yet: `BELOW/PURPOSE-RANDOM`.
  ScratchDirectory(const std::string& below, std::string_view purpose);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  // Makes it, for this user only, and missing parents.
  absl::Status Make() const;
  // From now on it goes with this process, too, whatever ends that (a signal, a reader that went
  // away). Forks: call it once, before it is made and before there are threads.
  absl::Status RemoveWhenKilled();
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  int alive_ = -1;  // end of a pipe, which is closed with this process
};

}  // namespace retrace::server
