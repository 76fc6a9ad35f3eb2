// The HTTP/1.1 server: addresses, threads, bounds of connections, TLS, draining.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/http/asio.h"
#include "server/http/connection.h"
#include "server/http/exchange.h"
#include "server/http/limits.h"
#include "server/http/proxies.h"
#include "server/http/tls.h"

namespace retrace::server::http {

struct ServerOptions {
  std::vector<std::string> addresses;  // e.g. "127.0.0.1:7234", "[::1]:7234"; port 0: a free one
  std::string socket;                  // path of a unix socket; empty: none
  std::string tls_cert;                // PEM files; both or neither; not for the unix socket
  std::string tls_key;
  Proxies trusted_proxies;
  Limits limits;
  int threads = 2;
};

// What has happened since the start.
struct ServerCounts {
  size_t connections = 0;  // open now
  uint64_t requests = 0;
  uint64_t refused_connections = 0;
};

// Thread-safe. The destructor stops it.
class Server {
 public:
  // Opens the ports and serves. UNAVAILABLE when an address cannot be had, FAILED_PRECONDITION when
  // the certificate or its key cannot be used.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes no new connection, closes idle ones and waits for answers under way; at the deadline the
  // rest are closed. Then waits until nobody holds an exchange any more.
  void Stop(absl::Time deadline);

  // Ports of `addresses`, in order.
  const std::vector<int>& ports() const { return ports_; }
  ServerCounts counts() const;

 private:
  friend class Connection;
  class Acceptor;

  Server(ServerOptions options, Handler handler);
  absl::Status Listen();
  absl::Status ListenOn(const std::string& address);
  absl::Status ListenOnSocket();
  void Accepted(Connection::Socket socket, Connection::Strand strand, std::string peer);
  std::vector<std::shared_ptr<Connection>> Open() const;

  // For connections.
  const Limits& limits() const { return options_.limits; }
  bool draining() const { return draining_; }
  void Handle(Request request, HeldBytes body, const std::shared_ptr<Connection>& connection,
              std::weak_ptr<Exchange>& exchange);
  ByteAccount& bodies() { return bodies_; }
  void Forget(const Connection& connection);

  const ServerOptions options_;
  const Handler handler_;
  std::optional<Certificate> certificate_;
  std::vector<int> ports_;
  OpenExchanges exchanges_;
  std::atomic<bool> draining_{false};
  ByteAccount bodies_;
  ByteAccount replies_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> refused_{0};
  mutable absl::Mutex mutex_;
  std::map<const Connection*, std::weak_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, size_t> of_address_ ABSL_GUARDED_BY(mutex_);
  size_t refusing_ ABSL_GUARDED_BY(mutex_) = 0;
  // Destroyed first: what waits on it still uses the rest.
  std::unique_ptr<net::io_context> io_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;
  std::vector<std::thread> threads_;
};

}  // namespace retrace::server::http
