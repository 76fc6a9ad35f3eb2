#include "server/outbound/curl_handle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace retrace::server {

void Append(CurlList& list, const std::string& entry) {
  curl_slist* head = list.release();
  list.reset(curl_slist_append(head, entry.c_str()));
}

void Upload::Attach(CURL* handle) {
  curl_easy_setopt(handle, CURLOPT_READFUNCTION, &Upload::Read);
  curl_easy_setopt(handle, CURLOPT_READDATA, this);
  curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, &Upload::Seek);
  curl_easy_setopt(handle, CURLOPT_SEEKDATA, this);
}

size_t Upload::Read(char* buffer, size_t size, size_t count, void* upload) {
  Upload& self = *static_cast<Upload*>(upload);
  const size_t taken = std::min(size * count, self.bytes_.size() - self.taken_);
  std::memcpy(buffer, self.bytes_.data() + self.taken_, taken);
  self.taken_ += taken;
  self.begun_ = true;
  self.handed_over_ = self.taken_ == self.bytes_.size();
  return taken;
}

int Upload::Seek(void* upload, curl_off_t offset, int origin) {
  Upload& self = *static_cast<Upload*>(upload);
  if (origin != SEEK_SET || offset < 0 || static_cast<size_t>(offset) > self.bytes_.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  self.taken_ = static_cast<size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

void SetCommonOptions(CURL* handle, const OutboxOptions& options, const char* protocols,
                      const std::string& ca_file) {
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, protocols);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(handle, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  // Else the end of a transfer would wait for a name service that does not answer.
  curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options.connect_timeout)));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options.total_timeout)));
  if (!ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, ca_file.c_str());
  }
}

SendResult WithoutAnswer(const Upload& upload, std::string_view why) {
  SendResult result;
  result.kind = upload.handed_over() ? SendResult::kUnknown : SendResult::kRetry;
  result.detail = fmt::format("{}: {}", upload.handed_over() ? "answer lost" : "not sent", why);
  return result;
}

}  // namespace retrace::server
