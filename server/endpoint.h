// An RPC as it is served: its descriptor's knowledge, its handler, its counters.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "domain/view.h"
#include "google/protobuf/message.h"
#include "server/method.h"
#include "server/metrics.h"
#include "server/query_call.h"
#include "server/sequencer.h"

namespace retrace::server {

// Where a query waits and runs.
enum class Lane {
  kQuick,  // pages and gets
  kSlow,   // what may read a whole tenant, or writes files; few at a time, so that pages go on
  kWait,   // what waits for something to happen and reads little
  kAhead,  // no queries: what is done for large commands before they are decided
};

// Sends the messages of a stream. Used by the stream's own thread only.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  // Queues the message; blocks while the caller reads slower than messages come. When it is not OK
  // the stream is over: return that status from the handler.
  virtual absl::Status Write(const google::protobuf::Message& message) = 0;
  // OK while the stream may go on: the caller is there, its token is still known and still grants
  // the method and the tenant, and the server is not draining. To be asked at least every second.
  virtual absl::Status Alive() const = 0;
};

using google::protobuf::Message;
using DecideFunction =
    std::function<absl::Status(const Message& request, domain::Draft&, const domain::Context&)>;
using PrepareFunction = std::function<void(const Message& request, const domain::View&)>;
// Makes of a request what decide gets in its place, e.g. with what the log knows of what it names.
using ResolveFunction = std::function<absl::StatusOr<std::unique_ptr<const Message>>(
    const QueryCall&, const Message& request)>;
using AnswerFunction =
    std::function<absl::Status(const QueryCall&, const Message& request, Message& reply)>;
using StreamFunction =
    std::function<absl::Status(const QueryCall&, const Message& request, StreamWriter&)>;
// Fills the reply of a command beyond what its targets' rows show; its outcome is filled already.
using ShowFunction =
    std::function<absl::Status(const Tenant&, const CommandResult&, Message& reply)>;

// Exactly one of decide, answer and stream is set. Immutable once serving.
struct Endpoint {
  Method method;
  MethodMetrics* metrics = nullptr;
  DecideFunction decide;
  // With decide: runs before it, in the query pool, and may block on reading. Null: decide gets the
  // request.
  ResolveFunction resolve;
  ShowFunction show;  // with decide; null: the targets' resources
  // With decide; null: nothing is worth doing ahead. See domain::Prepare.
  PrepareFunction prepare;
  AnswerFunction answer;
  Lane lane = Lane::kQuick;  // with answer
  StreamFunction stream;
  // With decide: the request's repeated field whose elements each cost as much as one command.
  const google::protobuf::FieldDescriptor* batch = nullptr;
};

}  // namespace retrace::server
