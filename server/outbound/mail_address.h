// Addresses of mail: what may stand in a header and in a dialogue with a mail server.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace retrace::server {

// A host name as the network knows it: what is not ASCII by IDNA ("例子.公司" → "xn--...").
// INVALID_ARGUMENT when it is no host name.
absl::StatusOr<std::string> AsciiHost(std::string_view host);

struct MailAddress {
  std::string local;   // before the @; may hold UTF-8
  std::string domain;  // ASCII

  // A plain address: one @, no blanks, quotes, brackets or control characters, at most 254 bytes.
  // INVALID_ARGUMENT, without the address in its text.
  static absl::StatusOr<MailAddress> Parse(std::string_view text);
  std::string ToString() const { return local + "@" + domain; }
  // Only mail servers with SMTPUTF8 take it.
  bool NeedsUtf8() const;
};

// A person or a role that mail is from or to.
struct Mailbox {
  std::string name;  // for people to read; may be empty, may hold anything
  std::string address;

  // "crm@example.com" or "Sales <crm@example.com>". INVALID_ARGUMENT.
  static absl::StatusOr<Mailbox> Parse(std::string_view text);
  // Of the address, in ASCII, as it stands behind the @ of a Message-ID.
  std::string Domain() const;
};

}  // namespace retrace::server
