// What a destructive command would do, read from the draft that its decider left. Written once, for
// every command: a decider emits, notes and warns, and knows nothing of plans.
#pragma once

#include <string>
#include <vector>

#include "domain/draft.h"
#include "retrace/v1/plans.pb.h"

namespace retrace::domain {

// What a draft does to one entity, in a form that is equal when, and only when, the same is done:
// the events, and each path with its value before and after; of an entity that goes to the bin or
// comes back, its whole content, since all of it goes or comes. Without times, derived fields, and
// ids and numbers that are only made on execution.
struct OutcomePart {
  EntityRef entity;
  std::string form;
};

// In the order in which the draft first touched them.
std::vector<OutcomePart> OutcomeParts(const Draft& draft);

// A plan that is kept must not outlive what it names: leaves out what lists show of entities, and
// puts it back from the rows of a view, where it is still there.
void DropTitles(v1::Plan& plan);
absl::Status FillTitles(const View& view, v1::Plan& plan);

// Everything of a Plan that the draft tells: counts, samples, losses, sums, people, warnings,
// notes. Errors are those of reading.
absl::StatusOr<v1::Plan> DescribeOutcome(const Draft& draft);

// An entity to which another thing happens than was planned.
struct Drifted {
  std::string name;         // resource name; of one that would only be made: its kind
  std::string description;  // a sentence for the caller
};
// What differs between the draft as it was planned and as it is now; in the order of the entities.
std::vector<Drifted> DriftBetween(const Draft& planned, const Draft& now);

}  // namespace retrace::domain
