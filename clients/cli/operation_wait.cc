#include "clients/cli/operation_wait.h"

#include <grpcpp/support/status.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "clients/cli/columns.h"
#include "clients/cli/exit_codes.h"
#include "clients/cli/progress_bar.h"
#include "clients/cpp/error_details.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::cli {
namespace {

using google::longrunning::Operation;
using google::longrunning::WaitOperationRequest;
using google::protobuf::util::TimeUtil;

// A person sees the bar move; a script only wants the end.
constexpr absl::Duration kTerminalPause = absl::Milliseconds(200);
constexpr absl::Duration kPause = absl::Seconds(10);

// The counts that are worth a word beside the bar.
std::string NoteOf(const v1::OperationMetadata& metadata) {
  std::string note;
  const auto add = [&note](const char* what, int64_t count) {
    if (count > 0) absl::StrAppend(&note, note.empty() ? "" : ", ", what, " ", count);
  };
  add("refused", metadata.refused_count());
  add("drifted", metadata.drifted_count());
  add("skipped", metadata.skipped_count());
  return note;
}

std::string BarTitle(const v1::OperationMetadata& metadata) {
  const std::string& method = metadata.method();
  return absl::StrCat(metadata.plan_only() ? "planning " : "",
                      method.substr(method.rfind('.') + 1));
}

}  // namespace

v1::OperationMetadata MetadataOf(const Operation& operation) {
  v1::OperationMetadata metadata;
  operation.metadata().UnpackTo(&metadata);
  return metadata;
}

v1::OperationResult ResultOf(const Operation& operation) {
  v1::OperationResult result;
  operation.response().UnpackTo(&result);
  return result;
}

absl::StatusOr<Operation> AwaitOperation(Session& session, Operation operation) {
  absl::StatusOr<client::Client*> client = session.Client();
  if (!client.ok()) return client.status();
  const absl::Duration pause = session.err_is_terminal ? kTerminalPause : kPause;
  ProgressBar bar(session.err(), session.err_is_terminal, BarTitle(MetadataOf(operation)));
  WaitOperationRequest request;
  request.set_name(operation.name());
  *request.mutable_timeout() = TimeUtil::MillisecondsToDuration(absl::ToInt64Milliseconds(pause));
  while (!operation.done()) {
    const v1::OperationMetadata metadata = MetadataOf(operation);
    bar.Show(metadata.done_count(), metadata.target_count(), NoteOf(metadata));
    Exchange wait = NewExchange("google.longrunning.Operations.WaitOperation");
    wait.request->CopyFrom(request);
    const absl::Status status =
        session.Run(wait, {.deadline = absl::Now() + pause + (*client)->options().timeout});
    if (!status.ok()) return status;
    operation = static_cast<const Operation&>(*wait.response);
  }
  return operation;
}

absl::Status StatusOf(const Operation& operation) {
  if (!operation.done()) return absl::OkStatus();
  if (operation.has_error()) {
    const google::rpc::Status& error = operation.error();
    return client::ToAbslStatus(grpc::Status(static_cast<grpc::StatusCode>(error.code()),
                                             error.message(), error.SerializeAsString()));
  }
  const v1::OperationResult result = ResultOf(operation);
  const int64_t not_done = result.refused_count() + result.drifted_count();
  if (not_done == 0) return absl::OkStatus();
  return PartialError(
      absl::StrCat("it was not done to ", not_done, " of ", MetadataOf(operation).target_count(),
                   "; `retrace operations items ", IdOf(operation.name()), "` tells why"));
}

}  // namespace retrace::cli
