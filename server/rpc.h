// The one rpc template: every RPC of every service goes through it.
//
// A service is a list of registrations. What the template needs to know of a method it reads from
// the method's descriptor: the permission from option (retrace.v1.permission), the tenant from the
// HTTP rule's path variable, the fields of a command's reply.
//
//   RpcService& customers = rpc.AddService("retrace.v1.Customers");
//   customers.Command<v1::CreateCustomerRequest, v1::CreateCustomerResponse>("CreateCustomer");
//   customers.Query<v1::GetCustomerRequest, v1::GetCustomerResponse>(
//       "GetCustomer", [&](const QueryCall& call, const v1::GetCustomerRequest& request) {
//         return queries.Answer(call, request);
//       });
//
// The template authenticates, authorises, parses, finds the tenant, checks the fields, sets a
// deadline, runs the handler off gRPC's threads, translates the status, counts and logs. Requests
// arrive as bytes, so that malformed ones get an answer with an ErrorInfo instead of gRPC's own.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "domain/commands.h"
#include "eventstore/row_store.h"
#include "server/endpoint.h"
#include "server/plans.h"
#include "server/principals.h"
#include "server/query_pool.h"
#include "server/stream_call.h"

namespace retrace::server {

struct RpcOptions {
  size_t query_threads = 2;
  size_t max_waiting_queries = 1000;
  size_t slow_threads = 2;  // a backup leaves one to undos
  size_t max_waiting_slow = 64;
  size_t wait_threads = 16;
  size_t max_waiting_wait = 256;
  size_t ahead_threads = 1;
  size_t max_waiting_ahead = 64;
  StreamBounds streams;
  // Of unary calls: given to callers that have none, and the longest that one may have.
  absl::Duration default_deadline = absl::Seconds(10);
  absl::Duration max_deadline = absl::Seconds(60);
};

// What calls are answered from. Must outlive the last call.
struct Serving {
  const Tenants* tenants = nullptr;
  std::function<void(Command)> submit;
  // What large commands are prepared from; null: they are not.
  const eventstore::RowStore* rows = nullptr;
  const Plans* plans = nullptr;  // null: destructive commands cannot be planned
};

class Rpc;

// The RPCs of one service. Registration is done before the server starts.
class RpcService : public grpc::Service {
 public:
  RpcService(Rpc& rpc, std::string_view full_name);

  // A command, decided by domain::Decide for its request.
  template <typename Request, typename Reply>
  void Command(std::string_view method, ShowFunction show = nullptr) {
    CommandWith<Request, Reply>(
        method,
        [](const Request& request, domain::Draft& draft, const domain::Context& context) {
          return domain::Decide(request, draft, context);
        },
        std::move(show));
  }

  // The same with another decider: (const Request&, domain::Draft&, const domain::Context&).
  template <typename Request, typename Reply, typename Decider>
  void CommandWith(std::string_view method, Decider decide, ShowFunction show = nullptr) {
    Endpoint endpoint;
    endpoint.decide = [decide = std::move(decide)](const Message& request, domain::Draft& draft,
                                                   const domain::Context& context) {
      return decide(static_cast<const Request&>(request), draft, context);
    };
    if constexpr (requires(const Request& request, const domain::View& view) {
                    domain::Prepare(request, view);
                  }) {
      endpoint.prepare = [](const Message& request, const domain::View& view) {
        domain::Prepare(static_cast<const Request&>(request), view);
      };
    }
    endpoint.show = std::move(show);
    Add(method, Request::descriptor(), Reply::descriptor(), std::move(endpoint));
  }

  // A command of which the log must be asked first: resolve(const QueryCall&, const Request&) gives
  // the absl::StatusOr<Resolved> that domain::Decide gets in the request's place. It runs like a
  // query, on a thread of the lane.
  template <typename Request, typename Reply, typename Resolved, typename Resolve>
  void ResolvedCommand(std::string_view method, Resolve resolve, ShowFunction show,
                       Lane lane = Lane::kQuick) {
    Endpoint endpoint;
    endpoint.lane = lane;
    endpoint.resolve = [resolve = std::move(resolve)](const QueryCall& call, const Message& request)
        -> absl::StatusOr<std::unique_ptr<const Message>> {
      absl::StatusOr<Resolved> resolved = resolve(call, static_cast<const Request&>(request));
      if (!resolved.ok()) {
        return std::move(resolved).status();
      }
      return std::make_unique<const Resolved>(*std::move(resolved));
    };
    endpoint.decide = [](const Message& resolved, domain::Draft& draft,
                         const domain::Context& context) {
      return domain::Decide(static_cast<const Resolved&>(resolved), draft, context);
    };
    endpoint.show = std::move(show);
    Add(method, Request::descriptor(), Reply::descriptor(), std::move(endpoint));
  }

  // A query: handler(const QueryCall&, const Request&) gives absl::StatusOr<Reply>. It runs on a
  // thread of the lane and may block on reading.
  template <typename Request, typename Reply, typename Handler>
  void Query(std::string_view method, Handler handler, Lane lane = Lane::kQuick) {
    Endpoint endpoint;
    endpoint.lane = lane;
    endpoint.answer = [handler = std::move(handler)](const QueryCall& call, const Message& request,
                                                     Message& reply) -> absl::Status {
      absl::StatusOr<Reply> answer = handler(call, static_cast<const Request&>(request));
      if (!answer.ok()) {
        return std::move(answer).status();
      }
      static_cast<Reply&>(reply) = *std::move(answer);
      return absl::OkStatus();
    };
    Add(method, Request::descriptor(), Reply::descriptor(), std::move(endpoint));
  }

  // A server stream: handler(const QueryCall&, const Request&, StreamWriter&) gives absl::Status
  // when the stream is over. It runs on a thread of its own.
  template <typename Request, typename Reply, typename Handler>
  void Stream(std::string_view method, Handler handler) {
    Endpoint endpoint;
    endpoint.stream = [handler = std::move(handler)](const QueryCall& call, const Message& request,
                                                     StreamWriter& writer) {
      return handler(call, static_cast<const Request&>(request), writer);
    };
    Add(method, Request::descriptor(), Reply::descriptor(), std::move(endpoint));
  }

  const std::string& name() const { return name_; }
  const std::vector<std::unique_ptr<Endpoint>>& endpoints() const { return endpoints_; }
  // The first fault of the registrations; methods that were left out count.
  absl::Status Check() const;

 private:
  void Add(std::string_view method, const google::protobuf::Descriptor* request,
           const google::protobuf::Descriptor* reply, Endpoint endpoint);
  void Serve(const Endpoint& endpoint);

  Rpc& rpc_;
  const std::string name_;
  const google::protobuf::ServiceDescriptor* const descriptor_;  // null: no such service
  absl::Status fault_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
};

// Answers calls to methods that do not exist: METHOD_UNKNOWN.
class UnknownMethods : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;
};

// Thread-safe once registered. Must outlive the gRPC server; destroyed after everything that may
// still call back (the sequencer).
class Rpc {
 public:
  // Both must outlive this.
  Rpc(Principals& principals, Metrics& metrics, RpcOptions options = {});

  // `full_name` e.g. "retrace.v1.Customers".
  RpcService& AddService(std::string_view full_name);
  // Puts everything into the builder. FAILED_PRECONDITION when a registration is wrong, a method of
  // a service is left out, or one has no permission: the server must not start.
  absl::Status Register(grpc::ServerBuilder& builder);
  std::vector<std::string> service_names() const;

  // Calls are answered from now on; before it they are refused (NOT_SERVING).
  void Serve(Serving serving);
  // New calls are refused and streams end; unary calls that were let in go on.
  void Drain();

  // Null while calls are refused.
  const Serving* serving() const { return serving_.load(std::memory_order_acquire); }
  Principals& principals() const { return principals_; }
  Metrics& metrics() { return metrics_; }
  QueryPool& pool(Lane lane) {
    return lane == Lane::kQuick  ? quick_
           : lane == Lane::kSlow ? slow_
           : lane == Lane::kWait ? wait_
                                 : ahead_;
  }
  // The RPC of that full name, or the command whose request is of that type; null when there is
  // none.
  const Endpoint* Find(std::string_view method) const;
  const Endpoint* FindCommand(const google::protobuf::Descriptor& request) const;
  // The first method of the same service whose name begins with List; null when there is none.
  const Endpoint* FindList(const Endpoint& of) const;
  StreamThreads& streams() { return streams_; }
  absl::Time DeadlineOf(const grpc::ServerContextBase& context, absl::Time now) const;
  // Infinite when the caller gave none.
  absl::Time StreamDeadlineOf(const grpc::ServerContextBase& context) const;

 private:
  Principals& principals_;
  Metrics& metrics_;
  const RpcOptions options_;
  UnknownMethods unknown_methods_;
  std::vector<std::unique_ptr<RpcService>> services_;
  std::unique_ptr<const Serving> owned_serving_;
  std::atomic<const Serving*> serving_{nullptr};
  QueryPool quick_;
  QueryPool slow_;
  QueryPool wait_;
  QueryPool ahead_;
  StreamThreads streams_;
};

}  // namespace retrace::server
