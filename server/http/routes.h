// Which address is answered by what; see edge.h.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server.h>

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/http/connect.h"
#include "server/http/edge.h"
#include "server/http/exchange.h"
#include "server/http/proxies.h"
#include "server/http/static_files.h"
#include "server/http/unsubscribe.h"
#include "server/rpc.h"

namespace retrace::server::http {

// Thread-safe. Called on the server's threads; blocks on nothing.
class Edge::Routes {
 public:
  // `rpc` and `grpc_server` must outlive it.
  Routes(Rpc& rpc, grpc::Server& grpc_server, const EdgeOptions& options, Proxies proxies);

  void Answer(const ExchangePtr& exchange);
  void AttachUnsubscribe(UnsubscribeHandler handler);

 private:
  void AnswerReady(const ExchangePtr& exchange);
  Reply MetricsFor(const Request& request);
  void AnswerUnsubscribe(const ExchangePtr& exchange);

  Rpc& rpc_;
  const Proxies proxies_;
  grpc::GenericStub stub_;
  const Connect connect_;
  const StaticFiles files_;
  absl::Mutex mutex_;
  std::shared_ptr<const UnsubscribeHandler> unsubscribe_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace retrace::server::http
