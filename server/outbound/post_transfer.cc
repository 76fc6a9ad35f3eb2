#include "server/outbound/post_transfer.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace retrace::server {
namespace {

constexpr size_t kMostAnswered = 64 << 10;  // of headers and body together
constexpr int64_t kLongestWait = 24LL * 3600 * 1'000'000;

// "https://host:port"; empty for what is no such URL.
std::string HostOf(const std::string& text) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> url(curl_url(), curl_url_cleanup);
  char* scheme = nullptr;
  char* host = nullptr;
  char* port = nullptr;
  std::string found;
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) == CURLUE_OK &&
      curl_url_get(url.get(), CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
      curl_url_get(url.get(), CURLUPART_HOST, &host, 0) == CURLUE_OK &&
      curl_url_get(url.get(), CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
    found = fmt::format("{}://{}:{}", scheme, host, port);
  }
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  return found.starts_with("http://") || found.starts_with("https://") ? found : "";
}

bool HasLineBreak(const std::string& text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos;
}

bool AsksToWait(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

PostTransfer::PostTransfer(OutgoingPost post, SendDone done)
    : post_(std::move(post)),
      done_(std::move(done)),
      host_(HasLineBreak(post_.url) ||
                    std::any_of(post_.headers.begin(), post_.headers.end(), HasLineBreak)
                ? ""
                : HostOf(post_.url)),
      plain_(host_.starts_with("http://")),
      upload_(std::move(post_.body)) {}

CURL* PostTransfer::Open(const OutboxOptions& options) {
  handle_.reset(curl_easy_init());
  CURL* handle = handle_.get();
  guard_ = &options.guard;
  SetCommonOptions(handle, options, "https,http", options.webhook_ca_file);
  for (const std::string& entry : options.resolve) Append(resolve_, entry);
  curl_easy_setopt(handle, CURLOPT_RESOLVE, resolve_.get());
  curl_easy_setopt(handle, CURLOPT_URL, post_.url.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_POST, 1L);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(upload_.size()));
  upload_.Attach(handle);
  for (const std::string& header : post_.headers) Append(headers_, header);
  Append(headers_, "Expect:");  // the body goes at once
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &PostTransfer::OpenSocket);
  curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &PostTransfer::TakeBody);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &PostTransfer::TakeHeader);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  return handle;
}

// libcurl is about to connect to this very address: the last moment, and the only one that counts.
curl_socket_t PostTransfer::OpenSocket(void* transfer, curlsocktype /*purpose*/,
                                       curl_sockaddr* address) {
  PostTransfer& self = *static_cast<PostTransfer*>(transfer);
  const absl::StatusOr<IpAddress> ip = IpAddress::Of(address->addr);
  const bool allowed =
      ip.ok() && (self.plain_ ? self.guard_->IsListed(*ip) : self.guard_->Allows(*ip));
  if (!allowed) {
    self.address_refused_ = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t PostTransfer::TakeBody(char* /*text*/, size_t size, size_t count, void* transfer) {
  PostTransfer& self = *static_cast<PostTransfer*>(transfer);
  self.answered_bytes_ += size * count;
  return self.answered_bytes_ <= kMostAnswered ? size * count : 0;
}

size_t PostTransfer::TakeHeader(char* text, size_t size, size_t count, void* transfer) {
  return TakeBody(text, size, count, transfer);
}

int PostTransfer::Status() const {
  long status = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  return status >= 200 && status < 600 ? static_cast<int>(status) : 0;
}

SendResult PostTransfer::Judge(CURLcode code) const {
  const int status = Status();
  if (status == 0) {
    return address_refused_ ? SendResult{.kind = SendResult::kRetry,
                                         .detail = "not sent: the address is refused"}
                            : WithoutAnswer(upload_, curl_easy_strerror(code));
  }
  SendResult result;
  result.code = status;
  result.detail = fmt::format("answered {}", status);
  result.kind = status < 300    ? SendResult::kSent
                : status == 410 ? SendResult::kGone
                                : SendResult::kRetry;
  curl_off_t seconds = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RETRY_AFTER, &seconds);
  if (seconds > 0 && AsksToWait(status)) {
    result.retry_after_us = std::min<int64_t>(seconds, kLongestWait / 1'000'000) * 1'000'000;
  }
  return result;
}

SendResult PostTransfer::BrokenOff() const {
  return handle_ != nullptr && Status() != 0 ? Judge(CURLE_ABORTED_BY_CALLBACK)
                                             : WithoutAnswer(upload_, "the server stops");
}

}  // namespace retrace::server
