#include "domain/context.h"

#include "absl/strings/escaping.h"
#include "fmt/format.h"

namespace retrace::domain {

std::string RequestRowId(const std::string& actor, const std::string& request_id) {
  // The length keeps apart what the two strings could otherwise be cut into differently.
  return fmt::format("{}:{}{}", actor.size(), actor, request_id);
}

std::string PlanRowId(const std::string& nonce) {
  // Requests begin with a number.
  return fmt::format("plan:{}", absl::BytesToHexString(nonce));
}

}  // namespace retrace::domain
