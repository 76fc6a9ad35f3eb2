// Templates: what is special about them. Commands are declared in commands.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "domain/decider.h"
#include "domain/kind.h"
#include "domain/template_text.h"
#include "retrace/v1/templates.pb.h"

namespace retrace::domain {

Kind TemplatesKind();

// The live template of a kind of notification for exactly this language, told apart without case;
// the row is null when there is none.
absl::StatusOr<Found> FindTemplate(std::string_view kind, std::string_view language,
                                   const View& view);

// The same for any variant of the primary language, e.g. zh-CN of `zh`: the row is null when there
// is none, or more than one.
absl::StatusOr<Found> FindOnlyVariant(std::string_view kind, std::string_view primary,
                                      const View& view);

// What is wrong with one of the texts; nothing: all can be shown. Of `html` an empty one is fine.
struct FieldFault {
  std::string field;  // `subject`, `text` or `html`
  TemplateFault fault;
};
std::vector<FieldFault> FaultsOf(std::string_view subject, std::string_view text,
                                 std::string_view html);

// Whether a subject without fault shows nothing when of all that it names nothing is known but what
// every notification has. Then the shipped text is sent.
bool MayBeEmpty(std::string_view subject);
inline constexpr std::string_view kMayBeEmpty =
    "Where nothing is known of what the subject names it is empty, and the shipped text is sent "
    "instead.";

}  // namespace retrace::domain
