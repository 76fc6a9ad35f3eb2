#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// Finds the entities that a file refers to by what people call them. What was found, and what was
// not, is remembered.
class References {
 public:
  explicit References(Session& session) : session_(session) {}

  // The member with that id or full name, or whose display name or e-mail is `text`, compared
  // without case and surplus blanks. NOT_FOUND when there is none; INVALID_ARGUMENT when several
  // share the name.
  absl::StatusOr<std::string> Member(const std::string& text);

  // Looks up those customers that are not known yet; Customer() then answers from memory.
  absl::Status LoadCustomers(const std::vector<std::string>& texts);

  // The customer with that external id, else the one whose organization or display name it is
  // exactly. NOT_FOUND and INVALID_ARGUMENT as above.
  absl::StatusOr<std::string> Customer(const std::string& text);

  // Forgets the members, after some were created.
  void ForgetMembers() { members_.reset(); }

 private:
  absl::Status LoadMembers();
  absl::Status LoadByExternalId(const std::vector<std::string>& texts);
  absl::Status LoadByName(const std::string& text);

  Session& session_;
  // By what they are called; several names for one text make it ambiguous.
  std::optional<std::map<std::string, std::vector<std::string>>> members_;
  std::map<std::string, std::vector<std::string>> customers_;
};

}  // namespace retrace::cli
