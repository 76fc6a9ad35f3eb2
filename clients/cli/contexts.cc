#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "clients/cli/app.h"
#include "clients/cli/config_file.h"
#include "clients/cli/nouns.h"

namespace retrace::cli {
namespace {

// Enough to tell tokens apart, too little to use one.
std::string Masked(const std::string& token) {
  if (token.empty()) return "";
  return token.size() < 12 ? "…" : absl::StrCat(token.substr(0, 4), "…");
}

absl::Status RunSet(Session& session, const std::string& name) {
  const std::string path = ConfigurationPath();
  absl::StatusOr<Configuration> configuration = ReadConfiguration(path);
  if (!configuration.ok()) return configuration.status();
  ContextSettings& settings = configuration->contexts[name];
  const GlobalFlags& flags = session.flags;
  if (!flags.token.empty() && !flags.token_file.empty()) {
    return absl::InvalidArgumentError("--token and --token-file are two ways to say one thing");
  }
  if (flags.endpoint.empty() && flags.tenant.empty() && flags.token.empty() &&
      flags.token_file.empty()) {
    return absl::InvalidArgumentError(
        "nothing to keep: say --endpoint, --tenant, --token-file or --token");
  }
  if (!flags.endpoint.empty()) settings.endpoint = flags.endpoint;
  if (!flags.tenant.empty()) {
    settings.tenant = std::string(absl::StripPrefix(flags.tenant, "tenants/"));
  }
  if (!flags.token.empty()) {
    settings.token = flags.token;
    settings.token_file.clear();
  }
  if (!flags.token_file.empty()) {
    settings.token_file = std::filesystem::absolute(flags.token_file).string();
    settings.token.clear();
  }
  if (configuration->current.empty()) configuration->current = name;
  if (absl::Status status = WriteConfiguration(path, *configuration); !status.ok()) return status;
  session.err() << "context " << name << " is in " << path
                << (configuration->current == name ? " and in use\n" : "\n");
  return absl::OkStatus();
}

absl::Status RunUse(Session& session, const std::string& name) {
  const std::string path = ConfigurationPath();
  absl::StatusOr<Configuration> configuration = ReadConfiguration(path);
  if (!configuration.ok()) return configuration.status();
  if (!configuration->contexts.contains(name)) {
    return absl::NotFoundError(absl::StrCat(
        "there is no context `", name, "`; `retrace context list` shows those that there are"));
  }
  configuration->current = name;
  if (absl::Status status = WriteConfiguration(path, *configuration); !status.ok()) return status;
  session.err() << "using " << name << '\n';
  return absl::OkStatus();
}

absl::Status RunList(Session& session) {
  absl::StatusOr<Configuration> configuration = ReadConfiguration(ConfigurationPath());
  if (!configuration.ok()) return configuration.status();
  Table table({{""}, {"NAME"}, {"ENDPOINT"}, {"TENANT"}, {"TOKEN"}});
  for (const auto& [name, settings] : configuration->contexts) {
    table.Add({name == configuration->current ? "*" : "", name, settings.endpoint, settings.tenant,
               settings.token_file.empty() ? Masked(settings.token) : settings.token_file});
  }
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  table.Print(session.out(), style->table);
  return absl::OkStatus();
}

absl::Status RunShow(Session& session) {
  absl::StatusOr<ContextSettings> settings = session.Settings();
  if (!settings.ok()) return settings.status();
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  PrintPairs({{"endpoint", settings->endpoint},
              {"tenant", settings->tenant},
              {"token", Masked(settings->token)},
              {"configuration", ConfigurationPath()}},
             session.out(), style->table);
  return absl::OkStatus();
}

}  // namespace

void AddContextVerbs(CLI::App& noun, Session& session) {
  auto name = std::make_shared<std::string>();
  CLI::App* set = AddVerb(noun, "set", "keep endpoint, tenant and token under a name",
                          "retrace context set local --endpoint 127.0.0.1:7233 --tenant demo "
                          "--token-file token.txt");
  set->add_option("name", *name, "what to call it")->required()->option_text("NAME");
  set->callback(
      [&session, name] { session.Choose([&session, name] { return RunSet(session, *name); }); });
  auto chosen = std::make_shared<std::string>();
  CLI::App* use = AddVerb(noun, "use", "use it from now on", "retrace context use local");
  use->add_option("name", *chosen, "which one")->required()->option_text("NAME");
  use->callback([&session, chosen] {
    session.Choose([&session, chosen] { return RunUse(session, *chosen); });
  });
  CLI::App* list = AddVerb(noun, "list", "the contexts there are", "retrace context list");
  list->callback([&session] { session.Choose([&session] { return RunList(session); }); });
  CLI::App* show = AddVerb(noun, "show", "what is used now, all sources put together",
                           "retrace context show --context local");
  show->callback([&session] { session.Choose([&session] { return RunShow(session); }); });
}

}  // namespace retrace::cli
