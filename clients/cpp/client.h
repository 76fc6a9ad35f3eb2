#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <typeindex>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace retrace::client {

struct ClientOptions {
  // Where the server is: `host:port` or `unix:/path` (plain, as on one machine), or
  // `https://host[:port]` (TLS with the system's certificates, as behind a proxy).
  std::string endpoint;
  // The caller's token, sent as `authorization: Bearer TOKEN`; empty: none is sent.
  std::string token;
  // How long a call may take in all, retries included, when CallOptions sets no deadline.
  absl::Duration timeout = absl::Seconds(30);
  // Pause before the first retry; doubles up to max_backoff, each shortened at random by up to
  // half so that clients do not come back all at once.
  absl::Duration first_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(2);
  // Told before each retry why the last attempt failed, e.g. to keep a person informed. Called on
  // the caller's thread.
  std::function<void(const absl::Status& failure)> on_retry;
};

struct CallOptions {
  // When to give up, retries included; infinite: ClientOptions.timeout from now.
  absl::Time deadline = absl::InfiniteFuture();
  // False for what must not be sent twice although it takes no request id (Admin.Backup).
  bool retry = true;
};

// Calls one server.
//
//   auto client = Client::Connect({.endpoint = "unix:/run/retrace.sock", .token = token});
//   v1::GetCustomerRequest request;
//   request.set_name("tenants/acme/customers/01jabc");
//   absl::StatusOr<v1::GetCustomerResponse> reply =
//       (*client)->Call(&v1::Customers::Stub::GetCustomer, request);
//
// - A command (a request with CommandOptions) without a request id gets a fresh one, so that
//   sending it again is safe; all attempts carry the same.
// - UNAVAILABLE and a cut connection are retried with capped back-off inside the deadline. No other
//   status is retried.
// - Errors are the server's code and message; DetailsOf() (error_details.h) reads the rest.
//
// Thread-safe. Connects lazily: a server that is not there shows at the first call, which waits for
// it until its deadline. Who wants to know sooner asks AwaitConnection first.
class Client {
 public:
  // INVALID_ARGUMENT when the endpoint is malformed.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(ClientOptions options);

  // Over a channel that is there already, e.g. an in-process one; `options.endpoint` is not used.
  Client(std::shared_ptr<grpc::Channel> channel, ClientOptions options);

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Connects now. UNAVAILABLE with the reason when that does not succeed within `patience`: no
  // server, a wrong name, a proxy that refuses. Sends no request.
  absl::Status AwaitConnection(absl::Duration patience);

  // Calls a unary method, e.g. `&v1::Customers::Stub::CreateCustomer`.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const std::type_identity_t<Request>& request,
                                const CallOptions& options = {}) {
    Stub& stub = StubOf<Stub>();
    Request copy;
    const Request* sent = &request;
    if (NeedsRequestId(request)) {
      copy = request;
      SetRequestId(copy);
      sent = &copy;
    }
    Response response;
    const absl::Status status = Attempt(options, [&](grpc::ClientContext* context) {
      response.Clear();
      return (stub.*method)(context, *sent, &response);
    });
    if (!status.ok()) return status;
    return response;
  }

  // The same for a method known by its descriptor. `request` and `response` must be of its types.
  absl::Status CallMethod(const google::protobuf::MethodDescriptor& method,
                          const google::protobuf::Message& request,
                          google::protobuf::Message* response, const CallOptions& options = {});

  // The stub of a service for what Call does not cover, e.g. streams. Lives as long as the client.
  template <typename Stub>
  Stub& StubOf() {
    absl::MutexLock lock(&mutex_);
    std::shared_ptr<void>& stub = stubs_[std::type_index(typeid(Stub))];
    if (!stub) stub = std::make_shared<Stub>(channel_);
    return *static_cast<Stub*>(stub.get());
  }

  // Adds the token to a call made through a stub.
  void Authorize(grpc::ClientContext& context) const;

  const ClientOptions& options() const { return options_; }

 private:
  static bool NeedsRequestId(const google::protobuf::Message& request);
  static void SetRequestId(google::protobuf::Message& request);

  // Runs `attempt` until it succeeds, is refused, or the deadline has passed.
  absl::Status Attempt(const CallOptions& options,
                       absl::FunctionRef<grpc::Status(grpc::ClientContext*)> attempt);

  const std::shared_ptr<grpc::Channel> channel_;
  const ClientOptions options_;
  absl::Mutex mutex_;
  std::unordered_map<std::type_index, std::shared_ptr<void>> stubs_ ABSL_GUARDED_BY(mutex_);
};

// True for a status that says that the server was not reached, was leaving, or that the connection
// was cut: nobody knows whether the request was executed, and sending it again may help.
bool MayRetry(const grpc::Status& status);

// Pauses between attempts: doubling from `first` to `max`, each a random part between half and all
// of that. Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration first, absl::Duration max) : next_(first), max_(max) {}
  absl::Duration Next();

 private:
  absl::Duration next_;
  absl::Duration max_;
};

}  // namespace retrace::client
