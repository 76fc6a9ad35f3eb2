#include "server/http/message.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"

namespace retrace::server::http {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string_view Trim(std::string_view text) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(View(text));
  return {trimmed.data(), trimmed.size()};
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Calls `take` with each parameter behind the media type until it returns true.
template <typename Take>
void ForEachParameter(std::string_view content_type, Take take) {
  size_t at = content_type.find(';');
  while (at != std::string_view::npos) {
    content_type.remove_prefix(at + 1);
    const size_t equals = content_type.find('=');
    if (equals == std::string_view::npos) {
      return;
    }
    const std::string_view name = Trim(content_type.substr(0, equals));
    std::string_view value = content_type.substr(equals + 1);
    size_t end = 0;
    if (!value.empty() && value.front() == '"') {
      end = std::min(value.find('"', 1), value.size());
      value = value.substr(1, end - 1);
      at = content_type.find(';', equals + 1 + end);
    } else {
      at = content_type.find(';', equals);
      value = Trim(value.substr(0, at == std::string_view::npos ? at : at - equals - 1));
    }
    if (take(name, value)) {
      return;
    }
  }
}

}  // namespace

std::string_view Request::Header(std::string_view name) const {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

bool Request::Has(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& header) { return header.first == name; });
}

Reply TextReply(int status, std::string_view text) {
  Reply reply{.status = status, .headers = {}, .body = std::string(text)};
  reply.With("Content-Type", "text/plain; charset=utf-8").With("Cache-Control", "no-store");
  return reply.With("X-Content-Type-Options", "nosniff");
}

Reply ErrorReply(int status, std::string_view code, std::string_view message) {
  const nlohmann::json body = {{"code", code}, {"message", message}};
  Reply reply{.status = status, .headers = {}, .body = body.dump()};
  reply.With("Content-Type", "application/json").With("Cache-Control", "no-store");
  return reply.With("X-Content-Type-Options", "nosniff");
}

Reply NotAllowed(std::string_view allow) {
  return ErrorReply(405, "unimplemented", fmt::format("Use {} here.", allow)).With("Allow", allow);
}

std::string Head(const Reply& reply) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", reply.status, PhraseOf(reply.status));
  for (const auto& [name, value] : reply.headers) {
    head += name + ": ";
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if ((byte >= 0x20 && byte != 0x7f) || c == '\t') head += c;
    }
    head += "\r\n";
  }
  return head + "\r\n";
}

std::string_view PhraseOf(int status) {
  static const std::map<int, std::string_view> phrases = {{200, "OK"},
                                                          {204, "No Content"},
                                                          {304, "Not Modified"},
                                                          {400, "Bad Request"},
                                                          {401, "Unauthorized"},
                                                          {403, "Forbidden"},
                                                          {404, "Not Found"},
                                                          {405, "Method Not Allowed"},
                                                          {408, "Request Timeout"},
                                                          {409, "Conflict"},
                                                          {413, "Content Too Large"},
                                                          {414, "URI Too Long"},
                                                          {415, "Unsupported Media Type"},
                                                          {417, "Expectation Failed"},
                                                          {429, "Too Many Requests"},
                                                          {431, "Request Header Fields Too Large"},
                                                          {499, "Client Closed Request"},
                                                          {500, "Internal Server Error"},
                                                          {501, "Not Implemented"},
                                                          {503, "Service Unavailable"},
                                                          {504, "Gateway Timeout"},
                                                          {505, "HTTP Version Not Supported"}};
  const auto found = phrases.find(status);
  return found == phrases.end() ? std::string_view("Status") : found->second;
}

std::string MediaType(std::string_view content_type) {
  return absl::AsciiStrToLower(View(Trim(content_type.substr(0, content_type.find(';')))));
}

std::string MediaParameter(std::string_view content_type, std::string_view name) {
  std::string found;
  ForEachParameter(content_type, [&](std::string_view each, std::string_view value) {
    if (!absl::EqualsIgnoreCase(View(each), View(name))) return false;
    found = value;
    return true;
  });
  return found;
}

bool AcceptsCoding(std::string_view list, std::string_view coding) {
  for (const absl::string_view entry : absl::StrSplit(View(list), ',')) {
    const std::string_view text(entry.data(), entry.size());
    if (MediaType(text) == coding) {
      const std::string weight = MediaParameter(text, "q");
      // `q=0`, `q=0.0`: never.
      return weight.empty() || weight.find_first_of("123456789") != std::string::npos;
    }
  }
  return false;
}

std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0) {
      return std::nullopt;
    }
    decoded += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
    i += 2;
  }
  return decoded;
}

bool IsHeaderValue(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); });
}

std::optional<int64_t> ParseDigits(std::string_view text, size_t max_digits) {
  if (text.empty() || text.size() > max_digits) {
    return std::nullopt;
  }
  int64_t number = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
    number = number * 10 + (c - '0');
  }
  return number;
}

std::string OriginForm(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (absl::StartsWithIgnoreCase(View(target), View(scheme))) {
      const size_t end = std::min(target.find_first_of("/?", scheme.size()), target.size());
      const std::string_view rest = target.substr(end);
      return fmt::format("{}{}", rest.starts_with('/') ? "" : "/", rest);
    }
  }
  return std::string(target);
}

}  // namespace retrace::server::http
