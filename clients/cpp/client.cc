#include "clients/cpp/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "clients/cpp/error_details.h"
#include "clients/cpp/request_id.h"
#include "retrace/v1/common.pb.h"

namespace retrace::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// What gRPC accepts, and what the server needs for its largest pages and batches.
constexpr int kMaxReceiveBytes = 64 << 20;

struct Target {
  std::string address;
  bool tls = false;
};

absl::Status CheckPort(absl::string_view endpoint, absl::string_view port) {
  int number = 0;
  if (absl::SimpleAtoi(port, &number) && number > 0 && number <= 65535) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("endpoint `", endpoint, "` has no port between 1 and 65535; write host:port"));
}

absl::StatusOr<Target> ParseEndpoint(absl::string_view endpoint) {
  if (endpoint.empty()) return absl::InvalidArgumentError("no endpoint is given");
  if (absl::StartsWith(endpoint, "unix:")) {
    if (endpoint == "unix:") {
      return absl::InvalidArgumentError("endpoint `unix:` names no socket; write unix:/path");
    }
    return Target{std::string(endpoint)};
  }
  Target target;
  absl::string_view rest = endpoint;
  target.tls = absl::ConsumePrefix(&rest, "https://");
  if (!target.tls && absl::StrContains(rest, "://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("endpoint `", endpoint,
                     "` is of no known form; write host:port, unix:/path or https://host[:port]"));
  }
  absl::ConsumeSuffix(&rest, "/");
  const size_t colon = rest.rfind(':');
  const bool has_port = colon != absl::string_view::npos && rest.find(']', colon) == rest.npos;
  if (rest.empty() || colon == 0) {
    return absl::InvalidArgumentError(absl::StrCat("endpoint `", endpoint, "` names no host"));
  }
  if (has_port || !target.tls) {
    const absl::string_view port = has_port ? rest.substr(colon + 1) : "";
    if (absl::Status status = CheckPort(endpoint, port); !status.ok()) return status;
  }
  target.address = has_port ? std::string(rest) : absl::StrCat(rest, ":443");
  return target;
}

grpc::ChannelArguments ChannelSettings(const ClientOptions& options) {
  grpc::ChannelArguments settings;
  settings.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  // The channel must not wait longer between connection attempts than the retries do.
  settings.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                  static_cast<int>(absl::ToInt64Milliseconds(options.first_backoff)));
  settings.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                  static_cast<int>(absl::ToInt64Milliseconds(options.max_backoff)));
  settings.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                  static_cast<int>(absl::ToInt64Milliseconds(options.max_backoff)));
  settings.SetUserAgentPrefix("retrace-cpp");
  return settings;
}

// gRPC names every layer that the fault went through; the last words say what it was.
std::string LastWords(const std::string& message) {
  const size_t colon = message.rfind(": ");
  return colon == std::string::npos ? message : message.substr(colon + 2);
}

// The field `options` of a command; null for a query.
const FieldDescriptor* CommandOptionsField(const Message& request) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName("options");
  const bool is_command =
      field != nullptr && field->message_type() == v1::CommandOptions::descriptor();
  return is_command ? field : nullptr;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  absl::StatusOr<Target> target = ParseEndpoint(options.endpoint);
  if (!target.ok()) return target.status();
  auto credentials = target->tls ? grpc::SslCredentials(grpc::SslCredentialsOptions())
                                 : grpc::InsecureChannelCredentials();
  auto channel = grpc::CreateCustomChannel(target->address, credentials, ChannelSettings(options));
  return std::make_unique<Client>(std::move(channel), std::move(options));
}

Client::Client(std::shared_ptr<grpc::Channel> channel, ClientOptions options)
    : channel_(std::move(channel)), options_(std::move(options)) {}

absl::Status Client::AwaitConnection(absl::Duration patience) {
  if (channel_->WaitForConnected(absl::ToChronoTime(absl::Now() + patience))) {
    return absl::OkStatus();
  }
  // Only a call learns the reason. It does not wait for another attempt to connect.
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(1)));
  grpc::GenericStub stub(channel_);
  const grpc::Slice nothing;
  const grpc::ByteBuffer empty(&nothing, 1);
  grpc::ByteBuffer reply;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &empty, &reply,
                 [&](grpc::Status result) {
                   status = std::move(result);
                   done.Notify();
                 });
  done.WaitForNotification();
  if (status.ok()) return absl::OkStatus();
  const bool silent = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  return absl::UnavailableError(absl::StrCat("no server answers at ", options_.endpoint, " within ",
                                             absl::FormatDuration(patience), silent ? "" : ": ",
                                             silent ? "" : LastWords(status.error_message())));
}

void Client::Authorize(grpc::ClientContext& context) const {
  if (!options_.token.empty()) {
    context.AddMetadata("authorization", absl::StrCat("Bearer ", options_.token));
  }
}

bool Client::NeedsRequestId(const Message& request) {
  const FieldDescriptor* field = CommandOptionsField(request);
  if (field == nullptr) return false;
  const Message& options = request.GetReflection()->GetMessage(request, field);
  return static_cast<const v1::CommandOptions&>(options).request_id().empty();
}

void Client::SetRequestId(Message& request) {
  const FieldDescriptor* field = CommandOptionsField(request);
  Message* options = request.GetReflection()->MutableMessage(&request, field);
  static_cast<v1::CommandOptions*>(options)->set_request_id(NewRequestId());
}

absl::Status Client::CallMethod(const google::protobuf::MethodDescriptor& method,
                                const Message& request, Message* response,
                                const CallOptions& options) {
  std::unique_ptr<Message> copy;
  const Message* sent = &request;
  if (NeedsRequestId(request)) {
    copy.reset(request.New());
    copy->CopyFrom(request);
    SetRequestId(*copy);
    sent = copy.get();
  }
  const std::string path = absl::StrCat("/", method.service()->full_name(), "/", method.name());
  grpc::TemplatedGenericStub<Message, Message> stub(channel_);
  return Attempt(options, [&](grpc::ClientContext* context) {
    response->Clear();
    grpc::Status status;
    absl::Notification done;
    stub.UnaryCall(context, path, grpc::StubOptions(), sent, response, [&](grpc::Status result) {
      status = std::move(result);
      done.Notify();
    });
    done.WaitForNotification();
    return status;
  });
}

absl::Status Client::Attempt(const CallOptions& options,
                             absl::FunctionRef<grpc::Status(grpc::ClientContext*)> attempt) {
  const absl::Time deadline = options.deadline == absl::InfiniteFuture()
                                  ? absl::Now() + options_.timeout
                                  : options.deadline;
  Backoff backoff(options_.first_backoff, options_.max_backoff);
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    Authorize(context);
    const grpc::Status status = attempt(&context);
    if (status.ok() || !options.retry || !MayRetry(status)) return ToAbslStatus(status);
    const absl::Duration pause = backoff.Next();
    // Better the reason of the last attempt than a bare "deadline exceeded".
    if (absl::Now() + pause >= deadline) return ToAbslStatus(status);
    if (options_.on_retry) options_.on_retry(ToAbslStatus(status));
    absl::SleepFor(pause);
  }
}

bool MayRetry(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return true;
  // A cut that gRPC (or a proxy) met in the middle of a stream has other codes. What a server
  // means carries details; these have none.
  if (!status.error_details().empty()) return false;
  const std::string& message = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNKNOWN:
      return absl::StrContains(message, "Stream removed");
    case grpc::StatusCode::CANCELLED:
      // Nobody here cancels what it waits for: a server that stops says so of what came too late.
      return true;
    case grpc::StatusCode::INTERNAL:
      return absl::StrContains(message, "RST_STREAM");
    default:
      return false;
  }
}

absl::Duration Backoff::Next() {
  thread_local absl::BitGen random;
  const absl::Duration pause = next_ * absl::Uniform(random, 0.5, 1.0);
  next_ = std::min(next_ * 2, max_);
  return pause;
}

}  // namespace retrace::client
