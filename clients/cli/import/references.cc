#include "clients/cli/import/references.h"

#include <unicode/unistr.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "clients/cli/columns.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

// As people compare names: without case, runs of blanks as one.
std::string Folded(const std::string& text) {
  icu::UnicodeString folded = icu::UnicodeString::fromUTF8(text).foldCase();
  std::string utf8;
  folded.toUTF8String(utf8);
  absl::RemoveExtraAsciiWhitespace(&utf8);
  return utf8;
}

absl::StatusOr<std::string> OnlyOne(const std::vector<std::string>& names, const char* what,
                                    const std::string& text) {
  if (names.size() == 1) return names.front();
  if (names.empty())
    return absl::NotFoundError(absl::StrCat("there is no ", what, " `", text, "`"));
  return absl::InvalidArgumentError(
      absl::StrCat(what, " `", text, "` could be any of ", absl::StrJoin(names, ", ")));
}

void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

absl::Status References::LoadMembers() {
  if (members_) return absl::OkStatus();
  std::map<std::string, std::vector<std::string>> members;
  ListFlags flags;
  flags.all = flags.show_inactive = true;
  const absl::Status status = ForEachListed(session_, MemberNoun(), flags, [&](const Message& row) {
    const std::string name = GetText(row, "name");
    AddOnce(members[name], name);
    AddOnce(members[IdOf(name)], name);
    for (const char* field : {"display_name", "email"}) {
      if (!GetText(row, field).empty()) AddOnce(members[Folded(GetText(row, field))], name);
    }
    return true;
  });
  if (!status.ok()) return status;
  members_ = std::move(members);
  return absl::OkStatus();
}

absl::StatusOr<std::string> References::Member(const std::string& text) {
  if (absl::Status status = LoadMembers(); !status.ok()) return status;
  const auto exact = members_->find(text);
  if (exact != members_->end()) return OnlyOne(exact->second, "member", text);
  const auto folded = members_->find(Folded(text));
  return OnlyOne(folded == members_->end() ? std::vector<std::string>() : folded->second, "member",
                 text);
}

absl::Status References::LoadCustomers(const std::vector<std::string>& texts) {
  std::set<std::string> unknown;
  for (const std::string& text : texts) {
    if (absl::StartsWith(text, "tenants/")) {
      customers_[text] = {text};
    } else if (!customers_.contains(text)) {
      unknown.insert(text);
    }
  }
  const std::vector<std::string> asked(unknown.begin(), unknown.end());
  if (absl::Status status = LoadByExternalId(asked); !status.ok()) return status;
  for (const std::string& text : asked) {
    if (customers_.contains(text)) continue;
    if (absl::Status status = LoadByName(text); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status References::LoadByExternalId(const std::vector<std::string>& texts) {
  // One by one, and by search, which looks an external id up in its index; alternatives in a filter
  // would be found by reading everything.
  for (const std::string& text : texts) {
    ListFlags flags;
    flags.all = flags.show_inactive = true;
    flags.words = {text};
    flags.filter = absl::StrCat("external_id = ", FilterText(text));
    const absl::Status status =
        ForEachListed(session_, CustomerNoun(), flags, [&](const Message& row) {
          // The filter ignores case and knows wildcards.
          if (GetText(row, "external_id") == text) AddOnce(customers_[text], GetText(row, "name"));
          return true;
        });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status References::LoadByName(const std::string& text) {
  ListFlags flags;
  flags.all = flags.show_inactive = true;
  // The words find the candidates by index; the filter keeps those that match exactly.
  flags.words = {text};
  flags.filter = absl::StrCat("organization_name = ", FilterText(text),
                              " OR display_name = ", FilterText(text));
  std::vector<std::string>& names = customers_[text];
  return ForEachListed(session_, CustomerNoun(), flags, [&](const Message& row) {
    const bool matches = Folded(GetText(row, "organization_name")) == Folded(text) ||
                         Folded(GetText(row, "display_name")) == Folded(text);
    if (matches) AddOnce(names, GetText(row, "name"));
    return true;
  });
}

absl::StatusOr<std::string> References::Customer(const std::string& text) {
  if (absl::Status status = LoadCustomers({text}); !status.ok()) return status;
  return OnlyOne(customers_[text], "customer", text);
}

}  // namespace retrace::cli
