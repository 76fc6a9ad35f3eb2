#include "clients/cli/import/column_map.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "clients/cli/field_values.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/records.pb.h"

namespace retrace::cli {
namespace {

constexpr size_t kLongestAttribute = 64;

// A heading, small letters and digits only, and where such columns go.
struct Guess {
  const char* heading;
  std::vector<const char*> paths;
};

const std::vector<Guess>& CustomerGuesses() {
  static const auto* const kGuesses = new std::vector<Guess>{
      {"customerid", {"external_id"}},
      {"externalid", {"external_id"}},
      {"account", {"organization_name", "external_id"}},
      {"accountid", {"external_id"}},
      {"displayname", {"display_name"}},
      {"name", {"display_name"}},
      {"fullname", {"display_name"}},
      {"firstname", {"given_name"}},
      {"givenname", {"given_name"}},
      {"lastname", {"family_name"}},
      {"familyname", {"family_name"}},
      {"company", {"organization_name"}},
      {"organization", {"organization_name"}},
      {"organizationname", {"organization_name"}},
      {"level", {"level"}},
      {"phone", {"phones"}},
      {"phones", {"phones"}},
      {"phone1", {"phones"}},
      {"phone2", {"phones"}},
      {"mobile", {"phones"}},
      {"email", {"emails"}},
      {"emails", {"emails"}},
      {"owner", {"owner"}},
      {"salesagent", {"owner"}},
      {"tags", {"tags"}},
      {"country", {"addresses.region_code"}},
      {"region", {"addresses.region_code"}},
      {"officelocation", {"addresses.region_code"}},
      {"city", {"addresses.locality"}},
      {"state", {"addresses.administrative_area"}},
      {"postalcode", {"addresses.postal_code"}},
      {"zip", {"addresses.postal_code"}},
      {"street", {"addresses.address_lines"}},
      {"address", {"addresses.address_lines"}},
  };
  return *kGuesses;
}

const std::vector<Guess>& RecordGuesses() {
  static const auto* const kGuesses = new std::vector<Guess>{
      {"opportunityid", {"external_id"}},
      {"recordid", {"external_id"}},
      {"externalid", {"external_id"}},
      {"kind", {"kind"}},
      {"customer", {"customer"}},
      {"account", {"customer", "title"}},
      {"title", {"title"}},
      {"subject", {"title"}},
      {"product", {"title", "attributes.product"}},
      {"owner", {"owner"}},
      {"salesagent", {"owner"}},
      {"agent", {"owner"}},
      {"amount", {"amount"}},
      {"value", {"amount"}},
      {"closevalue", {"amount"}},
      {"stage", {"stage"}},
      {"dealstage", {"stage"}},
      {"starttime", {"start_time"}},
      {"startdate", {"start_time"}},
      {"engagedate", {"start_time"}},
      {"duetime", {"due_time"}},
      {"duedate", {"due_time"}},
      {"closetime", {"close_time"}},
      {"closedate", {"close_time"}},
      {"body", {"body"}},
      {"text", {"body"}},
      {"phone", {"phones"}},
      {"phones", {"phones"}},
      {"email", {"emails"}},
      {"emails", {"emails"}},
      {"tags", {"tags"}},
  };
  return *kGuesses;
}

const std::vector<Guess>& MemberGuesses() {
  static const auto* const kGuesses = new std::vector<Guess>{
      {"id", {"id"}},
      {"memberid", {"id"}},
      {"displayname", {"display_name"}},
      {"name", {"display_name"}},
      {"salesagent", {"display_name"}},
      {"email", {"email"}},
      {"team", {"team"}},
      {"regionaloffice", {"team"}},
      {"language", {"language"}},
      {"principal", {"principal"}},
      {"lead", {"lead"}},
      {"manager", {"lead"}},
  };
  return *kGuesses;
}

const std::vector<Guess>& GuessesOf(absl::string_view collection) {
  if (collection == "customers") return CustomerGuesses();
  return collection == "records" ? RecordGuesses() : MemberGuesses();
}

const google::protobuf::Descriptor& TypeOf(absl::string_view collection) {
  if (collection == "customers") return *v1::Customer::descriptor();
  return collection == "records" ? *v1::Record::descriptor() : *v1::Member::descriptor();
}

std::string Normalized(absl::string_view heading) {
  std::string normalized;
  for (const char c : heading) {
    if (absl::ascii_isalnum(c)) normalized += absl::ascii_tolower(c);
  }
  return normalized;
}

absl::StatusOr<size_t> FindColumn(const std::vector<std::string>& header,
                                  const std::string& column) {
  for (size_t i = 0; i < header.size(); ++i) {
    if (header[i] == column) return i;
  }
  for (size_t i = 0; i < header.size(); ++i) {
    if (absl::EqualsIgnoreCase(header[i], column)) return i;
  }
  return absl::InvalidArgumentError(absl::StrCat("line 1: there is no column `", column,
                                                 "`; the file has ", absl::StrJoin(header, ", ")));
}

absl::Status CheckField(absl::string_view collection, const std::string& path) {
  if (collection == "members" && path == "id") return absl::OkStatus();
  const std::vector<std::string> fields = SettableFields(TypeOf(collection));
  if (std::find(fields.begin(), fields.end(), MaskPath(path)) != fields.end()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("--map: there is no field `", path,
                                                 "`; there are ", absl::StrJoin(fields, ", "),
                                                 collection == "members" ? ", id" : ""));
}

std::vector<ColumnTarget> Guessed(absl::string_view collection,
                                  const std::vector<std::string>& header) {
  std::vector<ColumnTarget> targets;
  for (size_t i = 0; i < header.size(); ++i) {
    const std::string heading = Normalized(header[i]);
    for (const Guess& guess : GuessesOf(collection)) {
      if (heading != guess.heading) continue;
      for (const char* path : guess.paths) targets.push_back({i, path});
    }
  }
  // A file with a column of its own for the id does not take the account's name as one.
  const auto own_id = std::count_if(targets.begin(), targets.end(),
                                    [](const ColumnTarget& t) { return t.path == "external_id"; });
  if (collection == "customers" && own_id > 1) {
    std::erase_if(targets, [&](const ColumnTarget& t) {
      return t.path == "external_id" && Normalized(header[t.column]) == "account";
    });
  }
  return targets;
}

absl::Status AddAttribute(absl::string_view collection, size_t column, const std::string& heading,
                          std::vector<ColumnTarget>& targets) {
  if (collection == "members") {
    return absl::InvalidArgumentError(absl::StrCat("members have no place for column `", heading,
                                                   "`; say --map FIELD=\"", heading,
                                                   "\" or --ignore \"", heading, "\""));
  }
  if (heading.size() > kLongestAttribute) {
    return absl::InvalidArgumentError(
        absl::StrCat("the heading `", heading.substr(0, 40),
                     "...` is too long to be an attribute; map the column or --ignore it"));
  }
  targets.push_back({column, absl::StrCat("attributes.", heading)});
  return absl::OkStatus();
}

// An export's `name` is no display name, and its rows are there already: taking one for a file of
// another system would make everything twice.
absl::Status RefuseExport(const std::vector<std::string>& header, const ColumnChoices& choices) {
  const auto has = [](const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const bool is_export = has(header, "name") && has(header, "etag") && has(header, "create_time");
  if (!is_export || has(choices.ignored, "etag")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "line 1: this is an export, whose rows are there already; to bring it into another tenant "
      "say --ignore for name, etag and the other columns that only a server sets");
}

}  // namespace

absl::StatusOr<std::vector<ColumnTarget>> MapColumns(absl::string_view collection,
                                                     const std::vector<std::string>& header,
                                                     const ColumnChoices& choices) {
  if (absl::Status status = RefuseExport(header, choices); !status.ok()) return status;
  std::vector<ColumnTarget> targets = Guessed(collection, header);
  std::vector<ColumnTarget> chosen;
  for (const auto& [field, column_name] : choices.maps) {
    if (absl::Status status = CheckField(collection, field); !status.ok()) return status;
    absl::StatusOr<size_t> column = FindColumn(header, column_name);
    if (!column.ok()) return column.status();
    chosen.push_back({*column, field});
  }
  std::erase_if(targets, [&](const ColumnTarget& guess) {
    return std::any_of(chosen.begin(), chosen.end(), [&](const ColumnTarget& choice) {
      // Naming the column of the customer or owner does not say what else it is good for.
      const bool only_reference = choice.path == "customer" || choice.path == "owner";
      return choice.path == guess.path || (choice.column == guess.column && !only_reference);
    });
  });
  targets.insert(targets.end(), chosen.begin(), chosen.end());
  std::set<size_t> ignored;
  for (const std::string& name : choices.ignored) {
    absl::StatusOr<size_t> column = FindColumn(header, name);
    if (!column.ok()) return column.status();
    ignored.insert(*column);
  }
  std::erase_if(targets,
                [&](const ColumnTarget& target) { return ignored.contains(target.column); });
  std::set<size_t> used;
  for (const ColumnTarget& target : targets) used.insert(target.column);
  for (size_t i = 0; i < header.size(); ++i) {
    if (used.contains(i) || ignored.contains(i)) continue;
    if (absl::Status s = AddAttribute(collection, i, header[i], targets); !s.ok()) return s;
  }
  std::stable_sort(
      targets.begin(), targets.end(),
      [](const ColumnTarget& a, const ColumnTarget& b) { return a.column < b.column; });
  return targets;
}

}  // namespace retrace::cli
