// Requests and replies of HTTP/1.1 as plain values, and the small grammars in them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace retrace::server::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

// A request as it was read. Headers that must be unique are: see Connection.
struct Request {
  std::string method;  // as sent, e.g. "POST"
  std::string path;    // as sent, percent-encoded, without the query
  std::string query;   // behind the `?`; empty: none
  Headers headers;     // names in lower case
  std::string body;
  // Who is connected: an address without a port, e.g. "127.0.0.1"; "unix" on the unix socket.
  std::string peer;
  bool tls = false;

  // The first header of that name (in lower case); empty when there is none.
  std::string_view Header(std::string_view name) const;
  bool Has(std::string_view name) const;
  bool IsRead() const { return method == "GET" || method == "HEAD"; }
};

// A reply. The connection adds Content-Length, Connection and Date; to a HEAD it sends no body.
struct Reply {
  int status = 200;
  Headers headers;
  std::string body;

  Reply& With(std::string_view name, std::string_view value) & {
    headers.emplace_back(name, value);
    return *this;
  }
  Reply&& With(std::string_view name, std::string_view value) && {
    headers.emplace_back(name, value);
    return std::move(*this);
  }
};

// A reply of plain text that no cache keeps.
Reply TextReply(int status, std::string_view text);
// {"code": ..., "message": ...}: the form of every error of this server.
Reply ErrorReply(int status, std::string_view code, std::string_view message);
// 405 with Allow.
Reply NotAllowed(std::string_view allow);

// Status line, headers and the empty line. What could break out of a header (CR, LF, NUL and other
// control characters) is left out.
std::string Head(const Reply& reply);

// "Not Found".
std::string_view PhraseOf(int status);

// `type/subtype` in lower case, without parameters.
std::string MediaType(std::string_view content_type);
// A parameter of it, without quotes, e.g. `boundary`; empty when there is none.
std::string MediaParameter(std::string_view content_type, std::string_view name);
// True when the list of codings (Accept-Encoding) takes this one.
bool AcceptsCoding(std::string_view list, std::string_view coding);
// Decodes %XX, and `+` as a space when asked to. Nothing when an escape is malformed.
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space = false);
// What may stand in a header's value: printable ASCII, spaces and tabs.
bool IsHeaderValue(std::string_view value);
// Of a gRPC deadline, a Retry-After...: digits only, at most `max_digits` of them.
std::optional<int64_t> ParseDigits(std::string_view text, size_t max_digits);

// A request's target as proxies are sent it, `http://host/path?query`, without scheme and host,
// which name this server (RFC 9112, 3.2.2); any other as it is.
std::string OriginForm(std::string_view target);

}  // namespace retrace::server::http
