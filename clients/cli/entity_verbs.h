#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cli/columns.h"
#include "clients/cli/field_values.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// A kind of entity with the standard methods. What the verbs do is read from the API's descriptors,
// so a kind is only described here.
struct EntityNoun {
  // The collection, as in names and on the command line, e.g. `customers`.
  std::string collection;
  // The message, as in method names, e.g. `Customer`.
  std::string title;
  // The field of requests and replies that holds one, e.g. `customer`.
  std::string field;
  // The service, e.g. `Customers`.
  std::string service;
  // What lists show.
  std::vector<Column> columns;
  // For the examples of the help.
  std::string example_set;
  std::string example_filter;
  std::string example_id = "01jd8e6x2k";
};

const EntityNoun& CustomerNoun();
const EntityNoun& RecordNoun();
const EntityNoun& MemberNoun();
const EntityNoun& TemplateNoun();

// Adds list, get, create, update, deactivate, activate, delete, undelete, history and, where the
// service has it, batch-delete.
void AddEntityVerbs(CLI::App& noun, Session& session, const EntityNoun& entity);

// Its parts, for a noun whose create and update are its own: list and get; what comes after update.
// Verbs that the service lacks are left out.
void AddReadingVerbs(CLI::App& noun, Session& session, const EntityNoun& entity);
void AddKeepingVerbs(CLI::App& noun, Session& session, const EntityNoun& entity);

// Adds what a list is asked with.
struct ListFlags {
  std::vector<std::string> words;
  std::string filter;
  std::string order_by;
  std::string page_token;
  int64_t limit = 50;
  bool all = false;
  bool show_inactive = false;
  bool show_deleted = false;
};

// Reads a list page by page, all pages of one position, until `visit` returns false or the list
// ends. `next_page_token` gets the token to go on with, if there is more.
absl::Status ForEachListed(Session& session, const EntityNoun& entity, const ListFlags& flags,
                           absl::FunctionRef<bool(const google::protobuf::Message&)> visit,
                           std::string* next_page_token = nullptr,
                           v1::Answered* answered = nullptr);

// The full name of the entity that a person means: an id, a full name, `ext:` and its external id,
// for customers also `#` and its number.
absl::StatusOr<std::string> ResolveName(Session& session, const EntityNoun& entity,
                                        const std::string& text);

// `"` and `\` escaped, in quotes, for a filter.
std::string FilterText(absl::string_view text);

// What text is read with for --set; asks for the tenant's zone and currency only when needed.
absl::StatusOr<ValueRules> RulesFor(Session& session, const std::vector<std::string>& paths,
                                    const EntityNoun& entity);

// `field=value` taken apart; INVALID_ARGUMENT without `=`.
absl::StatusOr<std::pair<std::string, std::string>> SplitSetting(const std::string& setting);

// Prints an entity that a command returned, with what the command did.
absl::Status PrintCommandReply(Session& session, const EntityNoun& entity,
                               const google::protobuf::Message& response);

// Prints what happened to the entity of that name.
absl::Status PrintChanges(Session& session, const std::string& name, int64_t limit);

// Implemented in merge_customers.cc.
void AddMergeVerb(CLI::App& noun, Session& session);
// Implemented in entity_update.cc.
void AddCreateVerb(CLI::App& noun, Session& session, const EntityNoun& entity);
void AddUpdateVerb(CLI::App& noun, Session& session, const EntityNoun& entity);

}  // namespace retrace::cli
