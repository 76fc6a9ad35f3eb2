#include "clients/cli/app.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "clients/cli/nouns.h"
#include "fmt/format.h"

namespace retrace::cli {
namespace {

void AddGlobalFlags(CLI::App& app, GlobalFlags& flags) {
  const char* group = "Everywhere";
  app.add_option("-o,--output", flags.output, "table, json, jsonl or csv")
      ->check(CLI::IsMember({"table", "json", "jsonl", "csv"}))
      ->option_text("FORMAT")
      ->group(group);
  app.add_option("--as-of", flags.as_of,
                 "answer as of this moment: a position, or a time; without an offset it is read in "
                 "the tenant's zone")
      ->option_text("MOMENT")
      ->group(group);
  app.add_option("--reason", flags.reason, "why, kept with the commit and shown in history")
      ->option_text("TEXT")
      ->group(group);
  app.add_option("--change-set", flags.change_set,
                 "join this open change set (`retrace history begin`)")
      ->option_text("NUMBER")
      ->group(group);
  app.add_option("--request-id", flags.request_id,
                 "send the command under this id: repeating it is safe")
      ->option_text("ID")
      ->group(group);
  app.add_option("--on-behalf-of", flags.on_behalf_of, "the person a service acts for")
      ->option_text("WHO")
      ->group(group);
  app.add_option("--correlation-id", flags.correlation_id, "ties the commit to an outer process")
      ->option_text("ID")
      ->group(group);
  app.add_option("--timeout", flags.timeout, "give up after this long, retries included (30s)")
      ->option_text("DURATION")
      ->group(group);
  app.add_option("--connect-timeout", flags.connect_timeout,
                 "give up after this long when there is no server (3s)")
      ->option_text("DURATION")
      ->group(group);
  app.add_option("--endpoint", flags.endpoint,
                 absl::StrCat("host:port, unix:/path or https://host (", Session::kDefaultEndpoint,
                              ") [RETRACE_ENDPOINT]"))
      ->option_text("ENDPOINT")
      ->group(group);
  app.add_option("--tenant", flags.tenant, "id of the tenant [RETRACE_TENANT]")
      ->option_text("ID")
      ->group(group);
  app.add_option("--token", flags.token, "token; better from a file [RETRACE_TOKEN]")
      ->option_text("TOKEN")
      ->group(group);
  app.add_option("--token-file", flags.token_file, "file with the token")
      ->option_text("FILE")
      ->group(group);
  app.add_option("--context", flags.context,
                 "settings of this name from the configuration [RETRACE_CONTEXT]")
      ->option_text("NAME")
      ->group(group);
  app.add_flag("--no-color", flags.no_color, "no colours, also with NO_COLOR set")->group(group);
}

int EditDistance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row.back();
}

// The subcommand or flag that `word` most resembles, if any is near.
std::string Nearest(const CLI::App& app, const std::string& word) {
  std::vector<std::string> known;
  for (const CLI::App* sub : app.get_subcommands({})) known.push_back(sub->get_name());
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    for (const CLI::Option* option : level->get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
  }
  std::string nearest;
  int best = std::max<int>(2, static_cast<int>(word.size()) / 3) + 1;
  for (const std::string& candidate : known) {
    const int distance = EditDistance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

const CLI::App* Deepest(const CLI::App& app) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  return deepest;
}

// Of the verb that was named, with a word about the flags that all have.
std::string HelpText(const CLI::App& app) {
  if (Deepest(app) == &app) return app.help();
  return absl::StrCat(app.help(),
                      "\nEverywhere: --output, --as-of, --reason, --tenant, --token-file and more; "
                      "see retrace --help\n");
}

// Names of subcommands, as text.
std::string NamesOf(const std::vector<const CLI::App*>& apps) {
  return absl::StrJoin(apps, ", ", [](std::string* out, const CLI::App* app) {
    absl::StrAppend(out, app->get_name());
  });
}

// What the library says of a text that should be a number has no sentence in it.
std::string Reworded(const CLI::ParseError& error) {
  const std::string text = error.what();
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, "Could not convert: ")) return text;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(rest, absl::MaxSplits(" = ", 1));
  return absl::StrCat(parts.first, ": `", parts.second, "` is no number");
}

ExitCode ExplainUsage(const CLI::App& app, const CLI::ParseError& error, Session& session) {
  const CLI::App* at = Deepest(app);
  // What a verb does not know is left with the program as a whole.
  const std::vector<std::string> unknown = app.remaining(true);
  const bool is_unknown = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  session.err() << "retrace: "
                << (is_unknown ? absl::StrCat("unknown: ", absl::StrJoin(unknown, " "))
                               : Reworded(error))
                << '\n';
  bool guessed = false;
  for (const std::string& word : unknown) {
    const std::string nearest = Nearest(*at, word.substr(0, word.find('=')));
    if (!nearest.empty()) session.err() << "  did you mean `" << nearest << "`?\n";
    guessed = guessed || !nearest.empty();
  }
  const std::string known = NamesOf(at->get_subcommands({}));
  if (is_unknown && !guessed && !known.empty()) session.err() << "  there are " << known << '\n';
  std::string words;
  for (const CLI::App* level = at; level->get_parent() != nullptr; level = level->get_parent()) {
    words = absl::StrCat(" ", level->get_name(), words);
  }
  session.err() << "  see retrace" << words << " --help\n";
  return ExitCode::kUsage;
}

}  // namespace

CLI::App* AddVerb(CLI::App& noun, const std::string& name, const std::string& about,
                  const std::string& example) {
  CLI::App* verb = noun.add_subcommand(name, about);
  verb->footer(absl::StrCat("Example:\n  ", example));
  return verb;
}

CLI::Validator AtLeastOne() {
  return CLI::Validator(
      [](const std::string& text) {
        int64_t number = 0;
        const bool fits = absl::SimpleAtoi(text, &number) && number >= 1;
        return fits ? std::string() : absl::StrCat("`", text, "` is no whole number from 1 on");
      },
      "");
}

void BuildApp(CLI::App& app, Session& session) {
  app.name("retrace");
  app.description("Works with a Retrace server: customers, their records, and their history.");
  app.fallthrough();
  app.set_help_flag("-h,--help", "what there is, with an example");
  app.set_version_flag("--version", "retrace " RETRACE_RELEASE, "the release of this tool");
  app.get_formatter()->column_width(34);
  AddGlobalFlags(app, session.flags);
  app.footer(absl::StrCat(
      "Example:\n  retrace customers list --filter 'level = \"gold\"' -o csv\n\n",
      "Settings: flag, then --context, then environment, then the "
      "configuration's current context.\n\n"
      "Retries: without a server it ends after --connect-timeout; a script that starts "
      "one says more, e.g. 1m.\nWhen a server was reached and the connection is cut, "
      "or the server restarts, the same request\n(with the same request id, so that it "
      "is executed once) is sent again until --timeout.\n\n",
      ExitCodesHelp()));
  for (const Noun& noun : Nouns()) {
    CLI::App* sub = app.add_subcommand(noun.name, noun.about);
    sub->require_subcommand(0, 1);
    noun.add_verbs(*sub, session);
    const std::vector<CLI::App*> verbs = sub->get_subcommands({});
    if (verbs.empty()) continue;
    sub->footer(absl::StrCat("Each has an example and flags of its own:\n  retrace ", noun.name,
                             " ", verbs.front()->get_name(), " --help"));
  }
  app.require_subcommand(0, 1);
}

std::string Overview(const CLI::App& app) {
  std::string text =
      "retrace NOUN VERB [FLAGS]: works with a Retrace server, where nothing is final until you "
      "say "
      "so.\n\n";
  for (const CLI::App* noun : app.get_subcommands({})) {
    absl::StrAppend(&text, fmt::format("  {:<14} {}\n", noun->get_name(), noun->get_description()));
  }
  absl::StrAppend(
      &text,
      "\nTry `retrace customers list`. `retrace NOUN` lists its verbs, `retrace NOUN VERB "
      "--help` has an\nexample. `retrace --help`: settings, flags that all have, exit "
      "codes. `retrace context set NAME`: keep\nwhere the server is.\n");
  return text;
}

ExitCode RunTool(int argc, const char* const* argv, Session& session) {
  CLI::App app;
  BuildApp(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    session.out() << HelpText(app);
    return ExitCode::kOk;
  } catch (const CLI::CallForVersion& version) {
    session.out() << version.what() << '\n';
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    return ExplainUsage(app, error, session);
  }
  if (!session.action()) {
    const CLI::App* at = Deepest(app);
    session.out() << (at == &app ? Overview(app) : HelpText(app));
    return at == &app ? ExitCode::kOk : ExitCode::kUsage;
  }
  absl::Status status = session.action()();
  if (!session.out().flush() && status.ok()) {
    status = FileError("cannot write the output");  // a full disk, or a closed descriptor
  }
  if (!status.ok()) PrintError(status, session.err(), session.color_err());
  return ExitCodeOf(status);
}

}  // namespace retrace::cli
