// What the HTTP server knows of `/u/{token}`, the address behind List-Unsubscribe (RFC 8058): it
// reads the request and writes the answer; what a token means is told by whoever attaches a
// handler.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace retrace::server::http {

// One request to /u/{token}.
struct UnsubscribeCall {
  std::string token;   // of the path, percent-decoded
  std::string method;  // GET, HEAD or POST
  // Of a POST: the fields of its form, e.g. {"List-Unsubscribe": "One-Click"}; the first of a name.
  std::map<std::string, std::string> form;
  // Who asked: the address of the connection, or what a trusted proxy says it is; "unix" when the
  // unix socket's peer says nothing.
  std::string client_address;
  std::string accept_language;
};

struct UnsubscribeAnswer {
  int status = 200;
  std::string content_type = "text/html; charset=utf-8";
  std::string body;
};

// Called on one of the server's threads: must not block. `done` is called once, from any thread,
// before the server has stopped; let go uncalled, the client gets 500. Never redirects: RFC 8058.
using UnsubscribeHandler =
    std::function<void(const UnsubscribeCall&, std::function<void(UnsubscribeAnswer)> done)>;

}  // namespace retrace::server::http
