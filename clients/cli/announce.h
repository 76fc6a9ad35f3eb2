#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "clients/cli/session.h"
#include "retrace/v1/announcements.pb.h"

namespace retrace::cli {

// How a command is told beforehand in place of being done.
struct AnnounceFlags {
  bool announce = false;
  std::vector<std::string> to;
  std::string message;
  // A time, or how long from now; empty: 7d.
  std::string until;
  std::string at;

  bool given() const {
    return announce || !to.empty() || !message.empty() || !until.empty() || !at.empty();
  }
};

void AddAnnounceFlags(CLI::App& verb, AnnounceFlags& flags);

// INVALID_ARGUMENT when the flags cannot be: said without --announce, or of nobody.
absl::Status CheckAnnounceFlags(const AnnounceFlags& flags);

// Announces a command: its request as it would be sent to do it, with the token of its plan.
// Options that the session's flags give are filled in.
absl::Status Announce(Session& session, const google::protobuf::Message& command,
                      const AnnounceFlags& flags);

// Prints an announcement: what was said of it and, if asked for, what its plan tells. Implemented
// in announcements.cc.
absl::Status PrintAnnouncement(Session& session, const v1::Announcement& shown, bool with_plan);

}  // namespace retrace::cli
