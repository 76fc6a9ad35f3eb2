#pragma once

#include <ostream>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "clients/cli/row_output.h"
#include "retrace/v1/history.pb.h"

namespace retrace::cli {

// `names`, `changes` or `events`.
absl::StatusOr<v1::CommitView> ParseCommitView(absl::string_view text);

// One commit for eyes: who, when, why, and what it did to each entity.
void PrintCommit(const v1::Commit& commit, std::ostream& out, const TableStyle& style);

// A line a field: `level: gold → silver`; on a terminal what was is red and what is now green.
void PrintFieldChanges(const google::protobuf::RepeatedPtrField<v1::FieldChange>& changes,
                       std::ostream& out, const TableStyle& style);

// `DeleteCustomer` for `retrace.v1.Customers.DeleteCustomer`.
std::string ShortMethod(absl::string_view method);
// `customers/01j` for `tenants/acme/customers/01j`.
std::string ShortEntity(absl::string_view name);
// Who, and for whom.
std::string ActorText(const std::string& actor, const std::string& on_behalf_of);

// One line: position, time, actor, method, entities.
std::string CommitLine(const v1::Commit& commit);

// Lists commits: a table of them, or each in full when they hold changes; rows otherwise.
class CommitOutput {
 public:
  CommitOutput(const OutputStyle& style, std::ostream& out);
  void Add(const v1::Commit& commit);
  void Finish();

 private:
  const OutputStyle style_;
  std::ostream& out_;
  RowOutput rows_;
  Table table_;
};

// Lists what happened to an entity: a line per field that changed.
class ChangeOutput {
 public:
  ChangeOutput(const OutputStyle& style, std::ostream& out);
  void Add(const v1::ListChangesResponse::Entry& entry);
  void Finish();

 private:
  const OutputStyle style_;
  std::ostream& out_;
  RowOutput rows_;
  Table table_;
};

}  // namespace retrace::cli
