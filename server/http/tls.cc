#include "server/http/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "server/logging.h"

namespace retrace::server::http {
namespace {

// Of the protocols that a client offers, the only one that is spoken here.
int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* in, unsigned int in_size, void*) {
  // The answer points into it.
  static constexpr std::array<unsigned char, 9> kHttp11 = {8,   'h', 't', 't', 'p',
                                                           '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11.data(), kHttp11.size(), in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Certificate::Certificate(std::string cert_file, std::string key_file)
    : cert_file_(std::move(cert_file)), key_file_(std::move(key_file)) {}

std::string Certificate::StampOf() const {
  std::string stamp;
  for (const std::string& file : {cert_file_, key_file_}) {
    struct stat state = {};
    if (::stat(file.c_str(), &state) == 0) {
      stamp += fmt::format("{}.{}-{}-{};", state.st_mtim.tv_sec, state.st_mtim.tv_nsec,
                           state.st_size, state.st_ino);
    } else {
      stamp += "missing;";
    }
  }
  return stamp;
}

absl::StatusOr<std::shared_ptr<net::ssl::context>> Certificate::Read() const {
  auto context = std::make_shared<net::ssl::context>(net::ssl::context::tls_server);
  SSL_CTX* const raw = context->native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(raw, ChooseProtocol, nullptr);
  // Otherwise it would ask for the password of an encrypted key, at a terminal, and wait.
  SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return -1; });
  const auto wrong = [](const std::string& file, const error_code& error) {
    ERR_clear_error();
    return absl::FailedPreconditionError(fmt::format("{}: {}", file, error.message()));
  };
  for (const std::string& file : {cert_file_, key_file_}) {
    if (access(file.c_str(), R_OK) != 0) {
      return absl::FailedPreconditionError(fmt::format("{}: {}", file, std::strerror(errno)));
    }
  }
  error_code error;
  context->use_certificate_chain_file(cert_file_, error);
  if (error) {
    return wrong(cert_file_, error);
  }
  context->use_private_key_file(key_file_, net::ssl::context::pem, error);
  if (error) {
    return wrong(key_file_, error);
  }
  if (SSL_CTX_check_private_key(raw) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError(
        fmt::format("{} is not the key of {}", key_file_, cert_file_));
  }
  return context;
}

absl::Status Certificate::Refresh() {
  // Before reading: what changes meanwhile is read again next time.
  std::string stamp = StampOf();
  {
    absl::MutexLock lock(&mutex_);
    if (stamp == stamp_) {
      return absl::OkStatus();
    }
  }
  absl::StatusOr<std::shared_ptr<net::ssl::context>> read = Read();
  absl::MutexLock lock(&mutex_);
  stamp_ = std::move(stamp);
  if (!read.ok()) {
    return read.status();
  }
  current_ = *std::move(read);
  return absl::OkStatus();
}

std::shared_ptr<net::ssl::context> Certificate::Current() {
  std::shared_ptr<net::ssl::context> before;
  {
    absl::MutexLock lock(&mutex_);
    before = current_;
  }
  const absl::Status refreshed = Refresh();
  absl::MutexLock lock(&mutex_);
  if (!refreshed.ok()) {
    Log(LogLevel::kError, "certificate not taken; the one in use stays",
        {{"fault", std::string_view(refreshed.message().data(), refreshed.message().size())}});
  } else if (before != nullptr && current_ != before) {
    Log(LogLevel::kInfo, "certificate read again", {{"file", cert_file_}});
  }
  return current_;
}

}  // namespace retrace::server::http
