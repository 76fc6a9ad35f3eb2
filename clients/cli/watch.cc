#include <memory>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/commit_text.h"
#include "clients/cli/nouns.h"
#include "clients/cpp/commit_watch.h"
#include "clients/cpp/error_details.h"

namespace retrace::cli {
namespace {

struct WatchFlags {
  int64_t after = 0;
  std::string epoch;
  bool from_start = false;
  std::vector<std::string> kinds;
  std::vector<std::string> methods;
  std::string view = "names";
  bool until_caught_up = false;
  int64_t limit = 0;
};

absl::StatusOr<v1::WatchCommitsRequest> RequestOf(Session& session, const WatchFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  absl::StatusOr<v1::CommitView> view = ParseCommitView(flags.view);
  if (!view.ok()) return view.status();
  if (flags.after > 0 && flags.epoch.empty()) {
    return absl::InvalidArgumentError("--after needs --epoch, as the watch printed it");
  }
  v1::WatchCommitsRequest request;
  request.set_parent(*tenant);
  request.set_view(*view);
  request.set_after_position(flags.from_start ? 0 : flags.after > 0 ? flags.after : -1);
  request.set_epoch(flags.epoch);
  request.mutable_kinds()->Assign(flags.kinds.begin(), flags.kinds.end());
  request.mutable_methods()->Assign(flags.methods.begin(), flags.methods.end());
  return request;
}

void PrintStep(Session& session, const v1::WatchCommitsResponse& step, const OutputStyle& style) {
  if (style.format != OutputFormat::kTable) {
    session.out() << ToJson(step) << '\n';
  } else if (step.has_commit()) {
    PrintCommit(step.commit(), session.out(), style.table);
  } else if (step.has_caught_up()) {
    session.err() << "caught up at position " << step.position() << " of epoch " << step.epoch()
                  << '\n';
  }
  session.out().flush();
}

absl::Status RunWatch(Session& session, const WatchFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format == OutputFormat::kCsv) {
    return absl::InvalidArgumentError("watch writes text or JSON lines, no csv");
  }
  absl::StatusOr<v1::WatchCommitsRequest> request = RequestOf(session, flags);
  if (!request.ok()) return request.status();
  absl::StatusOr<client::Client*> client = session.Client();
  if (!client.ok()) return client.status();
  client::CommitWatch watch(**client, *std::move(request));
  int64_t commits = 0;
  const absl::Status status = watch.Run(
      [&](const v1::WatchCommitsResponse& step) {
        PrintStep(session, step, *style);
        if (step.has_commit()) ++commits;
        const bool done = (flags.until_caught_up && step.has_caught_up()) ||
                          (flags.limit > 0 && commits >= flags.limit);
        return !done && session.out().good();
      },
      (*client)->options().timeout);
  if (watch.position() > 0) {
    session.err() << "go on with --after " << watch.position() << " --epoch " << watch.epoch()
                  << '\n';
  }
  const client::ErrorDetails details = client::DetailsOf(status);
  const auto branch = details.metadata.find("branch-position");
  if (details.reason == "EPOCH_CHANGED" && branch != details.metadata.end()) {
    session.err() << "the log was continued from position " << branch->second
                  << " in a new epoch: what came after it is gone; read again what you keep, then "
                     "watch from now on\n";
  }
  return status;
}

}  // namespace

void AddWatch(CLI::App& noun, Session& session) {
  noun.footer(
      "Reconnects by itself; gives up when the server stays away longer than --timeout.\n\n"
      "Example:\n  retrace watch --kind customers --view changes\n"
      "  retrace watch --from-start --until-caught-up -o jsonl");
  auto flags = std::make_shared<WatchFlags>();
  noun.add_option("--after", flags->after, "resume after this position (default: from now on)")
      ->option_text("POSITION");
  noun.add_option("--epoch", flags->epoch, "the epoch that the position is of")
      ->option_text("EPOCH");
  noun.add_flag("--from-start", flags->from_start, "everything that ever happened first");
  noun.add_option("--kind", flags->kinds, "only commits that touch this kind; may be repeated")
      ->option_text("KIND")
      ->expected(1)
      ->take_all();
  noun.add_option("--method", flags->methods, "only commits of this RPC; may be repeated")
      ->option_text("METHOD")
      ->expected(1)
      ->take_all();
  noun.add_option("--view", flags->view, "names, changes or events (names)")->option_text("VIEW");
  noun.add_option("--limit", flags->limit, "end after so many commits")
      ->option_text("N")
      ->check(AtLeastOne());
  noun.add_flag("--until-caught-up", flags->until_caught_up, "end when the present is reached");
  noun.callback([&session, flags] {
    session.Choose([&session, flags] { return RunWatch(session, *flags); });
  });
}

}  // namespace retrace::cli
