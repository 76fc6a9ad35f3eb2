// The targets of an operation, in an order that is the same whenever they are read again: by a
// filter as of the operation's position, by name, or what commits touched.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/operation.h"
#include "server/history.h"
#include "server/rpc.h"

namespace retrace::server {

// What targets are read with. All pointers must outlive what is made of this.
struct TargetContext {
  const Rpc* rpc = nullptr;
  Ledger* ledger = nullptr;
  const History* history = nullptr;
  Tenant* tenant = nullptr;
  PrincipalPtr principal;
  std::string operation;  // id
};

// Thread-compatible.
class TargetSource {
 public:
  virtual ~TargetSource() = default;
  // The next targets, as many as are at hand; none at the end. Blocks on reading.
  virtual absl::StatusOr<std::vector<domain::OperationTarget>> Next() = 0;
  // Whether the same targets are found when they are read again, whatever the operation does.
  virtual bool FindsAgain() const { return true; }
  // What stands in the way of a command that is to be done wholly or not at all: OK, or the refusal
  // of the operation. Judges some of the targets, and says whether those were the last.
  virtual absl::StatusOr<bool> JudgeNext() { return true; }
};

// The source that the operation's task asks for. Errors are those of reading what it is about, and
// refusals of its command: the task was checked when the operation was started, but what it names
// may be gone.
absl::StatusOr<std::unique_ptr<TargetSource>> OpenTargets(const TargetContext& context,
                                                          const store::v1::OperationRow& row);

// Of an operation that takes back what it cannot end: an undo of each entity that it changed since
// the work began, newest first, which leaves alone what others changed.
absl::StatusOr<std::unique_ptr<TargetSource>> OpenTakingBack(const TargetContext& context,
                                                             const store::v1::OperationRow& row);

// Reads one page of what the task's filter finds: INVALID_FILTER when it does not parse.
absl::Status CheckFilter(const TargetContext& context, const store::v1::OperationTask& task);

// The message that an Any of a known type holds; null when it is of no type that this server knows
// or does not parse.
std::shared_ptr<google::protobuf::Message> Unpack(const google::protobuf::Any& any);
// The field in which a command on names, e.g. PurgeEntities, takes them; null: it takes none.
const google::protobuf::FieldDescriptor* NamesField(const Method& method);
// Puts the name into the place where the method's request holds it, as the only one; empty: none.
void SetName(const Method& method, const std::string& name, google::protobuf::Message& request);
// Whether the request names anything.
bool HasName(const Method& method, const google::protobuf::Message& request);

}  // namespace retrace::server
