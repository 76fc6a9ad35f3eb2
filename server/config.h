// The daemon's settings: a TOML file, below environment variables, below flags.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace retrace::server {

struct Config {
  std::string data_dir = "retrace-data";
  std::string witness_dir;      // empty: data_dir/witness
  std::string token_file;       // empty: data_dir/tokens.toml
  std::string master_key_file;  // empty: data_dir/master.key
  std::string backup_dir;       // empty: data_dir/backups
  std::string key_backup_dir;   // empty: data_dir/key-backups
  int64_t backup_every = 24;    // hours from one backup to the next; 0: none are made
  int64_t backup_keep = 7;      // good backups made so that stay
  int64_t key_backup_keep = 2;  // good copies of the keys that stay
  std::string metrics_file;     // empty: data_dir/metrics.prom; "none": not written
  // Addresses as gRPC takes them; the one entry "none": no TCP.
  std::vector<std::string> listen = {"127.0.0.1:7233"};
  std::string socket;  // empty: data_dir/retraced.sock; "none": no socket
  // Where HTTP is served, e.g. "127.0.0.1:7234"; the one entry "auto": there, or nowhere when
  // `listen` is none; the one entry "none": no TCP.
  std::vector<std::string> http_listen = {"auto"};
  std::string http_socket;  // empty: data_dir/http.sock; "none": no socket
  std::string http_tls_cert;
  std::string http_tls_key;
  std::string http_static_dir;
  std::vector<std::string> http_origins;
  std::vector<std::string> http_trusted_proxies;
  int64_t http_connections = 1024;
  int64_t http_connections_per_address = 256;
  int64_t cache_mib = 256;  // block cache of the rows
  int64_t query_threads = 2;
  std::string log_file;  // empty: standard error
  std::string log_level = "info";
  // Of what goes outside; see outbox_options.h.
  std::string smtp_url;  // empty: no mail is sent
  std::string smtp_tls = "required";
  std::string smtp_ca_file;
  std::string smtp_user;
  std::string smtp_password_file;
  std::string mail_from;
  std::string mail_reply_to;
  std::string public_url;  // empty: mail has no links
  std::vector<std::string> webhook_allow;
  std::string webhook_ca_file;
  // The flag --test-clock; neither files nor the environment set it.
  bool test_clock = false;
  std::string reflection = "auto";  // on, off, or auto: on while every address is this machine's

  // Fills what is empty from data_dir and makes what was `none` empty.
  void Complete();
  // True when reflection is to be served.
  bool ServesReflection() const;
  // INVALID_ARGUMENT naming the setting.
  absl::Status Check() const;
  // As a configuration file that says the same.
  std::string AsToml() const;
};

// Reads environment variables; std::getenv, or a test's. Gives null for what is not set.
using Environment = std::function<const char*(const char*)>;

// Lays the file over `config`. INVALID_ARGUMENT with file and line for unknown settings and wrong
// types, FAILED_PRECONDITION when it cannot be read.
absl::Status ApplyFile(const std::string& file, Config& config);
// Lays RETRACED_DATA_DIR, RETRACED_LISTEN (separated by commas) and so on over `config`.
absl::Status ApplyEnvironment(const Environment& environment, Config& config);

// One setting as files, environment and flags name it.
struct Setting {
  std::string_view name;  // e.g. "data_dir": --data-dir, RETRACED_DATA_DIR
  std::string_view help;
  std::string Config::*text = nullptr;
  int64_t Config::*number = nullptr;
  std::vector<std::string> Config::*list = nullptr;
};
// Every setting there is.
const std::vector<Setting>& Settings();

}  // namespace retrace::server
