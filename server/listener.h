// The gRPC server: addresses, limits, health and reflection around the rpc template.
#pragma once

#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rpc.h"

namespace retrace::server {

struct ListenerOptions {
  std::vector<std::string> addresses;  // e.g. "127.0.0.1:7233"; port 0: a free one
  std::string socket;                  // path of a unix socket; empty: none
  bool reflection = true;
};

// Thread-safe. `rpc` must outlive it.
class Listener {
 public:
  // Opens the ports; health says NOT_SERVING. UNAVAILABLE when an address cannot be had,
  // FAILED_PRECONDITION when the services are registered wrongly.
  static absl::StatusOr<std::unique_ptr<Listener>> Start(Rpc& rpc, const ListenerOptions& options);
  ~Listener();

  // What health says of the server and of every service.
  void SetServing(bool serving);
  // Takes no new connection and waits for calls under way; at the deadline they are cancelled.
  void Stop(absl::Time deadline);

  // Ports of `addresses`, in order.
  const std::vector<int>& ports() const { return ports_; }
  grpc::Server& server() { return *server_; }

 private:
  Listener() = default;

  std::vector<std::string> services_;
  std::vector<int> ports_;
  std::string socket_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace retrace::server
