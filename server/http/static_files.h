// Files of one directory, for a console in the browser.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/exchange.h"

namespace retrace::server::http {

// Thread-safe: looks at the files anew each time. Nothing outside the directory is served, neither
// by `..` nor by a link, nor are names that begin with a dot.
class StaticFiles {
 public:
  // Larger files are not served.
  static constexpr size_t kMaxBytes = 16 << 20;

  // An empty directory: there are no files.
  explicit StaticFiles(std::string directory) : directory_(std::move(directory)) {}

  // The file at the request's path, or `index.html` below it when that ends with a slash: 200, or
  // 304 when If-None-Match names its ETag. 404 when there is none. Large ones are read piece by
  // piece as the client takes them.
  void Answer(const ExchangePtr& exchange) const;

 private:
  struct File;
  // Null when there is no such file.
  std::shared_ptr<File> Open(const std::string& name) const;
  static void WriteOn(const std::shared_ptr<File>& file, const ExchangePtr& exchange);

  const std::string directory_;
};

// By the name's ending; application/octet-stream when it is none of the web's.
std::string_view ContentTypeOfFile(std::string_view name);
// A path below the directory: decoded, without a leading slash. Nothing when it may name no file.
std::optional<std::string> FileNameOf(std::string_view path);

}  // namespace retrace::server::http
