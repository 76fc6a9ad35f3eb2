// What the verbs that read streams of history share.
#pragma once

#include <grpcpp/support/sync_stream.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cli/session.h"
#include "clients/cpp/error_details.h"
#include "retrace/v1/history.grpc.pb.h"

namespace retrace::cli {

// Reads a stream of the service History to its end, or until `visit` fails. It may take as long as
// it takes: only a silent or cut connection ends it before.
template <typename Request, typename Response>
absl::Status ForEachMessage(Session& session,
                            std::unique_ptr<grpc::ClientReader<Response>> (
                                v1::History::Stub::*method)(grpc::ClientContext*, const Request&),
                            const Request& request,
                            absl::FunctionRef<absl::Status(const Response&)> visit) {
  absl::StatusOr<client::Client*> client = session.Client();
  if (!client.ok()) return client.status();
  grpc::ClientContext context;
  (*client)->Authorize(context);
  const auto reader = ((*client)->StubOf<v1::History::Stub>().*method)(&context, request);
  Response message;
  absl::Status visited;
  while (visited.ok() && reader->Read(&message)) visited = visit(message);
  if (!visited.ok()) context.TryCancel();
  const grpc::Status ended = reader->Finish();
  return visited.ok() ? client::ToAbslStatus(ended) : visited;
}

// The full name of an entity of any kind: `customers/ID` (and what else ResolveName knows behind
// `customers/`), or a full name.
absl::StatusOr<std::string> ResolveAnyName(Session& session, const std::string& text);

// Fills `as_of` from a flag such as --from; nothing when its text is empty.
absl::Status FillMoment(Session& session, const std::string& text, absl::string_view flag,
                        v1::AsOf* as_of);

// Verbs of the noun `history` with files of their own.
void AddHistoryReplay(CLI::App& noun, Session& session);
void AddHistoryExport(CLI::App& noun, Session& session);
void AddHistoryRestoreTo(CLI::App& noun, Session& session);

}  // namespace retrace::cli
