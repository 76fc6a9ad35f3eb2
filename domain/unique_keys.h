// Unique keys: declared in the kinds' indexes, switched on by the tenant's policy, held by live
// entities only. A deletion frees them, an undelete claims them again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/draft.h"
#include "domain/kind.h"

namespace retrace::domain {

// A value of a key that somebody claims and somebody else holds.
struct KeyClash {
  std::string_view key;
  const IndexDeclaration* index = nullptr;
  std::string value;  // as the index has it
  EntityRef claimant;
  EntityRef holder;
  bool came_back = false;  // the claimant, from the bin
};

// Every value of a key in force that a touched entity newly holds while another live one does.
absl::StatusOr<std::vector<KeyClash>> KeyClashes(const Draft& draft, const View& base);

// Refuses an outcome in which two live entities hold one value of a key in force (KEY_TAKEN). Looks
// at touched entities only, and of those at values that they did not hold before. `base` is what
// the draft lies over. When entities came back from the bin the code is FAILED_PRECONDITION and
// every clash is listed.
absl::Status CheckUniqueKeys(const Draft& draft, const View& base);

// Refuses to switch `key` on while two live entities hold one value: KEY_TAKEN naming up to 20.
// LIMIT_REACHED when there are more entries than are read for this.
absl::Status CheckNoDuplicates(std::string_view key, const View& view, const Context& context);

// Every key that some kind declares, e.g. `customers.email`.
std::vector<std::string> DeclaredKeys();

}  // namespace retrace::domain
