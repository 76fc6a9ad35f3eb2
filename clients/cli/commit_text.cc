#include "clients/cli/commit_text.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "clients/cli/text_width.h"
#include "clients/cli/time_text.h"
#include "google/protobuf/struct.pb.h"

namespace retrace::cli {
namespace {

// `-` where there was (or is) nothing.
std::string Side(const v1::FieldChange& change, const char* field) {
  std::string text = ValueText(change, field, ValueForm::kShort);
  return text.empty() ? "-" : text;
}

std::string EntitiesText(const v1::Commit& commit) {
  constexpr int kShown = 3;
  std::vector<std::string> shown;
  std::set<std::string> seen;
  for (const v1::Event& event : commit.events()) {
    if (!seen.insert(event.entity()).second) continue;
    if (shown.size() < kShown) shown.push_back(ShortEntity(event.entity()));
  }
  const int64_t more = static_cast<int64_t>(seen.size() - shown.size());
  if (more > 0) shown.push_back(absl::StrCat("and ", more, " more"));
  return absl::StrJoin(shown, ", ");
}

bool HasContent(const v1::Commit& commit) {
  return std::any_of(commit.events().begin(), commit.events().end(), [](const v1::Event& event) {
    return event.changes_size() > 0 || event.has_payload();
  });
}

}  // namespace

std::string ShortMethod(absl::string_view method) {
  const size_t dot = method.rfind('.');
  return std::string(dot == method.npos ? method : method.substr(dot + 1));
}

std::string ShortEntity(absl::string_view name) {
  const size_t last = name.rfind('/');
  const size_t before = last == name.npos || last == 0 ? name.npos : name.rfind('/', last - 1);
  return std::string(before == name.npos ? name : name.substr(before + 1));
}

std::string ActorText(const std::string& actor, const std::string& on_behalf_of) {
  return on_behalf_of.empty() ? actor : absl::StrCat(actor, " for ", on_behalf_of);
}

void PrintFieldChanges(const google::protobuf::RepeatedPtrField<v1::FieldChange>& changes,
                       std::ostream& out, const TableStyle& style) {
  for (const v1::FieldChange& change : changes) {
    out << "    " << Printable(change.path()) << ": "
        << Styled(Printable(Side(change, "before")), "31", style.color) << " → "
        << Styled(Printable(Side(change, "after")), "32", style.color) << '\n';
  }
}

absl::StatusOr<v1::CommitView> ParseCommitView(absl::string_view text) {
  v1::CommitView view;
  if (v1::CommitView_Parse(absl::AsciiStrToUpper(text), &view) &&
      view != v1::COMMIT_VIEW_UNSPECIFIED) {
    return view;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--view is names, changes or events, not `", text, "`"));
}

std::string CommitLine(const v1::Commit& commit) {
  std::string line = absl::StrCat(commit.position(), "  ", ShortTime(commit.commit_time()), "  ",
                                  ActorText(commit.actor(), commit.on_behalf_of()), "  ",
                                  ShortMethod(commit.method()), "  ", EntitiesText(commit));
  if (!commit.reason().empty()) absl::StrAppend(&line, "  (", commit.reason(), ")");
  return Printable(line);
}

void PrintCommit(const v1::Commit& commit, std::ostream& out, const TableStyle& style) {
  out << Styled(CommitLine(commit), "1", style.color) << '\n';
  if (commit.change_set() != commit.position())
    out << "  change set " << commit.change_set() << '\n';
  if (commit.undoes() != 0) out << "  takes back change set " << commit.undoes() << '\n';
  if (!commit.request_id().empty()) out << "  request id " << commit.request_id() << '\n';
  if (!commit.stored_hash().empty()) out << "  stored hash " << commit.stored_hash() << '\n';
  for (const v1::Event& event : commit.events()) {
    out << "  " << Printable(event.type()) << ' ' << Printable(ShortEntity(event.entity()))
        << " revision " << event.revision() << '\n';
    PrintFieldChanges(event.changes(), out, style);
    if (event.has_payload()) out << "    " << Printable(ToJson(event.payload())) << '\n';
  }
}

CommitOutput::CommitOutput(const OutputStyle& style, std::ostream& out)
    : style_(style),
      out_(out),
      rows_(style.format == OutputFormat::kTable ? OutputStyle{} : style,
            {{"", "position"},
             {"", "commit_time"},
             {"", "actor"},
             {"", "on_behalf_of"},
             {"", "method"},
             {"", "reason"},
             {"", "change_set"},
             {"", "request_id"},
             {"", "commit_id"}},
            *v1::Commit::descriptor(), out),
      table_({{"POSITION", Align::kRight},
              {"TIME"},
              {"ACTOR"},
              {"METHOD"},
              {"ENTITIES"},
              {"REASON"}}) {}

void CommitOutput::Add(const v1::Commit& commit) {
  if (style_.format != OutputFormat::kTable) return rows_.Add(commit);
  if (HasContent(commit)) return PrintCommit(commit, out_, style_.table);
  table_.Add({absl::StrCat(commit.position()), ShortTime(commit.commit_time()),
              ActorText(commit.actor(), commit.on_behalf_of()), ShortMethod(commit.method()),
              EntitiesText(commit), commit.reason()});
}

void CommitOutput::Finish() {
  if (style_.format != OutputFormat::kTable) return rows_.Finish();
  if (!table_.empty()) table_.Print(out_, style_.table);
}

ChangeOutput::ChangeOutput(const OutputStyle& style, std::ostream& out)
    : style_(style),
      out_(out),
      rows_(style.format == OutputFormat::kTable ? OutputStyle{} : style,
            AllColumns(*v1::ListChangesResponse::Entry::descriptor()),
            *v1::ListChangesResponse::Entry::descriptor(), out),
      table_({{"POSITION", Align::kRight},
              {"TIME"},
              {"ACTOR"},
              {"METHOD"},
              {"FIELD"},
              {"BEFORE"},
              {"AFTER"},
              {"REASON"}}) {}

void ChangeOutput::Add(const v1::ListChangesResponse::Entry& entry) {
  if (style_.format != OutputFormat::kTable) return rows_.Add(entry);
  std::vector<std::string> head = {absl::StrCat(entry.position()), ShortTime(entry.commit_time()),
                                   ActorText(entry.actor(), entry.on_behalf_of()),
                                   ShortMethod(entry.method())};
  if (entry.changes().empty()) {
    table_.Add({head[0], head[1], head[2], head[3], absl::StrJoin(entry.types(), ", "), "", "",
                entry.reason()});
  }
  bool first = true;
  for (const v1::FieldChange& change : entry.changes()) {
    table_.Add({head[0], head[1], head[2], head[3], change.path(), Side(change, "before"),
                Side(change, "after"), first ? entry.reason() : ""});
    // Said once a commit; the rest of its lines leave the columns free.
    if (first) head.assign(4, "");
    first = false;
  }
}

void ChangeOutput::Finish() {
  if (style_.format != OutputFormat::kTable) return rows_.Finish();
  table_.Print(out_, style_.table);
}

}  // namespace retrace::cli
