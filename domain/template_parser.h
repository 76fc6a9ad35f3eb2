// Reads a template into its pieces; see template_text.h for the language.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/template_text.h"

namespace retrace::domain {

// Fills `nodes`, or says what is wrong first.
std::optional<TemplateFault> ParseTemplate(std::string_view text, std::vector<TemplateNode>& nodes);

// A fault at a byte of the text, which need not be the first of a character.
TemplateFault FaultAt(std::string_view text, size_t offset, std::string problem,
                      std::string nearest = {});

}  // namespace retrace::domain
