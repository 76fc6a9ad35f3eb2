#include "server/config.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "domain/status_macros.h"
#include "server/http_options.h"
#include "server/outbox_options.h"
#include "server/toml.h"

namespace retrace::server {
namespace {

constexpr std::string_view kNone = "none";
constexpr std::string_view kAuto = "auto";
constexpr std::string_view kHttpAddress = "127.0.0.1:7234";

absl::Status Wrong(const std::string& file, const toml::node& node, std::string_view what) {
  return absl::InvalidArgumentError(
      fmt::format("configuration {}, line {}: {}", file, node.source().begin.line, what));
}

absl::Status TakeList(const std::string& file, const toml::node& node,
                      std::vector<std::string>& list) {
  std::vector<std::string> texts;
  if (node.is_string()) {
    texts.push_back(node.as_string()->get());
  } else if (node.is_array()) {
    for (const toml::node& element : *node.as_array()) {
      if (!element.is_string()) {
        return Wrong(file, element, "must be a string");
      }
      texts.push_back(element.as_string()->get());
    }
  } else {
    return Wrong(file, node, "must be a string or a list of strings");
  }
  list = std::move(texts);
  return absl::OkStatus();
}

absl::Status Take(const std::string& file, const Setting& setting, const toml::node& node,
                  Config& config) {
  if (setting.list != nullptr) {
    return TakeList(file, node, config.*setting.list);
  }
  if (setting.number != nullptr) {
    if (!node.is_integer()) {
      return Wrong(file, node, fmt::format("`{}` must be a whole number", setting.name));
    }
    config.*setting.number = node.as_integer()->get();
    return absl::OkStatus();
  }
  if (!node.is_string()) {
    return Wrong(file, node, fmt::format("`{}` must be a string", setting.name));
  }
  config.*setting.text = node.as_string()->get();
  return absl::OkStatus();
}

const Setting* FindSetting(std::string_view name) {
  for (const Setting& setting : Settings()) {
    if (setting.name == name) {
      return &setting;
    }
  }
  return nullptr;
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted + "\"";
}

void FillPath(const std::string& data_dir, std::string_view name, std::string& path) {
  if (path.empty()) {
    path = fmt::format("{}/{}", data_dir, name);
  } else if (path == kNone) {
    path.clear();
  }
}

bool IsThisMachine(const std::string& address) {
  return absl::StartsWith(address, "127.") || absl::StartsWith(address, "localhost:") ||
         absl::StartsWith(address, "[::1]:") || absl::StartsWith(address, "unix:");
}

}  // namespace

const std::vector<Setting>& Settings() {
  static const auto* const settings = new std::vector<Setting>{
      {"data_dir", "Directory of the data", &Config::data_dir},
      {"witness_dir", "Directory of the head witness, best on another disk", &Config::witness_dir},
      {"token_file", "File with the principals' tokens", &Config::token_file},
      {"master_key_file", "File with the master key", &Config::master_key_file},
      {"backup_dir",
       "Where backups are made. On the log's disk they share its files: against mistakes, not "
       "against the loss of the disk",
       &Config::backup_dir},
      {"key_backup_dir", "Where backups of keys are made", &Config::key_backup_dir},
      {"backup_every", "Hours from one backup to the next, of log and keys; 0: none", nullptr,
       &Config::backup_every},
      {"backup_keep", "Backups made so that are kept", nullptr, &Config::backup_keep},
      {"key_backup_keep", "Copies of the keys made so that are kept", nullptr,
       &Config::key_backup_keep},
      {"metrics_file", "Where metrics are written; `none`: nowhere", &Config::metrics_file},
      {"listen", "Addresses to listen on; `none`: no TCP", nullptr, nullptr, &Config::listen},
      {"socket", "Unix socket to listen on; `none`: none", &Config::socket},
      {"http_listen",
       "Addresses to serve HTTP on; `auto`: 127.0.0.1:7234, unless `listen` is none; `none`: no "
       "TCP",
       nullptr, nullptr, &Config::http_listen},
      {"http_socket", "Unix socket to serve HTTP on; `none`: none", &Config::http_socket},
      {"http_tls_cert", "Certificate chain (PEM) for HTTP's addresses; read again when it changes",
       &Config::http_tls_cert},
      {"http_tls_key", "Key (PEM) of that certificate", &Config::http_tls_key},
      {"http_static_dir", "Directory of files to serve over HTTP; empty: none",
       &Config::http_static_dir},
      {"http_origins", "Origins whose pages may call RPCs, e.g. https://crm.example.com", nullptr,
       nullptr, &Config::http_origins},
      {"http_trusted_proxies",
       "Addresses or networks whose X-Forwarded-For is believed; `unix`: the socket's", nullptr,
       nullptr, &Config::http_trusted_proxies},
      {"http_connections", "HTTP connections that may be open", nullptr, &Config::http_connections},
      {"http_connections_per_address", "The same of one address", nullptr,
       &Config::http_connections_per_address},
      {"cache_mib", "Memory for cached rows, MiB", nullptr, &Config::cache_mib},
      {"query_threads", "Threads that answer queries", nullptr, &Config::query_threads},
      {"log_file", "File of the log; empty: standard error", &Config::log_file},
      {"log_level", "debug, info, warn, error or off", &Config::log_level},
      {"reflection", "on, off, or auto: on while listening on this machine only",
       &Config::reflection},
      {"smtp_url", "Mail server, e.g. smtp://mail.example.com:587; empty: no mail is sent",
       &Config::smtp_url},
      {"smtp_tls", "STARTTLS: required, if-offered or never", &Config::smtp_tls},
      {"smtp_ca_file", "Certificates to trust the mail server by; empty: the system's",
       &Config::smtp_ca_file},
      {"smtp_user", "Name to sign in at the mail server with; empty: none", &Config::smtp_user},
      {"smtp_password_file", "File with the password to it", &Config::smtp_password_file},
      {"mail_from", "Sender of mail, e.g. Retrace <crm@example.com>", &Config::mail_from},
      {"mail_reply_to", "Where answers to mail go; empty: to the sender", &Config::mail_reply_to},
      {"public_url", "Where people reach this server, e.g. https://crm.example.com; links in mail",
       &Config::public_url},
      {"webhook_allow", "Networks inside that webhooks may go to, e.g. 10.1.0.0/16", nullptr,
       nullptr, &Config::webhook_allow},
      {"webhook_ca_file", "Certificates to trust webhooks by; empty: the system's",
       &Config::webhook_ca_file},
  };
  return *settings;
}

void Config::Complete() {
  FillPath(data_dir, "witness", witness_dir);
  FillPath(data_dir, "tokens.toml", token_file);
  FillPath(data_dir, "master.key", master_key_file);
  FillPath(data_dir, "backups", backup_dir);
  FillPath(data_dir, "key-backups", key_backup_dir);
  FillPath(data_dir, "metrics.prom", metrics_file);
  FillPath(data_dir, "retraced.sock", socket);
  if (listen == std::vector<std::string>{std::string(kNone)}) {
    listen.clear();
  }
  FillPath(data_dir, "http.sock", http_socket);
  if (http_listen == std::vector<std::string>{std::string(kNone)}) {
    http_listen.clear();
  } else if (http_listen == std::vector<std::string>{std::string(kAuto)}) {
    http_listen.clear();
    if (!listen.empty()) http_listen.emplace_back(kHttpAddress);
  }
}

bool Config::ServesReflection() const {
  if (reflection != "auto") {
    return reflection == "on";
  }
  return std::all_of(listen.begin(), listen.end(), IsThisMachine);
}

absl::Status Config::Check() const {
  if (data_dir.empty()) {
    return absl::InvalidArgumentError("`data_dir` is empty");
  }
  if (cache_mib < 8 || cache_mib > 1 << 20) {
    return absl::InvalidArgumentError("`cache_mib` must lie between 8 and 1048576");
  }
  if (query_threads < 1 || query_threads > 256) {
    return absl::InvalidArgumentError("`query_threads` must lie between 1 and 256");
  }
  if (backup_every < 0 || backup_every > 24 * 366) {
    return absl::InvalidArgumentError("`backup_every` must lie between 0 and 8784 hours");
  }
  if (backup_keep < 1 || backup_keep > 1000 || key_backup_keep < 1 || key_backup_keep > 1000) {
    return absl::InvalidArgumentError(
        "`backup_keep` and `key_backup_keep` must lie between 1 and 1000");
  }
  if (reflection != "on" && reflection != "off" && reflection != "auto") {
    return absl::InvalidArgumentError("`reflection` must be on, off or auto");
  }
  for (const std::string& address : listen) {
    if (address.empty() || (address == kNone && listen.size() > 1)) {
      return absl::InvalidArgumentError("`listen` needs addresses such as 127.0.0.1:7233");
    }
  }
  RETRACE_RETURN_IF_ERROR(CheckHttp(*this));
  return CheckOutbound(*this);
}

std::string Config::AsToml() const {
  std::string text;
  for (const Setting& setting : Settings()) {
    text += fmt::format("# {}\n{} = ", setting.help, setting.name);
    if (setting.text != nullptr) {
      text += Quoted(this->*setting.text);
    } else if (setting.number != nullptr) {
      text += fmt::format("{}", this->*setting.number);
    } else {
      std::vector<std::string> quoted;
      for (const std::string& element : this->*setting.list) {
        quoted.push_back(Quoted(element));
      }
      text += fmt::format("[{}]", fmt::join(quoted, ", "));
    }
    text += "\n";
  }
  return text;
}

absl::Status ApplyFile(const std::string& file, Config& config) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return absl::FailedPreconditionError(
        fmt::format("configuration {} cannot be read: {}", file, std::strerror(errno)));
  }
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const toml::parse_result parsed = toml::parse(text, std::string_view(file));
  if (!parsed) {
    return absl::InvalidArgumentError(fmt::format("configuration {}, line {}: {}", file,
                                                  parsed.error().source().begin.line,
                                                  parsed.error().description()));
  }
  for (const auto& [key, node] : parsed.table()) {
    const Setting* setting = FindSetting(key.str());
    if (setting == nullptr) {
      return Wrong(file, node,
                   fmt::format("there is no setting `{}`; `retraced --print-config` prints them",
                               key.str()));
    }
    RETRACE_RETURN_IF_ERROR(Take(file, *setting, node, config));
  }
  return absl::OkStatus();
}

absl::Status ApplyEnvironment(const Environment& environment, Config& config) {
  for (const Setting& setting : Settings()) {
    const std::string name = "RETRACED_" + absl::AsciiStrToUpper(absl::string_view(
                                               setting.name.data(), setting.name.size()));
    const char* value = environment(name.c_str());
    if (value == nullptr) {
      continue;
    }
    if (setting.text != nullptr) {
      config.*setting.text = value;
    } else if (setting.list != nullptr) {
      config.*setting.list = absl::StrSplit(value, ',', absl::SkipWhitespace());
    } else {
      const char* end = value + std::strlen(value);
      const auto [rest, error] = std::from_chars(value, end, config.*setting.number);
      if (error != std::errc() || rest != end) {
        return absl::InvalidArgumentError(
            fmt::format("{}={}: must be a whole number", name, value));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace retrace::server
