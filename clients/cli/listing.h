#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "clients/cli/columns.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// What is asked of a list that has no search.
struct ListingFlags {
  std::string filter;
  int64_t limit = 50;
};

// --filter and --limit.
void AddListingFlags(CLI::App& verb, ListingFlags& flags);

// Calls a List method page by page and prints the messages of `field` in the reply, at most `limit`
// of them. `request` says all but the page.
absl::Status PrintListing(Session& session, absl::string_view method,
                          const google::protobuf::Message& request, absl::string_view field,
                          const std::vector<Column>& columns, int64_t limit);

// Calls a command, prints the message of `field` in its reply and notes the outcome.
absl::Status SendAndPrint(Session& session, Exchange& exchange, absl::string_view field);

// Runs `run` with what the verb's options read into the flags; they live as long as the verb.
template <typename Flags>
std::shared_ptr<Flags> BeginVerb(CLI::App* verb, Session& session,
                                 absl::Status (*run)(Session&, const Flags&)) {
  auto flags = std::make_shared<Flags>();
  verb->callback([&session, flags, run] {
    session.Choose([&session, flags, run] { return run(session, *flags); });
  });
  return flags;
}

}  // namespace retrace::cli
