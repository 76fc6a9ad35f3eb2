#include "clients/cli/nouns.h"

namespace retrace::cli {

const std::vector<Noun>& Nouns() {
  static const auto* const kNouns = new std::vector<Noun>{
      {"customers", "companies and people that you sell to", &AddCustomerVerbs},
      {"records", "contacts, deals, orders, payments, leads, cases, notes, tasks, files",
       &AddRecordVerbs},
      {"members", "the people of your company, who own customers and records", &AddMemberVerbs},
      {"summarize", "counts and sums, now or at any past moment", &AddSummarize},
      {"history", "what happened: change sets, commits, changes, digests", &AddHistoryVerbs},
      {"undo", "take back what change sets or commits did", &AddUndo},
      {"redo", "take back an undo", &AddRedo},
      {"compare", "what differs between two moments", &AddCompare},
      {"explain", "why an entity is as it is", &AddExplain},
      {"replay", "a tenant rebuilt from an export, without a server", &AddFileReplay},
      {"operations", "commands sent to many at once: how far they are, what came of them",
       &AddOperationVerbs},
      {"plans", "announced plans: what people were told beforehand, and what they answer",
       &AddAnnouncementVerbs},
      {"watch", "commits as they happen", &AddWatch},
      {"bin", "the recycle bin: list, restore, purge", &AddBinVerbs},
      {"holds", "legal holds: what must not be taken away", &AddHoldVerbs},
      {"webhooks", "HTTP endpoints that are told what happens", &AddWebhookVerbs},
      {"notifications", "what you are told, and by which way", &AddNotificationVerbs},
      {"templates", "how notifications are worded", &AddTemplateVerbs},
      {"deliveries", "notifications on their way", &AddDeliveryVerbs},
      {"followers", "what follows the log and sends", &AddFollowerVerbs},
      {"contact-points", "who opted out, and where nothing is sent", &AddContactPointVerbs},
      {"tenants", "the companies that use this server", &AddTenantVerbs},
      {"policy", "what a tenant sets for itself", &AddPolicyVerbs},
      {"admin", "status, backup and verification of the server", &AddAdminVerbs},
      {"context", "named settings: endpoint, tenant, token", &AddContextVerbs},
      {"completion", "completion scripts for bash, zsh and fish", &AddCompletionVerbs},
      {"demo", "data to try things with", &AddDemoVerbs},
  };
  return *kNouns;
}

}  // namespace retrace::cli
