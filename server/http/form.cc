#include "server/http/form.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "server/http/message.h"

namespace retrace::server::http {
namespace {

std::optional<Form> ParseUrlEncoded(std::string_view body) {
  Form form;
  const absl::string_view trimmed =
      absl::StripAsciiWhitespace(absl::string_view(body.data(), body.size()));
  for (const absl::string_view pair : absl::StrSplit(trimmed, '&', absl::SkipEmpty())) {
    const size_t equals = pair.find('=');
    const absl::string_view raw = equals == absl::string_view::npos ? "" : pair.substr(equals + 1);
    const absl::string_view key = pair.substr(0, equals);
    std::optional<std::string> name = PercentDecode({key.data(), key.size()}, true);
    std::optional<std::string> value = PercentDecode({raw.data(), raw.size()}, true);
    if (!name.has_value() || !value.has_value()) {
      return std::nullopt;
    }
    form.emplace(*std::move(name), *std::move(value));
  }
  return form;
}

// The name in a part's Content-Disposition; empty when it has none.
std::string NameOfPart(std::string_view head) {
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(head.data(), head.size()), "\r\n")) {
    if (absl::StartsWithIgnoreCase(line, "content-disposition:")) {
      return MediaParameter({line.data(), line.size()}, "name");
    }
  }
  return "";
}

// RFC 7578. Each part: delimiter, CRLF, headers, empty line, value, CRLF.
std::optional<Form> ParseMultipart(std::string_view boundary, std::string_view body) {
  if (boundary.empty() || boundary.size() > 70) {
    return std::nullopt;
  }
  const std::string delimiter = "--" + std::string(boundary);
  Form form;
  size_t at = body.find(delimiter);
  while (at != std::string_view::npos) {
    at += delimiter.size();
    if (body.substr(at, 2) == "--") {
      return form;
    }
    if (body.substr(at, 2) != "\r\n") {
      return std::nullopt;
    }
    const size_t empty_line = body.find("\r\n\r\n", at);
    const size_t end = empty_line == std::string_view::npos
                           ? empty_line
                           : body.find("\r\n" + delimiter, empty_line + 2);
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string name = NameOfPart(body.substr(at + 2, empty_line - at - 2));
    if (name.empty()) {
      return std::nullopt;
    }
    // An empty value's CRLF may be that of the empty line.
    const size_t begin = empty_line + 4;
    form.emplace(name, end < begin ? std::string() : std::string(body.substr(begin, end - begin)));
    at = end + 2;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Form> ParseForm(std::string_view content_type, std::string_view body) {
  const std::string type = MediaType(content_type);
  if (type == "application/x-www-form-urlencoded") {
    return ParseUrlEncoded(body);
  }
  if (type == "multipart/form-data") {
    return ParseMultipart(MediaParameter(content_type, "boundary"), body);
  }
  return std::nullopt;
}

}  // namespace retrace::server::http
