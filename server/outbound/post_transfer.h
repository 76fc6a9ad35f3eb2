// One request on its way to a webhook's endpoint.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <string>

#include "server/outbound/curl_handle.h"

namespace retrace::server {

// Thread-compatible.
class PostTransfer {
 public:
  PostTransfer(OutgoingPost post, SendDone done);

  // Scheme, host and port; empty when the URL is none that can be sent to.
  const std::string& host() const { return host_; }
  // Makes the handle; the transfer must not move until it ended.
  CURL* Open(const OutboxOptions& options);
  // What became of it, once libcurl has ended it.
  SendResult Judge(CURLcode code) const;
  // The same when it is broken off, or was never begun.
  SendResult BrokenOff() const;
  void Done(SendResult result) { done_(std::move(result)); }

 private:
  // The status of the answer; 0: there was none.
  int Status() const;
  static curl_socket_t OpenSocket(void* transfer, curlsocktype purpose, curl_sockaddr* address);
  static size_t TakeBody(char* text, size_t size, size_t count, void* transfer);
  static size_t TakeHeader(char* text, size_t size, size_t count, void* transfer);

  OutgoingPost post_;
  SendDone done_;
  std::string host_;
  bool plain_ = false;  // http
  Upload upload_;
  const AddressGuard* guard_ = nullptr;
  CurlList headers_;
  CurlList resolve_;
  size_t answered_bytes_ = 0;
  bool address_refused_ = false;
  EasyHandle handle_;  // destroyed before what it points to
};

}  // namespace retrace::server
