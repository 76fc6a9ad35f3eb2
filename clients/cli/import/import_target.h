#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/import/import_row.h"
#include "clients/cli/import/references.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// What rows become: how they are found again, created and updated.
class ImportTarget {
 public:
  // An entity that holds a row's key.
  struct Found {
    std::unique_ptr<google::protobuf::Message> entity;
    // Hash of the row it was imported from; empty when it was not imported.
    std::string hash;
    bool deleted = false;
  };

  virtual ~ImportTarget() = default;

  // Rows that one command creates.
  virtual size_t batch_rows() const = 0;
  // Replaces what rows refer to by names and gives each its hash; a row whose reference cannot be
  // found gets its fault. Only what stops the import is returned.
  virtual absl::Status Complete(std::vector<ImportRow>& rows) = 0;
  // Entities that hold one of the keys, deleted ones included.
  virtual absl::StatusOr<std::map<std::string, Found>> Find(
      const std::vector<std::string>& keys) = 0;
  // Creates all of the rows in one commit, or none.
  virtual absl::Status Create(const std::vector<const ImportRow*>& rows, int64_t change_set) = 0;
  // Writes the row's fields over those of the entity as it was found.
  virtual absl::Status Update(const ImportRow& row, const Found& found, int64_t change_set) = 0;
};

// What to do with a record whose customer is not named or not found.
struct MissingCustomer {
  enum class Choice { kReject, kNone, kInstead };
  Choice choice = Choice::kReject;
  // With kInstead: the full name of the customer that gets it.
  std::string instead;
};

struct TargetOptions {
  MissingCustomer missing_customer;
  // A member who is not there is left out instead of rejecting the row.
  bool missing_owner_is_none = false;
};

// Customers or records. Rows are found again by external id; the hash stands in an attribute.
std::unique_ptr<ImportTarget> NewEntityTarget(Session& session, const EntityNoun& entity,
                                              const RowReader& reader, References& references,
                                              TargetOptions options);

// Members. Rows are found again by id, made of the display name where the file has none; leads who
// are not there are created first.
std::unique_ptr<ImportTarget> NewMemberTarget(Session& session, const RowReader& reader,
                                              References& references);

}  // namespace retrace::cli
