// Who can be told something, and how: members by the address and the principal that their row
// names, principals of the token file by their id.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/kind.h"
#include "domain/view.h"
#include "retrace/v1/notifications.pb.h"

namespace retrace::domain {

// The longest id of a principal, in bytes.
inline constexpr size_t kMostPrincipalBytes = 200;

// `principals/mei.lin`.
std::string PrincipalName(std::string_view principal);
// The id of a principal's name; empty when the name is none.
std::string_view PrincipalOf(std::string_view recipient);

// The member that a recipient's name names; null when there is none, or none in use.
absl::StatusOr<RowPtr> MemberOf(std::string_view recipient, const View& view,
                                std::string_view tenant);

// As whom a principal is told something: as the members in use that sign in so, or else as itself.
// Never empty.
absl::StatusOr<std::vector<std::string>> RecipientsOf(std::string_view principal, const View& view,
                                                      std::string_view tenant);

// Every name of the person whom the recipient names, that one first: the principal, and the members
// that sign in as it, in use or not. What somebody chooses holds under all of them.
absl::StatusOr<std::vector<std::string>> NamesOfPerson(std::string_view recipient, const View& view,
                                                       std::string_view tenant);

// False of a member that was purged or never was: about such nothing is written down.
absl::StatusOr<bool> IsKnown(std::string_view recipient, const View& view, std::string_view tenant);

// Whether nothing at all may go there, by an administrator or because a mail server refused the
// address that is still in use.
absl::StatusOr<bool> IsSuppressed(std::string_view recipient, v1::Channel channel, const View& view,
                                  std::string_view tenant);

// Whether something of this kind may go there: the contact point is not suppressed, and an optional
// kind was not switched off.
absl::StatusOr<bool> MayReach(std::string_view recipient, v1::Channel channel,
                              std::string_view kind, const View& view, const std::string& tenant);

// Whether the kind was switched off there; for a member of whom nothing is known also what they
// chose as a principal.
absl::StatusOr<bool> IsSwitchedOff(std::string_view recipient, v1::Channel channel,
                                   std::string_view kind, const View& view,
                                   std::string_view tenant);

Kind ContactPointKind();
EntityRef ContactPointRef(v1::Channel channel, std::string_view recipient);

}  // namespace retrace::domain
