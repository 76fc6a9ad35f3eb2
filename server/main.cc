// retraced: the daemon and what an operator does with its data directory.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "domain/status_macros.h"
#include "google/protobuf/stubs/logging.h"
#include "server/config.h"
#include "server/daemon.h"
#include "server/exit_codes.h"
#include "server/maintenance.h"
#include "server/principals.h"
#include "server/release.h"
#include "server/roles.h"

namespace retrace::server {
namespace {

// The command line as it was given; laid over file and environment afterwards, since CLI11's own
// configuration files would win over the environment.
struct CommandLine {
  std::string config_file;
  bool print_config = false;
  bool test_clock = false;
  // By setting's name; empty: not given.
  std::map<std::string, std::vector<std::string>> settings;
  std::string init_directory;
  RecoverArguments recover;
  TokenEntry token;
  std::string token_kind = "HUMAN";
};

std::string FlagOf(const Setting& setting) {
  std::string flag = "--" + std::string(setting.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return setting.name == "data_dir" ? flag + ",--data" : flag;
}

void AddSettings(CLI::App& app, CommandLine& line) {
  app.add_option("--config", line.config_file, "Configuration file (TOML); also RETRACED_CONFIG");
  app.add_flag("--print-config", line.print_config,
               "Print what file, environment and flags come to, and stop");
  app.add_flag("--test-clock", line.test_clock,
               "Serve by a clock that Admin.AdvanceClock moves, for tests; only a directory that "
               "was never served without it");
  for (const Setting& setting : Settings()) {
    CLI::Option* option = app.add_option(FlagOf(setting), line.settings[std::string(setting.name)],
                                         std::string(setting.help));
    option->type_name(setting.number != nullptr ? "NUMBER" : "TEXT");
    if (setting.list == nullptr) {
      option->expected(1)->take_last();
    } else {
      option->delimiter(',')->expected(1)->take_all();
    }
  }
}

absl::Status ApplyFlags(const CommandLine& line, Config& config) {
  // Flags speak the environment's language: one text a setting.
  std::map<std::string, std::string> texts;
  for (const auto& [name, values] : line.settings) {
    if (!values.empty()) {
      std::string key = "RETRACED_" + name;
      std::transform(key.begin(), key.end(), key.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      texts[key] = fmt::format("{}", fmt::join(values, ","));
    }
  }
  return ApplyEnvironment(
      [&](const char* name) -> const char* {
        const auto found = texts.find(name);
        return found == texts.end() ? nullptr : found->second.c_str();
      },
      config);
}

absl::StatusOr<Config> MakeConfig(const CommandLine& line) {
  Config config;
  std::string file = line.config_file;
  if (const char* named = std::getenv("RETRACED_CONFIG"); file.empty() && named != nullptr) {
    file = named;
  }
  if (!file.empty()) {
    RETRACE_RETURN_IF_ERROR(ApplyFile(file, config));
  }
  RETRACE_RETURN_IF_ERROR(
      ApplyEnvironment([](const char* name) { return std::getenv(name); }, config));
  RETRACE_RETURN_IF_ERROR(ApplyFlags(line, config));
  config.test_clock = line.test_clock;
  RETRACE_RETURN_IF_ERROR(config.Check());
  config.Complete();
  return config;
}

void AddRecover(CLI::App& app, CommandLine& line) {
  CLI::App* recover = app.add_subcommand("recover", "Make a data directory from a backup");
  recover->add_option("--from", line.recover.from, "Directory of the backup")->required();
  recover->add_option("--keys", line.recover.keys, "Directory of the keys' backup")->required();
  recover
      ->add_option("--master-key", line.recover.master_key_file,
                   "Master key that the keys were made with")
      ->required();
  recover->add_option("--to", line.recover.to, "New data directory")->required();
}

void AddToken(CLI::App& app, CommandLine& line) {
  CLI::App* token = app.add_subcommand("token", "Tokens of principals");
  token->require_subcommand(1);
  CLI::App* fresh =
      token->add_subcommand("new", "Make a token, print it and append its entry to the token file");
  fresh->add_option("--principal", line.token.principal, "Who calls with it")->required();
  fresh->add_option("--role", line.token.roles, "Roles; `retraced roles` prints them")->required();
  fresh->add_option("--tenant", line.token.tenants, "Tenants, or * for every one")->required();
  fresh->add_option("--kind", line.token_kind, "HUMAN or SERVICE")
      ->check(CLI::IsMember({"HUMAN", "SERVICE"}));
  fresh->add_option("--display-name", line.token.display_name, "Name for people");
}

ExitCode NewToken(const Config& config, CommandLine& line) {
  line.token.kind =
      line.token_kind == "SERVICE" ? Principal::Kind::kService : Principal::Kind::kHuman;
  const absl::StatusOr<std::string> token = server::AddToken(config.token_file, line.token);
  if (!token.ok()) {
    fmt::print(stderr, "retraced: {}\n", std::string(token.status().message()));
    return ExitCode::kUsage;
  }
  fmt::print("{}\n", *token);
  return ExitCode::kOk;
}

ExitCode Dispatch(CLI::App& app, CommandLine& line) {
  if (app.got_subcommand("roles")) {
    fmt::print("{}", RolesAsMarkdown());
    return ExitCode::kOk;
  }
  if (app.got_subcommand("init")) {
    return InitDirectory(line.init_directory);
  }
  if (app.got_subcommand("recover")) {
    return Recover(line.recover);
  }
  const absl::StatusOr<Config> config = MakeConfig(line);
  if (!config.ok()) {
    fmt::print(stderr, "retraced: {}\n", std::string(config.status().message()));
    return ExitCode::kUsage;
  }
  if (line.print_config) {
    fmt::print("{}", config->AsToml());
    return ExitCode::kOk;
  }
  if (app.got_subcommand("token")) {
    return NewToken(*config, line);
  }
  if (app.got_subcommand("accept-loss")) {
    return AcceptLoss(*config);
  }
  if (app.got_subcommand("health")) {
    return CheckHealth(*config);
  }
  return RunDaemon(*config);
}

int Main(int argc, char** argv) {
  // The parser's complaints about a caller's bytes belong in the caller's answer, not in our log.
  google::protobuf::SetLogHandler(nullptr);
  CLI::App app("Retrace's daemon: a CRM backend whose truth is an event log.", "retraced");
  app.set_version_flag("--version", "retraced " + std::string(Release()));
  app.footer(ExitCodesHelp());
  app.fallthrough();
  app.require_subcommand(0, 1);
  CommandLine line;
  AddSettings(app, line);
  app.add_subcommand("serve", "Serve (also without a command)");
  app.add_subcommand("init", "Make a data directory with keys and a first principal")
      ->add_option("directory", line.init_directory, "The directory")
      ->required();
  app.add_subcommand("accept-loss",
                     "Go on with a log that its head witness disagrees with, in a new epoch");
  app.add_subcommand("health", "Ask the daemon whether it serves; ends with 0 when it does");
  app.add_subcommand("roles", "Print roles and permissions as Markdown");
  AddRecover(app, line);
  AddToken(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(Dispatch(app, line));
}

}  // namespace
}  // namespace retrace::server

int main(int argc, char** argv) {
  // Debian's abseil looks for lock cycles at every lock; our clang build and tests look instead.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return retrace::server::Main(argc, argv);
}
