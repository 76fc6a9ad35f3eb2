#include <memory>
#include <string>

#include "clients/cli/app.h"
#include "clients/cli/history_streams.h"
#include "clients/cli/nouns.h"
#include "clients/cli/text_width.h"
#include "clients/cli/time_text.h"

namespace retrace::cli {
namespace {

absl::Status RunExplain(Session& session, const std::string& text) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> name = ResolveAnyName(session, text);
  if (!name.ok()) return name.status();
  v1::ExplainRequest request;
  request.set_name(*name);
  const auto reply = session.Ask<v1::ExplainResponse>("History.Explain", request);
  if (!reply.ok()) return reply.status();
  if (style->format != OutputFormat::kTable) {
    PrintMessage(*reply, *style, session.out());
    return absl::OkStatus();
  }
  session.out() << Styled(Printable(reply->summary()), "1", style->table.color) << '\n';
  for (const v1::ExplainResponse::Cause& cause : reply->causes()) {
    session.out() << "  " << cause.position() << "  " << ShortTime(cause.commit_time()) << "  "
                  << Printable(cause.text()) << '\n';
  }
  return absl::OkStatus();
}

}  // namespace

void AddExplain(CLI::App& noun, Session& session) {
  noun.footer(
      "Example:\n  retrace explain customers/01jd8e6x2k\n  retrace explain customers/ext:C-7");
  auto name = std::make_shared<std::string>();
  noun.add_option("name", *name, "the entity, e.g. customers/ID")->option_text("NAME")->required();
  noun.callback([&session, name] {
    session.Choose([&session, name] { return RunExplain(session, *name); });
  });
}

}  // namespace retrace::cli
