#include "clients/cli/completion.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "clients/cli/app.h"
#include "clients/cli/nouns.h"

namespace retrace::cli {
namespace {

// Flags whose value is a file, and those with a fixed set of values.
bool TakesFile(const std::string& flag) {
  return flag == "--file" || flag == "--report" || flag == "--token-file" || flag == "--from" ||
         flag == "--ids-file";
}

std::string ValuesOf(const std::string& flag) {
  if (flag == "--output" || flag == "-o") return "table json jsonl csv";
  if (flag == "--related") return "delete keep refuse";
  if (flag == "--on-existing") return "skip update error";
  if (flag == "--on-drift") return "stop skip";
  if (flag == "--view") return "names changes events";
  return "";
}

struct Flag {
  std::string name;
  std::string about;
  bool takes_value = false;
};

std::vector<Flag> FlagsOf(const CLI::App& app) {
  std::vector<Flag> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      flags.push_back(
          {"--" + name, option->get_description(), option->get_items_expected_max() > 0});
    }
  }
  return flags;
}

// Calls visit(path, app) for the root and everything below it; path is e.g. ` customers list`.
void ForEachLevel(const CLI::App& app, const std::string& path,
                  const std::function<void(const std::string&, const CLI::App&)>& visit) {
  visit(path, app);
  for (const CLI::App* sub : app.get_subcommands({})) {
    ForEachLevel(*sub, absl::StrCat(path, " ", sub->get_name()), visit);
  }
}

std::string WordsOf(const CLI::App& app, const std::vector<Flag>& inherited) {
  std::vector<std::string> words;
  for (const CLI::App* sub : app.get_subcommands({})) words.push_back(sub->get_name());
  for (const Flag& flag : FlagsOf(app)) words.push_back(flag.name);
  for (const Flag& flag : inherited) {
    if (flag.name != "--help") words.push_back(flag.name);
  }
  return absl::StrJoin(words, " ");
}

// Cases of a shell's `case` that tell what follows each path.
std::string PathCases(const CLI::App& app, const char* assign) {
  const std::vector<Flag> global = FlagsOf(app);
  std::string cases;
  ForEachLevel(app, "", [&](const std::string& path, const CLI::App& level) {
    const std::string words =
        WordsOf(level, level.get_parent() == nullptr ? std::vector<Flag>{} : global);
    absl::StrAppend(&cases, "    \"", path, "\") ", assign, "=\"", words, "\" ;;\n");
  });
  return cases;
}

// Flags anywhere in the tree whose value is the next word, which is then no noun or verb.
std::string ValuedFlagPattern(const CLI::App& app) {
  std::vector<std::string> flags = {"-o"};
  ForEachLevel(app, "", [&](const std::string&, const CLI::App& level) {
    for (const Flag& flag : FlagsOf(level)) {
      if (flag.takes_value) flags.push_back(flag.name);
    }
  });
  std::sort(flags.begin(), flags.end());
  flags.erase(std::unique(flags.begin(), flags.end()), flags.end());
  return absl::StrJoin(flags, "|");
}

// A case pattern of everything that is a noun, or a noun with its verb.
std::string NounPattern(const CLI::App& app) {
  std::vector<std::string> paths;
  ForEachLevel(app, "", [&](const std::string& path, const CLI::App&) {
    if (!path.empty()) paths.push_back(absl::StrCat("\"", path, "\""));
  });
  return absl::StrJoin(paths, "|");
}

// The loop by which bash and zsh find in `words` the noun and verb that are given already: `at`.
std::string FindPath(const CLI::App& app, const char* words) {
  return absl::StrCat("  for word in ", words,
                      "; do\n"
                      "    if [ -n \"$value\" ]; then\n"
                      "      [ \"$word\" = \"=\" ] || value=\"\"\n"
                      "      continue\n"
                      "    fi\n"
                      "    case $word in\n      ",
                      ValuedFlagPattern(app),
                      ") value=yes ;;\n"
                      "    esac\n"
                      "    case \"$at $word\" in\n      ",
                      NounPattern(app),
                      ") at+=\" $word\" ;;\n"
                      "    esac\n"
                      "  done\n");
}

std::string ValueCases(const char* form) {
  std::string cases;
  for (const char* flag : {"--output", "--related", "--on-existing", "--on-drift", "--view"}) {
    const std::string pattern = flag == std::string("--output") ? "-o|--output" : flag;
    absl::StrAppend(&cases, "    ", pattern, ") ",
                    absl::StrReplaceAll(form, {{"VALUES", ValuesOf(flag)}}), " ;;\n");
  }
  return cases;
}

std::string FishEscaped(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}});
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  const std::string name = app.get_name();
  return absl::StrCat(
      "# bash completion for ", name, "; source it, or put it into bash-completion's folder.\n_",
      name,
      "() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local at=\"\" value=\"\" words word\n"
      "  COMPREPLY=()\n"
      "  case $prev in\n",
      ValueCases("COMPREPLY=($(compgen -W \"VALUES\" -- \"$cur\")); return"),
      "    --file|--report|--token-file|--from|--ids-file) COMPREPLY=($(compgen -f -- \"$cur\")); "
      "return ;;\n"
      "  esac\n",
      FindPath(app, "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\""), "  case $at in\n",
      PathCases(app, "words"),
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
      "}\n"
      "complete -F _",
      name, " ", name, "\n");
}

std::string ZshCompletion(const CLI::App& app) {
  const std::string name = app.get_name();
  return absl::StrCat(
      "#compdef ", name, "\n# zsh completion; put it as _", name, " into a folder of $fpath.\n_",
      name,
      "() {\n"
      "  local cur=${words[CURRENT]} prev=${words[CURRENT-1]}\n"
      "  local at=\"\" value=\"\" next word\n"
      "  case $prev in\n",
      ValueCases("compadd -- VALUES; return"),
      "    --file|--report|--token-file|--from|--ids-file) _files; return ;;\n"
      "  esac\n",
      FindPath(app, "${words[2,CURRENT-1]}"), "  case $at in\n", PathCases(app, "next"),
      "  esac\n"
      "  compadd -- ${(s: :)next} || _files\n"
      "}\n"
      "if [ \"$funcstack[1]\" = \"_",
      name, "\" ]; then _", name, " \"$@\"; else compdef _", name, " ", name, "; fi\n");
}

std::string FishCompletion(const CLI::App& app) {
  const std::string name = app.get_name();
  std::string script = absl::StrCat("# fish completion for ", name,
                                    "; put it into ~/.config/fish/completions/", name, ".fish\n");
  ForEachLevel(app, "", [&](const std::string& path, const CLI::App& level) {
    std::string condition;
    for (const CLI::App* at = &level; at->get_parent() != nullptr; at = at->get_parent()) {
      condition = absl::StrCat("__fish_seen_subcommand_from ", at->get_name(),
                               condition.empty() ? "" : "; and ", condition);
    }
    std::vector<std::string> subs;
    for (const CLI::App* sub : level.get_subcommands({})) subs.push_back(sub->get_name());
    for (const CLI::App* sub : level.get_subcommands({})) {
      std::string when = path.empty()
                             ? "__fish_use_subcommand"
                             : absl::StrCat(condition, "; and not __fish_seen_subcommand_from ",
                                            absl::StrJoin(subs, " "));
      absl::StrAppend(&script, "complete -c ", name, " -f -n '", when, "' -a ", sub->get_name(),
                      " -d '", FishEscaped(sub->get_description()), "'\n");
    }
    for (const Flag& flag : FlagsOf(level)) {
      if (flag.name == "--help" && !path.empty()) continue;
      const std::string values = ValuesOf(flag.name);
      absl::StrAppend(&script, "complete -c ", name,
                      condition.empty() ? "" : absl::StrCat(" -n '", condition, "'"), " -l ",
                      flag.name.substr(2), flag.takes_value ? " -r" : "",
                      flag.takes_value && !TakesFile(flag.name) ? " -f" : "",
                      values.empty() ? "" : absl::StrCat(" -a '", values, "'"), " -d '",
                      FishEscaped(flag.about), "'\n");
    }
  });
  return script;
}

void AddCompletionVerbs(CLI::App& noun, Session& session) {
  struct Shell {
    const char* name;
    std::string (*script)(const CLI::App& app);
    const char* example;
  };
  for (const Shell& shell :
       {Shell{"bash", &BashCompletion, "source <(retrace completion bash)"},
        Shell{"zsh", &ZshCompletion, "retrace completion zsh > ~/.zfunc/_retrace"},
        Shell{"fish", &FishCompletion,
              "retrace completion fish > ~/.config/fish/completions/retrace.fish"}}) {
    CLI::App* verb =
        AddVerb(noun, shell.name, absl::StrCat("the script for ", shell.name), shell.example);
    verb->callback([&session, &noun, script = shell.script] {
      session.Choose([&session, &noun, script] {
        session.out() << script(*noun.get_parent());
        return absl::OkStatus();
      });
    });
  }
}

}  // namespace retrace::cli
