// Where values stand in the markup of a template.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "domain/template_text.h"

namespace retrace::domain {

// An escaped value is harmless between tags, and nowhere else: `<a href="{{title}}">` would lead to
// wherever a title leads. So values stand between tags, but for `unsubscribe_url`, which may be a
// quoted attribute. A section ends in the markup that it began in: what is shown or not changes
// nothing behind it; and neither it nor a value stands behind the beginning of markup that what
// follows may end (`<`, `</sty`, `--`). Refused are scripts, attributes that run them, forms, what
// embeds or loads other documents, and addresses that lead elsewhere than to a page, a mailbox or a
// phone.
std::optional<TemplateFault> MarkupFault(std::string_view text,
                                         const std::vector<TemplateNode>& nodes);

}  // namespace retrace::domain
