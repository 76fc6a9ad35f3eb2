// What the deletion of a customer does with its records, and how the undelete takes exactly that
// back.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/records.pb.h"

namespace retrace::domain {

// The caller's choice for related records, and what it came to in one command.
class Cascade {
 public:
  // INVALID_FIELD for unknown kinds and for kinds with two rules.
  static absl::StatusOr<Cascade> Parse(const v1::RelatedRecords& related);

  // Deletes the customer, and deletes, detaches or refuses over its live records. Without a choice:
  // RELATED_CHOICE_MISSING, with the counts. Touches at most as many entities as the draft takes
  // (USE_OPERATION), and says so before it reads them all.
  absl::Status Delete(const EntityRef& customer, Draft& draft);
  // Says in the reply what became of records.
  void NoteDone(Draft& draft) const;

 private:
  using Choice = v1::RelatedRecords::Choice;
  using Counts = std::map<v1::Record::Kind, int>;

  Choice ChoiceFor(v1::Record::Kind kind) const;
  absl::Status CheckChosen(const std::string& customer, const Counts& counts) const;
  absl::Status CheckNotRefused(const std::string& customer, const Counts& counts) const;

  Choice all_ = v1::RelatedRecords::CHOICE_UNSPECIFIED;
  std::map<v1::Record::Kind, Choice> rules_;
  int deleted_ = 0;
  int kept_ = 0;
};

// Ids of the live records of the customer of that name, but never more than `most` + 1.
absl::StatusOr<std::vector<std::string>> LiveRecords(const std::string& customer, size_t most,
                                                     const View& view);
// The refusal when the records of a customer are more than a draft takes (USE_OPERATION).
absl::Status TooManyRecords(std::string_view customer, size_t most);
// Gives a record another customer, by name.
absl::Status EmitMoved(const EntityRef& record, const std::string& customer, Draft& draft);

// Brings a customer back with the records that its own deletion took or detached; what somebody
// attached elsewhere or deleted since is left and named in a note, and so is what is to be `left`.
// The customer must be a target.
absl::Status UndeleteWithRelated(const Found& customer, const std::set<EntityRef>& left,
                                 Draft& draft);
// A record that just left the bin, and lay there when the customer that it was detached from came
// back: it is attached again, as it would have been then. One whose customer was merged meanwhile
// goes to the survivor.
absl::Status ReattachToLive(const EntityRef& record, Draft& draft);

}  // namespace retrace::domain
