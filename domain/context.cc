#include "domain/context.h"

#include "fmt/format.h"

namespace retrace::domain {

std::string RequestRowId(const std::string& actor, const std::string& request_id) {
  // The length keeps apart what the two strings could otherwise be cut into differently.
  return fmt::format("{}:{}{}", actor.size(), actor, request_id);
}

}  // namespace retrace::domain
