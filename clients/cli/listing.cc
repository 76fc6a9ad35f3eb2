#include "clients/cli/listing.h"

#include <algorithm>

#include "clients/cli/app.h"
#include "clients/cli/reflection.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

// Every list gives as many at once.
constexpr int64_t kLargestPage = 200;

}  // namespace

void AddListingFlags(CLI::App& verb, ListingFlags& flags) {
  verb.add_option("--filter", flags.filter, "AIP-160 filter")->option_text("FILTER");
  verb.add_option("--limit", flags.limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
}

absl::Status PrintListing(Session& session, absl::string_view method, const Message& request,
                          absl::string_view field, const std::vector<Column>& columns,
                          int64_t limit) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const Exchange shape = NewExchange(method);
  RowOutput rows(*style, columns, *FieldOf(*shape.response, field)->message_type(), session.out());
  std::string token;
  do {
    Exchange exchange = NewExchange(method);
    exchange.request->CopyFrom(request);
    SetInt32(*exchange.request, "page_size",
             static_cast<int32_t>(std::min(limit - rows.rows(), kLargestPage)));
    SetText(*exchange.request, "page_token", token);
    if (absl::Status status = session.Run(exchange); !status.ok()) return status;
    for (const Message* row : Elements(*exchange.response, field)) {
      if (rows.rows() < limit) rows.Add(*row);
    }
    token = GetText(*exchange.response, "next_page_token");
  } while (!token.empty() && rows.rows() < limit);
  rows.Finish();
  return absl::OkStatus();
}

absl::Status SendAndPrint(Session& session, Exchange& exchange, absl::string_view field) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (absl::Status status = session.Run(exchange); !status.ok()) return status;
  PrintMessage(Sub(*exchange.response, field), *style, session.out());
  session.NoteOutcome(static_cast<const v1::Outcome&>(Sub(*exchange.response, "outcome")));
  return absl::OkStatus();
}

}  // namespace retrace::cli
