#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace retrace::cli {

// What becomes of the records of a deleted customer, as said on the command line.
struct RelatedFlags {
  // `delete`, `keep` or `refuse` for every kind without a rule of its own.
  std::string all;
  // `DEAL=keep` and the like.
  std::vector<std::string> kinds;
};

void AddRelatedFlags(CLI::App& verb, RelatedFlags& flags);

// Fills a retrace.v1.RelatedRecords. Without flags it stays empty and the server refuses: what
// becomes of records is chosen, never guessed.
absl::Status FillRelated(const RelatedFlags& flags, google::protobuf::Message& related);

}  // namespace retrace::cli
