#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/time/time.h"

namespace retrace::cli {

// A line on a terminal that tells how far something is, drawn again in place at most ten times a
// second. Silent where there is no terminal, so that logs stay clean.
class ProgressBar {
 public:
  ProgressBar(std::ostream& err, bool terminal, std::string what)
      : err_(err), terminal_(terminal), what_(std::move(what)) {}
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `total` 0: not known.
  void Show(int64_t done, int64_t total, const std::string& note = "");
  // Takes the line away; before anything else is printed.
  void Clear();

 private:
  std::ostream& err_;
  const bool terminal_;
  const std::string what_;
  absl::Time drawn_ = absl::InfinitePast();
  bool visible_ = false;
};

// `importing [#########-----------] 45 % 4500 of 10000 note`, for tests.
std::string ProgressLine(const std::string& what, int64_t done, int64_t total,
                         const std::string& note);

}  // namespace retrace::cli
