#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/commit_text.h"
#include "clients/cli/history_streams.h"
#include "clients/cli/nouns.h"
#include "clients/cli/text_width.h"

namespace retrace::cli {
namespace {

struct CompareFlags {
  std::string name;
  std::string from, until;
  std::string filter;
};

absl::StatusOr<v1::CompareRequest> RequestOf(Session& session, const CompareFlags& flags) {
  v1::CompareRequest request;
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  request.set_parent(*tenant);
  if (flags.name.find('/') != std::string::npos) {
    absl::StatusOr<std::string> name = ResolveAnyName(session, flags.name);
    if (!name.ok()) return name.status();
    request.set_entity(*name);
  } else {
    request.set_kind(flags.name);
  }
  request.set_filter(flags.filter);
  if (absl::Status s = FillMoment(session, flags.from, "--from", request.mutable_from()); !s.ok()) {
    return s;
  }
  if (absl::Status s = FillMoment(session, flags.until, "--until", request.mutable_until());
      !s.ok()) {
    return s;
  }
  return request;
}

const char* ColorOf(v1::EntityDifference::Change change) {
  switch (change) {
    case v1::EntityDifference::CREATED:
    case v1::EntityDifference::UNDELETED:
      return "32";
    case v1::EntityDifference::DELETED:
      return "31";
    default:
      return "33";
  }
}

void PrintDifference(const v1::EntityDifference& difference, std::ostream& out,
                     const TableStyle& style) {
  const std::string change =
      absl::AsciiStrToLower(v1::EntityDifference::Change_Name(difference.change()));
  out << Styled(change, ColorOf(difference.change()), style.color) << ' '
      << Printable(ShortEntity(difference.name())) << "  (last at position "
      << difference.position() << ")\n";
  PrintFieldChanges(difference.changes(), out, style);
}

void PrintCounts(const v1::CompareResponse::Counts& counts, std::ostream& err) {
  err << counts.created() << " created, " << counts.deleted() << " deleted, " << counts.undeleted()
      << " undeleted, " << counts.changed() << " changed\n";
}

absl::Status RunCompare(Session& session, const CompareFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format == OutputFormat::kCsv) {
    return absl::InvalidArgumentError("compare writes text or JSON lines, no csv");
  }
  absl::StatusOr<v1::CompareRequest> request = RequestOf(session, flags);
  if (!request.ok()) return request.status();
  return ForEachMessage<v1::CompareRequest, v1::CompareResponse>(
      session, &v1::History::Stub::Compare, *request, [&](const v1::CompareResponse& step) {
        if (step.has_from()) {
          session.err() << "position " << step.from().position() << " against position "
                        << step.until().position() << '\n';
        }
        for (const v1::EntityDifference& difference : step.differences()) {
          if (style->format == OutputFormat::kTable) {
            PrintDifference(difference, session.out(), style->table);
          } else {
            session.out() << ToJson(difference) << '\n';
          }
        }
        if (step.has_counts()) PrintCounts(step.counts(), session.err());
        return absl::OkStatus();
      });
}

}  // namespace

void AddCompare(CLI::App& noun, Session& session) {
  noun.footer(
      "Example:\n  retrace compare --from 812\n"
      "  retrace compare customers --filter 'level = \"gold\"' --from 2026-03-01 --until "
      "2026-03-31\n  retrace compare customers/01jd8e6x2k --from 812");
  auto flags = std::make_shared<CompareFlags>();
  noun.add_option("what", flags->name,
                  "a collection, e.g. customers, or one entity; all without it")
      ->option_text("WHAT");
  noun.add_option("--from", flags->from, "the earlier position, or time")
      ->option_text("MOMENT")
      ->required();
  noun.add_option("--until", flags->until, "the later position, or time (now)")
      ->option_text("MOMENT");
  noun.add_option("--filter", flags->filter, "AIP-160 filter of the collection's list")
      ->option_text("FILTER");
  noun.callback([&session, flags] {
    session.Choose([&session, flags] { return RunCompare(session, *flags); });
  });
}

}  // namespace retrace::cli
