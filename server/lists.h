// The one list of all kinds: filter, order, search and paging over whatever a kind declares. What
// it promises: queries.h.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "retrace/store/v1/page_token.pb.h"
#include "retrace/v1/common.pb.h"
#include "server/ledger.h"
#include "server/list_route.h"
#include "server/queries.h"
#include "server/query_call.h"
#include "server/row_view.h"

namespace retrace::server {

// A List request, whatever its kind. Views and references must outlive the call.
struct ListQuestion {
  const google::protobuf::Message& request;
  int page_size = 0;
  std::string_view page_token;
  std::string_view filter;
  std::string_view order_by;
  std::string_view query;
  bool show_inactive = false;
  bool show_deleted = false;
  // What lies in the bin, and nothing else, active or not.
  bool only_binned = false;
  const v1::AsOf& as_of;
};

// Makes room for one more entity at the end of the reply.
using ListSink = std::function<google::protobuf::Message*()>;

struct ListAnswer {
  std::string next_page_token;
  // Entities of the kind that existed at the moment and were purged since, up to max_reads.
  int64_t purged = 0;
  v1::Answered answered;
};

// 0: the default; above the largest: the largest; INVALID_FIELD when negative.
absl::StatusOr<size_t> PageSizeOf(int asked, int default_size, int max_size);

// Reads a page as of the view's position, from where the page before stopped. Returns where the
// next one goes on; nothing at the end of the list. Thread-safe.
absl::StatusOr<std::optional<store::v1::PageToken>> ReadListPage(
    const QueryCall& call, const PageLimits& limits, const ListDeclaration& declaration,
    const ListQuestion& question, const RowView& view, std::optional<store::v1::PageToken> resume,
    const ListSink& sink);

// Answers a page. Thread-safe.
absl::StatusOr<ListAnswer> AnswerList(Ledger& ledger, const PageLimits& limits,
                                      const ListDeclaration& declaration, const QueryCall& call,
                                      const ListQuestion& question, const ListSink& sink);

}  // namespace retrace::server
