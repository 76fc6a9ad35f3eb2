#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace retrace::cli {

// Completion scripts made from the command line's own tree, so that they never lag behind it.
std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);
std::string FishCompletion(const CLI::App& app);

}  // namespace retrace::cli
