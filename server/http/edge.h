// The HTTP edge: what a browser, curl or a mail program reaches, beside the gRPC port.
//
//   POST /retrace.v1.Customers/GetCustomer    every RPC by the Connect protocol: see connect.h
//   GET  /healthz                             the process lives
//   GET  /readyz                              200 when gRPC's health says SERVING, else 503
//   GET  /metrics                             Prometheus' text; for principals with admin.status
//   GET, HEAD, POST /u/{token}                see unsubscribe.h; 404 until a handler is attached
//   GET, HEAD otherwise                       static files, when there is a directory of them
//
// /metrics asks for a token also on this machine: behind a proxy everybody comes from here.
#pragma once

#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/http/limits.h"
#include "server/http/server.h"
#include "server/http/unsubscribe.h"
#include "server/rpc.h"

namespace retrace::server::http {

struct EdgeOptions {
  std::vector<std::string> addresses;  // see ServerOptions
  std::string socket;
  std::string tls_cert;
  std::string tls_key;
  std::string static_dir;            // empty: no files
  std::vector<std::string> origins;  // whose pages may call RPCs, e.g. "https://crm.example.com"
  std::vector<std::string> trusted_proxies;  // see Proxies::Parse
  Limits limits;
};

// Thread-safe.
class Edge {
 public:
  // Opens the ports. `rpc` and `grpc_server`, which must be started, must outlive it.
  // INVALID_ARGUMENT for proxies that are none; otherwise as Server::Start.
  static absl::StatusOr<std::unique_ptr<Edge>> Start(Rpc& rpc, grpc::Server& grpc_server,
                                                     EdgeOptions options);
  ~Edge();

  // Answers /u/{token} from now on; null: 404 again.
  void AttachUnsubscribe(UnsubscribeHandler handler);

  // See Server::Stop. To be called before the gRPC server is stopped: its calls end with it.
  void Stop(absl::Time deadline);

  const std::vector<int>& ports() const;
  // Sets the gauges retrace_http_*.
  void Collect(Metrics& metrics) const;

 private:
  class Routes;

  Edge();
  std::unique_ptr<Routes> routes_;
  std::unique_ptr<Server> server_;  // destroyed first
};

}  // namespace retrace::server::http
