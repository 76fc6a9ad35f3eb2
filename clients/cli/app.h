#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "clients/cli/exit_codes.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// Builds the whole command line: the global flags and every noun.
void BuildApp(CLI::App& app, Session& session);

// Adds a verb with the example that its help ends with.
CLI::App* AddVerb(CLI::App& noun, const std::string& name, const std::string& about,
                  const std::string& example);

// For flags that say how many: a whole number, 1 or more.
CLI::Validator AtLeastOne();

// What the tool prints without arguments: its nouns, on one screen.
std::string Overview(const CLI::App& app);

// Reads the command line, runs what it chose, and prints errors.
ExitCode RunTool(int argc, const char* const* argv, Session& session);

}  // namespace retrace::cli
