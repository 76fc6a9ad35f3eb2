#pragma once

#include <CLI/CLI.hpp>

#include "clients/cli/entity_verbs.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// Adds `export`: every entity that a filter asks for, with every field, all as of one position, as
// CSV (default) or JSON lines, to standard output or a file.
void AddExportVerb(CLI::App& noun, Session& session, const EntityNoun& entity);

}  // namespace retrace::cli
