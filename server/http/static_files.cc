#include "server/http/static_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace retrace::server::http {
namespace {

// What is in memory of a file that is being sent.
constexpr size_t kReadAtOnce = 64 << 10;

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

// What every file's reply says.
Reply HeadOf(const Request& request, std::string_view etag) {
  Reply reply;
  // Kept by browsers, asked for again each time: the ETag makes that cheap.
  reply.With("ETag", etag).With("Cache-Control", "no-cache");
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

struct StaticFiles::File {
  explicit File(int number) : descriptor(number) {}
  // The next bytes of it; nothing when it became shorter or cannot be read.
  std::optional<std::string> Read() {
    std::string bytes(std::min(size - done, kReadAtOnce), '\0');
    const ssize_t read =
        ::pread(descriptor.number(), bytes.data(), bytes.size(), static_cast<off_t>(done));
    if (read < 0 || static_cast<size_t>(read) != bytes.size()) {
      return std::nullopt;
    }
    done += bytes.size();
    return bytes;
  }

  const Descriptor descriptor;
  size_t size = 0;
  size_t done = 0;
  std::string etag;
};

std::shared_ptr<StaticFiles::File> StaticFiles::Open(const std::string& name) const {
  const Descriptor directory(::open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto file = std::make_shared<File>(OpenBeneath(directory.number(), name));
  const int number = file->descriptor.number();
  struct stat state = {};
  if (number < 0 || ::fstat(number, &state) != 0 || !S_ISREG(state.st_mode) ||
      static_cast<size_t>(state.st_size) > kMaxBytes) {
    return nullptr;
  }
  file->size = static_cast<size_t>(state.st_size);
  file->etag = fmt::format("\"{:x}-{:x}-{:x}{:09x}\"", state.st_ino, state.st_size,
                           state.st_mtim.tv_sec, state.st_mtim.tv_nsec);
  return file;
}

void StaticFiles::Answer(const ExchangePtr& exchange) const {
  const Request& request = exchange->request();
  const std::optional<std::string> name = FileNameOf(request.path);
  std::shared_ptr<File> file;
  if (!directory_.empty() && name.has_value()) {
    file = Open(*name);
  }
  if (file == nullptr) {
    exchange->Send(NoFile());
    return;
  }
  Reply reply = HeadOf(request, file->etag);
  if (MatchesETag(request.Header("if-none-match"), file->etag)) {
    reply.status = 304;
    exchange->Send(std::move(reply));
    return;
  }
  reply.With("Content-Type", ContentTypeOfFile(*name))
      .With("Content-Length", fmt::format("{}", file->size));
  exchange->Begin(std::move(reply));
  if (request.method == "HEAD") {
    exchange->End();
  } else {
    WriteOn(file, exchange);
  }
}

// An exchange that is let go before its end closes the connection: the length was told already.
void StaticFiles::WriteOn(const std::shared_ptr<File>& file, const ExchangePtr& exchange) {
  if (file->done == file->size) {
    exchange->End();
    return;
  }
  std::optional<std::string> bytes = file->Read();
  if (bytes.has_value()) {
    exchange->Write(*std::move(bytes), [file, exchange](bool ok) {
      if (ok) WriteOn(file, exchange);
    });
  }
}

}  // namespace retrace::server::http
