// The certificate that TLS connections get, read again when its files change.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/http/asio.h"

namespace retrace::server::http {

// Thread-safe.
class Certificate {
 public:
  // Of PEM files: the chain, leaf first, and its key.
  Certificate(std::string cert_file, std::string key_file);

  // Reads the files if they changed (time, size or inode) since they were read. FAILED_PRECONDITION
  // when they cannot be used; the certificate in use stays.
  absl::Status Refresh();

  // For a new connection, after a look at the files; connections that are open keep theirs. A
  // fault of the files is logged once. Null before a Refresh was OK.
  std::shared_ptr<net::ssl::context> Current();

 private:
  absl::StatusOr<std::shared_ptr<net::ssl::context>> Read() const;
  std::string StampOf() const;

  const std::string cert_file_;
  const std::string key_file_;
  absl::Mutex mutex_;
  std::string stamp_ ABSL_GUARDED_BY(mutex_);  // of the files when they were read last
  std::shared_ptr<net::ssl::context> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace retrace::server::http
