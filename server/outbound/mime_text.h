// Text as mail carries it.
#pragma once

#include <string>
#include <string_view>

namespace retrace::server {

// The value of a header of free text (RFC 5322, RFC 2047), ready to stand after "`name`: " and
// folded into lines of at most 76 characters. What is not plain ASCII goes into encoded words,
// which never part a character. Control characters, line breaks among them, become blanks: no value
// begins a header of its own.
std::string HeaderText(std::string_view name, std::string_view text);

// The same for the name of a person before an address: as it stands, quoted, or in encoded words.
std::string HeaderPhrase(std::string_view name, std::string_view phrase);

// RFC 2045: lines of at most 76 characters that end in CRLF; line breaks of any kind stay such.
std::string QuotedPrintable(std::string_view text);

}  // namespace retrace::server
