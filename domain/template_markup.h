// Where values stand in the markup of a template.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "domain/template_text.h"

namespace retrace::domain {

// An escaped value is harmless between tags, and nowhere else: `<a href="{{title}}">` would lead to
// wherever a title leads. So values stand between tags, but for `unsubscribe_url`, which may be the
// whole of a quoted `href`. A section ends in the markup that it began in: what is shown or not
// changes nothing behind it; and neither it nor a value stands behind the beginning of markup that
// what follows may end (`<`, `</sty`, `--`). Refused are scripts, attributes that run them, forms,
// what embeds or loads other documents, and addresses that lead elsewhere than to a page, a mailbox
// or a phone.
std::optional<TemplateFault> MarkupFault(std::string_view text,
                                         const std::vector<TemplateNode>& nodes);

// What a browser finds in rendered markup.
struct SeenMarkup {
  size_t end_of_body = 0;       // where the last `</body>` begins; the size when there is none
  std::set<std::string> links;  // where they lead, in lower case, escaped as they stand
};
SeenMarkup LookAtMarkup(std::string_view html);

}  // namespace retrace::domain
