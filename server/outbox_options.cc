#include "server/outbox_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "domain/status_macros.h"

namespace retrace::server {
namespace {

// So that links below it stay within a line of a mail's header.
constexpr size_t kLongestPublicUrl = 200;

bool MayStandInUrl(char c) {
  constexpr std::string_view kNever = "<>,\"?#\\";
  return absl::ascii_isgraph(static_cast<unsigned char>(c)) &&
         kNever.find(c) == std::string_view::npos;
}

const std::map<std::string_view, MailTls>& TlsNames() {
  static const auto* const names =
      new std::map<std::string_view, MailTls>{{"required", MailTls::kRequired},
                                              {"if-offered", MailTls::kIfOffered},
                                              {"never", MailTls::kNever}};
  return *names;
}

absl::Status Wrong(std::string_view setting, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("`{}` {}", setting, what));
}

absl::Status CheckReadable(std::string_view setting, const std::string& file) {
  if (file.empty() || std::ifstream(file)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      fmt::format("`{}`: {} cannot be read: {}", setting, file, std::strerror(errno)));
}

absl::StatusOr<std::string> ReadPassword(const std::string& file) {
  RETRACE_RETURN_IF_ERROR(CheckReadable("smtp_password_file", file));
  std::ifstream in(file, std::ios::binary);
  std::string password(std::istreambuf_iterator<char>(in), {});
  while (password.ends_with('\n') || password.ends_with('\r')) password.pop_back();
  return password;
}

// Of "smtp://HOST:PORT/NAME".
std::string_view HostAndPort(std::string_view url) {
  url.remove_prefix(std::min(url.size(), url.find("://") + 3));
  return url.substr(0, url.find('/'));
}

bool IsThisMachine(std::string_view url) {
  url = HostAndPort(url);
  const std::string_view host =
      url.starts_with('[') ? url.substr(0, url.find(']') + 1) : url.substr(0, url.find(':'));
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

absl::Status CheckMail(const Config& config) {
  const bool plain = config.smtp_url.starts_with("smtp://");
  if (!plain && !config.smtp_url.starts_with("smtps://")) {
    return Wrong("smtp_url", "must begin with smtp:// or smtps://");
  }
  if (const std::string_view host = HostAndPort(config.smtp_url);
      host.empty() || host.front() == ':' || host.back() == ':') {
    return Wrong("smtp_url", "must name a host, and a port behind a colon, if any");
  }
  if (config.smtp_url.find('@') != std::string::npos) {
    return Wrong("smtp_url", "holds a user; that is `smtp_user` and `smtp_password_file`");
  }
  if (!Mailbox::Parse(config.mail_from).ok()) {
    return Wrong("mail_from", "must be an address such as Retrace <crm@example.com>");
  }
  if (!config.mail_reply_to.empty() && !Mailbox::Parse(config.mail_reply_to).ok()) {
    return Wrong("mail_reply_to", "must be an address such as Retrace <crm@example.com>");
  }
  if (config.smtp_user.empty() != config.smtp_password_file.empty()) {
    return Wrong("smtp_user", "and `smtp_password_file` go together");
  }
  const bool may_be_read = config.smtp_tls == "if-offered" ||
                           (config.smtp_tls == "never" && !IsThisMachine(config.smtp_url));
  if (plain && !config.smtp_user.empty() && may_be_read) {
    return Wrong("smtp_tls",
                 "must be required with `smtp_user`, or never to this machine: whoever is in "
                 "between could hide the offer and read the password");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckOutbound(const Config& config) {
  if (!TlsNames().contains(config.smtp_tls)) {
    return Wrong("smtp_tls", "must be required, if-offered or never");
  }
  if (!config.smtp_url.empty()) {
    RETRACE_RETURN_IF_ERROR(CheckMail(config));
  }
  const std::string& url = config.public_url;
  if (!url.empty() &&
      (!url.starts_with("https://") || url.ends_with('/') || url.size() > kLongestPublicUrl ||
       !std::all_of(url.begin(), url.end(), MayStandInUrl))) {
    return Wrong("public_url",
                 "must be like https://crm.example.com, in ASCII (xn--... for other letters), "
                 "without a slash at the end");
  }
  if (const absl::Status networks = AddressGuard::Allowing(config.webhook_allow).status();
      !networks.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("`webhook_allow`: {}", std::string(networks.message())));
  }
  return absl::OkStatus();
}

absl::StatusOr<OutboxOptions> OutboxOptionsOf(const Config& config) {
  RETRACE_RETURN_IF_ERROR(CheckOutbound(config));
  RETRACE_RETURN_IF_ERROR(CheckReadable("smtp_ca_file", config.smtp_ca_file));
  RETRACE_RETURN_IF_ERROR(CheckReadable("webhook_ca_file", config.webhook_ca_file));
  OutboxOptions options;
  RETRACE_ASSIGN(options.guard, AddressGuard::Allowing(config.webhook_allow));
  options.webhook_ca_file = config.webhook_ca_file;
  if (config.smtp_url.empty()) {
    return options;
  }
  MailServer& mail = options.mail;
  mail.url = config.smtp_url;
  mail.tls = TlsNames().at(config.smtp_tls);
  mail.ca_file = config.smtp_ca_file;
  mail.user = config.smtp_user;
  if (!config.smtp_password_file.empty()) {
    RETRACE_ASSIGN(mail.password, ReadPassword(config.smtp_password_file));
  }
  RETRACE_ASSIGN(mail.sender.from, Mailbox::Parse(config.mail_from));
  if (!config.mail_reply_to.empty()) {
    RETRACE_ASSIGN(mail.sender.reply_to, Mailbox::Parse(config.mail_reply_to));
  }
  return options;
}

}  // namespace retrace::server
