// A directory of a test's own.
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace retrace::testing {

// Made new under $TMPDIR or /tmp, removed with everything in it at the end.
class TempDirectory {
 public:
  TempDirectory() {
    const char* root = std::getenv("TMPDIR");
    path_ = std::string(root != nullptr ? root : "/tmp") + "/retrace-test-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  // A path below it.
  std::string Below(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace retrace::testing
