#pragma once

#include <CLI/CLI.hpp>
#include <vector>

#include "clients/cli/session.h"

namespace retrace::cli {

// A first word of the command line, e.g. `customers`, and what adds its verbs.
struct Noun {
  const char* name;
  const char* about;
  void (*add_verbs)(CLI::App& noun, Session& session);
};

// Every noun, in the order in which they are listed. A new one is one file and one line here.
const std::vector<Noun>& Nouns();

void AddCustomerVerbs(CLI::App& noun, Session& session);
void AddRecordVerbs(CLI::App& noun, Session& session);
void AddMemberVerbs(CLI::App& noun, Session& session);
void AddSummarize(CLI::App& noun, Session& session);
void AddHistoryVerbs(CLI::App& noun, Session& session);
void AddUndo(CLI::App& noun, Session& session);
void AddRedo(CLI::App& noun, Session& session);
void AddCompare(CLI::App& noun, Session& session);
void AddExplain(CLI::App& noun, Session& session);
void AddFileReplay(CLI::App& noun, Session& session);
void AddOperationVerbs(CLI::App& noun, Session& session);
void AddWatch(CLI::App& noun, Session& session);
void AddBinVerbs(CLI::App& noun, Session& session);
void AddHoldVerbs(CLI::App& noun, Session& session);
void AddAnnouncementVerbs(CLI::App& noun, Session& session);
void AddWebhookVerbs(CLI::App& noun, Session& session);
void AddNotificationVerbs(CLI::App& noun, Session& session);
void AddTemplateVerbs(CLI::App& noun, Session& session);
void AddDeliveryVerbs(CLI::App& noun, Session& session);
void AddFollowerVerbs(CLI::App& noun, Session& session);
void AddContactPointVerbs(CLI::App& noun, Session& session);
void AddTenantVerbs(CLI::App& noun, Session& session);
void AddPolicyVerbs(CLI::App& noun, Session& session);
void AddAdminVerbs(CLI::App& noun, Session& session);
void AddContextVerbs(CLI::App& noun, Session& session);
void AddCompletionVerbs(CLI::App& noun, Session& session);
void AddDemoVerbs(CLI::App& noun, Session& session);

}  // namespace retrace::cli
