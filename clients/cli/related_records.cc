#include "clients/cli/related_records.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/records.pb.h"

namespace retrace::cli {
namespace {

absl::StatusOr<v1::RelatedRecords::Choice> ParseChoice(absl::string_view text) {
  v1::RelatedRecords::Choice choice;
  if (v1::RelatedRecords::Choice_Parse(absl::AsciiStrToUpper(text), &choice) &&
      choice != v1::RelatedRecords::CHOICE_UNSPECIFIED) {
    return choice;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("`", text, "`: related records are to delete, keep or refuse"));
}

}  // namespace

void AddRelatedFlags(CLI::App& verb, RelatedFlags& flags) {
  verb.add_option(
          "--related", flags.all,
          "its records: delete them with it, keep them detached, or refuse if there are any")
      ->option_text("CHOICE")
      ->check(CLI::IsMember({"delete", "keep", "refuse"}));
  verb.add_option("--related-kind", flags.kinds, "the same for one kind of record; may be repeated")
      ->option_text("KIND=CHOICE")
      ->expected(1)
      ->take_all();
}

absl::Status FillRelated(const RelatedFlags& flags, google::protobuf::Message& related) {
  auto& filled = static_cast<v1::RelatedRecords&>(related);
  if (!flags.all.empty()) {
    const auto choice = ParseChoice(flags.all);
    if (!choice.ok()) return choice.status();
    filled.set_all(*choice);
  }
  for (const std::string& text : flags.kinds) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    const std::string kind = absl::AsciiStrToUpper(parts.first);
    v1::Record::Kind known;
    if (!v1::Record::Kind_Parse(kind, &known)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--related-kind: `", parts.first, "` is no kind of record"));
    }
    const auto choice = ParseChoice(parts.second);
    if (!choice.ok()) return choice.status();
    auto* rule = filled.add_rules();
    rule->set_kind(kind);
    rule->set_choice(*choice);
  }
  return absl::OkStatus();
}

}  // namespace retrace::cli
