// Forms as browsers and mail programs post them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace retrace::server::http {

using Form = std::map<std::string, std::string>;

// The fields of a body of type application/x-www-form-urlencoded or multipart/form-data; of fields
// with one name the first. Nothing when the type is another or the body is malformed.
std::optional<Form> ParseForm(std::string_view content_type, std::string_view body);

}  // namespace retrace::server::http
