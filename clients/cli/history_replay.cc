#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/commit_text.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/history_streams.h"
#include "clients/cli/text_width.h"
#include "clients/cli/time_text.h"

namespace retrace::cli {
namespace {

struct ReplayFlags {
  std::string name;
  std::string from, until;
  std::string actor, filter;
};

absl::StatusOr<v1::ReplayRequest> RequestOf(Session& session, const ReplayFlags& flags) {
  v1::ReplayRequest request;
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  request.set_parent(*tenant);
  if (!flags.name.empty()) {
    absl::StatusOr<std::string> name = ResolveAnyName(session, flags.name);
    if (!name.ok()) return name.status();
    request.set_entity(*name);
  }
  if (absl::Status s = FillMoment(session, flags.from, "--from", request.mutable_from()); !s.ok()) {
    return s;
  }
  if (absl::Status s = FillMoment(session, flags.until, "--until", request.mutable_until());
      !s.ok()) {
    return s;
  }
  std::string filter;
  const auto add = [&filter](const std::string& term) {
    absl::StrAppend(&filter, filter.empty() ? "" : " AND ", term);
  };
  if (!flags.actor.empty()) add(absl::StrCat("actor = ", FilterText(flags.actor)));
  if (session.flags.change_set > 0) add(absl::StrCat("change_set = ", session.flags.change_set));
  if (!flags.filter.empty()) add(absl::StrCat("(", flags.filter, ")"));
  request.set_filter(filter);
  return request;
}

// Tells commits as a numbered story.
class Story {
 public:
  Story(std::ostream& out, const TableStyle& style) : out_(out), style_(style) {}

  void Tell(const v1::ReplayResponse& step) {
    if (step.has_commit()) TellCommit(step.commit());
    for (const v1::ReplayResponse::Entity& entity : step.entities()) TellEntity(entity);
  }
  int64_t told() const { return told_; }

 private:
  void TellCommit(const v1::Commit& commit) {
    std::string line = absl::StrCat(++told_, ". ", ShortTime(commit.commit_time()), "  ",
                                    ActorText(commit.actor(), commit.on_behalf_of()), "  ",
                                    ShortMethod(commit.method()));
    if (!commit.reason().empty()) absl::StrAppend(&line, ", because: ", commit.reason());
    out_ << Styled(Printable(line), "1", style_.color) << "  (position " << commit.position();
    if (commit.change_set() != commit.position()) out_ << ", change set " << commit.change_set();
    if (commit.undoes() != 0) out_ << ", takes back change set " << commit.undoes();
    out_ << ")\n";
  }

  void TellEntity(const v1::ReplayResponse::Entity& entity) {
    out_ << "  " << Printable(ShortEntity(entity.name()));
    for (const std::string& type : entity.types()) out_ << "  " << Printable(type);
    out_ << '\n';
    PrintFieldChanges(entity.changes(), out_, style_);
  }

  std::ostream& out_;
  const TableStyle style_;
  int64_t told_ = 0;
};

absl::Status RunReplay(Session& session, const ReplayFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format == OutputFormat::kCsv) {
    return absl::InvalidArgumentError("replay writes text or JSON lines, no csv");
  }
  absl::StatusOr<v1::ReplayRequest> request = RequestOf(session, flags);
  if (!request.ok()) return request.status();
  Story story(session.out(), style->table);
  return ForEachMessage<v1::ReplayRequest, v1::ReplayResponse>(
      session, &v1::History::Stub::Replay, *request, [&](const v1::ReplayResponse& step) {
        if (step.has_answered()) {
          session.err() << story.told() << " commits, up to position " << step.answered().position()
                        << '\n';
        } else if (style->format == OutputFormat::kTable) {
          story.Tell(step);
        } else {
          session.out() << ToJson(step) << '\n';
        }
        return absl::OkStatus();
      });
}

}  // namespace

void AddHistoryReplay(CLI::App& noun, Session& session) {
  CLI::App* verb = AddVerb(noun, "replay", "what happened, as a story, oldest first",
                           "retrace history replay customers/01jd8e6x2k\n  retrace history replay "
                           "--from 2026-03-01 --until 2026-03-31 --actor anna");
  auto flags = std::make_shared<ReplayFlags>();
  verb->add_option("name", flags->name, "only what happened to it, e.g. customers/ID")
      ->option_text("NAME");
  verb->add_option("--from", flags->from, "first position, or time")->option_text("MOMENT");
  verb->add_option("--until", flags->until, "last position, or time (now)")->option_text("MOMENT");
  verb->add_option("--actor", flags->actor, "only what they did")->option_text("WHO");
  verb->add_option("--filter", flags->filter, "AIP-160 filter over commits, besides")
      ->option_text("FILTER");
  verb->callback([&session, flags] {
    session.Choose([&session, flags] { return RunReplay(session, *flags); });
  });
}

}  // namespace retrace::cli
