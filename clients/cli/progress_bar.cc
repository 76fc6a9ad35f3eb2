#include "clients/cli/progress_bar.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fmt/format.h"

namespace retrace::cli {

std::string ProgressLine(const std::string& what, int64_t done, int64_t total,
                         const std::string& note) {
  if (total <= 0) return absl::StrCat(what, " ", done, note.empty() ? "" : " ", note);
  constexpr int kCells = 30;
  const int64_t clamped = std::clamp<int64_t>(done, 0, total);
  const int filled = static_cast<int>(clamped * kCells / total);
  return fmt::format("{} [{}{}] {:>3} % {} of {}{}{}", what, std::string(filled, '#'),
                     std::string(kCells - filled, '-'), clamped * 100 / total, done, total,
                     note.empty() ? "" : " ", note);
}

void ProgressBar::Show(int64_t done, int64_t total, const std::string& note) {
  if (!terminal_) return;
  const absl::Time now = absl::Now();
  if (now - drawn_ < absl::Milliseconds(100) && done != total) return;
  drawn_ = now;
  visible_ = true;
  err_ << "\r\x1b[K" << ProgressLine(what_, done, total, note) << std::flush;
}

void ProgressBar::Clear() {
  if (!visible_) return;
  visible_ = false;
  err_ << "\r\x1b[K" << std::flush;
}

}  // namespace retrace::cli
