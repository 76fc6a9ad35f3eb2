#include "server/http/edge.h"

#include <utility>

#include "domain/status_macros.h"
#include "server/http/proxies.h"
#include "server/http/routes.h"

namespace retrace::server::http {

Edge::Edge() = default;
Edge::~Edge() { Stop(absl::Now()); }

absl::StatusOr<std::unique_ptr<Edge>> Edge::Start(Rpc& rpc, grpc::Server& grpc_server,
                                                  EdgeOptions options) {
  RETRACE_ASSIGN(Proxies proxies, Proxies::Parse(options.trusted_proxies));
  auto edge = std::unique_ptr<Edge>(new Edge());
  edge->routes_ = std::make_unique<Routes>(rpc, grpc_server, options, proxies);
  ServerOptions serving;
  serving.addresses = std::move(options.addresses);
  serving.socket = std::move(options.socket);
  serving.tls_cert = std::move(options.tls_cert);
  serving.tls_key = std::move(options.tls_key);
  serving.trusted_proxies = std::move(proxies);
  serving.limits = options.limits;
  RETRACE_ASSIGN(edge->server_, Server::Start(std::move(serving),
                                              [routes = edge->routes_.get()](ExchangePtr exchange) {
                                                routes->Answer(exchange);
                                              }));
  return edge;
}

void Edge::AttachUnsubscribe(UnsubscribeHandler handler) {
  routes_->AttachUnsubscribe(std::move(handler));
}

void Edge::Stop(absl::Time deadline) {
  if (server_ != nullptr) {
    server_->Stop(deadline);
  }
}

const std::vector<int>& Edge::ports() const { return server_->ports(); }

void Edge::Collect(Metrics& metrics) const {
  const ServerCounts counts = server_->counts();
  metrics.Set("retrace_http_connections", "HTTP connections that are open.",
              static_cast<double>(counts.connections));
  metrics.SetTotal("retrace_http_requests_total", "HTTP requests taken since the start.",
                   static_cast<double>(counts.requests));
  metrics.SetTotal("retrace_http_refused_connections_total",
                   "HTTP connections refused since the start, since too many were open.",
                   static_cast<double>(counts.refused_connections));
}

}  // namespace retrace::server::http
