#include "server/http/static_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace retrace::server::http {
namespace {

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

// The kernel itself keeps the name below the directory.
int OpenBeneath(int directory, const std::string& name) {
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof(how)));
}

Reply NoFile() { return ErrorReply(404, "not_found", "There is nothing at this address."); }

bool MatchesETag(std::string_view list, std::string_view etag) {
  for (const absl::string_view entry :
       absl::StrSplit(absl::string_view(list.data(), list.size()), ',')) {
    absl::string_view tag = absl::StripAsciiWhitespace(entry);
    absl::ConsumePrefix(&tag, "W/");
    if (tag == "*" || tag == absl::string_view(etag.data(), etag.size())) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string_view ContentTypeOfFile(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".webp", "image/webp"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".wasm", "application/wasm"},
      {".txt", "text/plain; charset=utf-8"},
  }};
  for (const auto& [ending, type] : kTypes) {
    if (name.size() > ending.size() && name.substr(name.size() - ending.size()) == ending) {
      return type;
    }
  }
  return "application/octet-stream";
}

std::optional<std::string> FileNameOf(std::string_view path) {
  std::optional<std::string> name = PercentDecode(path);
  if (!name.has_value() || name->empty() || name->front() != '/' ||
      name->find_first_of(std::string_view("\0\\", 2)) != std::string::npos) {
    return std::nullopt;
  }
  if (name->back() == '/') {
    *name += "index.html";
  }
  const std::vector<std::string> segments = absl::StrSplit(name->substr(1), '/');
  for (const std::string& segment : segments) {
    if (segment.empty() || segment.front() == '.') {
      return std::nullopt;
    }
  }
  return name->substr(1);
}

std::optional<StaticFiles::File> StaticFiles::Read(const std::string& name) const {
  const Descriptor directory(::open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Descriptor file(OpenBeneath(directory.number(), name));
  struct stat state = {};
  if (file.number() < 0 || ::fstat(file.number(), &state) != 0 || !S_ISREG(state.st_mode) ||
      static_cast<size_t>(state.st_size) > kMaxBytes) {
    return std::nullopt;
  }
  File read;
  read.bytes.resize(static_cast<size_t>(state.st_size));
  size_t done = 0;
  while (done < read.bytes.size()) {
    const ssize_t size = ::pread(file.number(), read.bytes.data() + done, read.bytes.size() - done,
                                 static_cast<off_t>(done));
    if (size <= 0) {
      return std::nullopt;  // it became shorter, or cannot be read
    }
    done += static_cast<size_t>(size);
  }
  read.etag = fmt::format("\"{:x}-{:x}-{:x}{:09x}\"", state.st_ino, state.st_size,
                          state.st_mtim.tv_sec, state.st_mtim.tv_nsec);
  return read;
}

Reply StaticFiles::Answer(const Request& request) const {
  const std::optional<std::string> name = FileNameOf(request.path);
  std::optional<File> file;
  if (!directory_.empty() && name.has_value()) {
    file = Read(*name);
  }
  if (!file.has_value()) {
    return NoFile();
  }
  Reply reply;
  if (MatchesETag(request.Header("if-none-match"), file->etag)) {
    reply.status = 304;
  } else {
    reply.body = std::move(file->bytes);
    reply.With("Content-Type", ContentTypeOfFile(*name));
  }
  // Kept by browsers, asked for again each time: the ETag makes that cheap.
  reply.With("ETag", file->etag).With("Cache-Control", "no-cache");
  reply.With("X-Content-Type-Options", "nosniff")
      .With("X-Frame-Options", "DENY")
      .With("Referrer-Policy", "no-referrer")
      .With("Cross-Origin-Opener-Policy", "same-origin")
      .With("Cross-Origin-Resource-Policy", "same-origin")
      .With("Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
            "form-action 'self'; frame-ancestors 'none'");
  if (request.tls) {
    reply.With("Strict-Transport-Security", "max-age=31536000");
  }
  return reply;
}

}  // namespace retrace::server::http
