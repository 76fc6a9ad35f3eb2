// A client of HTTP/1.1 that sends any bytes, for tests of the server.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace retrace::testing {

struct HttpReply {
  int status = 0;                              // 0: the connection ended before a reply was whole
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// One connection. Not thread-safe. Whatever takes longer than 20 seconds fails.
class HttpClient {
 public:
  explicit HttpClient(int port);                   // of 127.0.0.1
  explicit HttpClient(const std::string& socket);  // a unix socket's path
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool connected() const { return fd_ >= 0; }
  // False when the server took no more of it.
  bool Send(std::string_view bytes);
  // The next reply; `head_only`: it is one to a HEAD.
  HttpReply Read(bool head_only = false);
  // The status line and headers, then the chunks of the body as they come; empty at its end.
  HttpReply ReadHead();
  std::string ReadChunk();
  // Whatever comes next; empty at the end.
  std::string ReadSome();
  HttpReply Call(std::string_view bytes) {
    Send(bytes);
    return Read();
  }
  // True when the server closes the connection without sending more.
  bool ReadsEnd();
  // Half-closes.
  void EndSending();
  void Close();
  // Takes few bytes at once from now on; to be called before anything is read.
  void ReadSlowly();

 private:
  bool Fill();
  // Up to and with the text.
  std::optional<std::string> Until(std::string_view text);
  std::optional<std::string> Take(size_t bytes);

  int fd_ = -1;
  std::string buffer_;
};

// A whole request; Host and Content-Length are added. `headers`: lines, each with its CRLF.
std::string HttpRequest(std::string_view method, std::string_view target,
                        std::string_view headers = "", std::string_view body = "");

}  // namespace retrace::testing
