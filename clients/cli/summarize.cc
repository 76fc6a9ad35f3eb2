#include <memory>

#include "clients/cli/entity_verbs.h"
#include "clients/cli/money_text.h"
#include "clients/cli/nouns.h"
#include "retrace/v1/customers.pb.h"

namespace retrace::cli {
namespace {

absl::Status RunSummarize(Session& session, const std::string& customer) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> name =
      customer.empty() ? session.Tenant() : ResolveName(session, CustomerNoun(), customer);
  if (!name.ok()) return name.status();
  v1::SummarizeRequest request;
  request.set_name(*name);
  const auto reply = session.Ask<v1::SummarizeResponse>("Customers.Summarize", request);
  if (!reply.ok()) return reply.status();
  if (style->format == OutputFormat::kTable) {
    Table table({{"KIND"}, {"STATE"}, {"STAGE"}, {"COUNT", Align::kRight}, {"SUM", Align::kRight}});
    for (const auto& group : reply->groups()) {
      std::string sum;
      if (!group.currency().empty()) {
        sum = MinorUnitsText(group.sum_minor_units(), group.currency()) + " " + group.currency();
      }
      table.Add({group.kind(), group.state(), group.stage(), std::to_string(group.count()), sum});
    }
    table.Print(session.out(), style->table);
    return absl::OkStatus();
  }
  if (style->format == OutputFormat::kJson) {
    PrintMessage(*reply, *style, session.out());
    return absl::OkStatus();
  }
  RowOutput rows(*style, AllColumns(*v1::SummarizeResponse::Group::descriptor()),
                 *v1::SummarizeResponse::Group::descriptor(), session.out());
  for (const auto& group : reply->groups()) rows.Add(group);
  rows.Finish();
  return absl::OkStatus();
}

}  // namespace

void AddSummarize(CLI::App& noun, Session& session) {
  noun.footer(
      "Example:\n  retrace summarize\n  retrace summarize 01jd8e6x2k --as-of 2026-03-31 -o json");
  auto customer = std::make_shared<std::string>();
  noun.add_option("customer", *customer, "only what this customer has; none: the whole tenant")
      ->option_text("[CUSTOMER]");
  noun.callback([&session, customer] {
    session.Choose([&session, customer] { return RunSummarize(session, *customer); });
  });
}

}  // namespace retrace::cli
