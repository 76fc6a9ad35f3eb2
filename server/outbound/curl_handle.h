// What every transfer with libcurl has.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/outbound/outbox.h"

namespace retrace::server {

struct EasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using EasyHandle = std::unique_ptr<CURL, EasyDeleter>;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, ListDeleter>;
void Append(CurlList& list, const std::string& entry);

// What is uploaded, and how much of it libcurl has taken.
class Upload {
 public:
  explicit Upload(std::string bytes) : bytes_(std::move(bytes)) {}
  size_t size() const { return bytes_.size(); }
  bool begun() const { return begun_; }
  // Everything was taken: from now on the other side may have all of it.
  bool handed_over() const { return handed_over_; }
  // Makes the handle read from this, which must outlive the transfer.
  void Attach(CURL* handle);

 private:
  static size_t Read(char* buffer, size_t size, size_t count, void* upload);
  static int Seek(void* upload, curl_off_t offset, int origin);

  const std::string bytes_;
  size_t taken_ = 0;
  bool begun_ = false;
  bool handed_over_ = false;
};

// Bounds of time, no signals, no proxy, no passwords from files, no protocols but `protocols`.
void SetCommonOptions(CURL* handle, const OutboxOptions& options, const char* protocols,
                      const std::string& ca_file);

// An attempt that got no answer: by whether the other side may have all of it.
SendResult WithoutAnswer(const Upload& upload, std::string_view why);

}  // namespace retrace::server
