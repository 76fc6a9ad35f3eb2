#include "server/outbound/mail_address.h"

#include <idn2.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "domain/status_macros.h"

namespace retrace::server {
namespace {

constexpr size_t kLongestAddress = 254;
constexpr size_t kLongestLocal = 64;

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

// RFC 5321's atoms and dots; bytes of UTF-8 besides (RFC 6531).
bool MayStandInLocal(char c) {
  constexpr std::string_view kMarks = ".!#$%&'*+-/=?^_`{|}~";
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || (c & 0x80) != 0 ||
         kMarks.find(c) != std::string_view::npos;
}

bool MayStandInHost(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
}

std::string Trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

absl::StatusOr<std::string> AsciiHost(std::string_view host) {
  std::string ascii(host);
  if (!IsAscii(host)) {
    char* converted = nullptr;
    const int result = idn2_to_ascii_8z(ascii.c_str(), &converted, IDN2_NONTRANSITIONAL);
    if (result != IDN2_OK) {
      return absl::InvalidArgumentError("no host name");
    }
    ascii = converted;
    std::free(converted);
  }
  const bool dots = ascii.starts_with('.') || ascii.find("..") != std::string::npos;
  if (ascii.empty() || ascii.size() > 253 || dots ||
      !std::all_of(ascii.begin(), ascii.end(), MayStandInHost)) {
    return absl::InvalidArgumentError("no host name");
  }
  return ascii;
}

absl::StatusOr<MailAddress> MailAddress::Parse(std::string_view text) {
  const absl::Status bad = absl::InvalidArgumentError("no e-mail address such as name@example.com");
  const size_t at = text.find('@');
  if (at == std::string_view::npos) {
    return bad;
  }
  MailAddress address;
  address.local = text.substr(0, at);
  const std::string& local = address.local;
  if (local.empty() || local.size() > kLongestLocal || local.front() == '.' ||
      local.back() == '.' || local.find("..") != std::string::npos ||
      !std::all_of(local.begin(), local.end(), MayStandInLocal)) {
    return bad;
  }
  absl::StatusOr<std::string> domain = AsciiHost(text.substr(at + 1));
  if (!domain.ok() || domain->ends_with('.')) {
    return bad;
  }
  address.domain = *std::move(domain);
  if (local.size() + 1 + address.domain.size() > kLongestAddress) {
    return bad;
  }
  return address;
}

bool MailAddress::NeedsUtf8() const { return !IsAscii(local); }

absl::StatusOr<Mailbox> Mailbox::Parse(std::string_view text) {
  Mailbox mailbox;
  mailbox.address = Trimmed(text);
  const size_t open = mailbox.address.rfind('<');
  if (open != std::string::npos && mailbox.address.ends_with('>')) {
    mailbox.name = Trimmed(std::string_view(mailbox.address).substr(0, open));
    mailbox.address = mailbox.address.substr(open + 1, mailbox.address.size() - open - 2);
  }
  const std::string& name = mailbox.name;
  if (name.size() >= 2 && name.starts_with('"') && name.ends_with('"')) {
    mailbox.name = name.substr(1, name.size() - 2);
  }
  RETRACE_RETURN_IF_ERROR(MailAddress::Parse(mailbox.address).status());
  return mailbox;
}

std::string Mailbox::Domain() const {
  const absl::StatusOr<MailAddress> parsed = MailAddress::Parse(address);
  return parsed.ok() ? parsed->domain : "";
}

}  // namespace retrace::server
