#include "server/lists.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "domain/filter.h"
#include "domain/index_values.h"
#include "domain/policy.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/moment.h"
#include "server/page_reader.h"
#include "server/page_token.h"
#include "server/row_view.h"
#include "server/search.h"

namespace retrace::server {
namespace {

using domain::Filter;
using domain::Refusal;
using store::v1::PageToken;

struct AskedOrder {
  const ListOrder* order = nullptr;
  bool given = false;
  bool backwards = false;
};

absl::StatusOr<AskedOrder> ParseOrder(const ListDeclaration& declaration,
                                      std::string_view order_by) {
  AskedOrder asked{.order = &declaration.orders.front()};
  const std::string text(order_by);
  const std::vector<std::string> words =
      absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.empty()) return asked;
  asked.given = true;
  asked.order = nullptr;
  for (const ListOrder& order : declaration.orders) {
    if (order.name == words[0]) asked.order = &order;
  }
  if (words.size() == 2 && words[1] == "desc") asked.backwards = true;
  const bool direction =
      words.size() == 1 || (words.size() == 2 && (words[1] == "desc" || words[1] == "asc"));
  if (asked.order == nullptr || !direction) {
    std::vector<std::string> names;
    for (const ListOrder& order : declaration.orders) names.emplace_back(order.name);
    return Refusal(v1::INVALID_FIELD, fmt::format("`{}` is no order of this list.", order_by))
        .Field("order_by", fmt::format("one of {}, alone or with ` desc` behind it",
                                       absl::StrJoin(names, ", ")));
  }
  return asked;
}

// Which entries a list looks at. A filter that names one state says so; one that mentions states
// otherwise gets all.
WantedMarks MarksOf(const Filter& filter, const ListQuestion& question) {
  if (question.only_binned) return {.live = false, .binned = true};
  if (!filter.Mentions("state")) return {.live = true, .binned = question.show_deleted};
  WantedMarks marks{.live = true, .binned = true};
  for (const domain::Restriction* restriction : filter.Conjuncts()) {
    if (restriction->field != std::vector<std::string>{"state"}) continue;
    if (restriction->comparator != domain::Comparator::kEquals ||
        restriction->value.find('*') != std::string::npos)
      continue;
    const bool hidden = absl::EqualsIgnoreCase(restriction->value, "DELETED") ||
                        absl::EqualsIgnoreCase(restriction->value, "MERGED");
    marks.live = marks.live && !hidden;
    marks.binned = marks.binned && hidden;
  }
  return marks;
}

// Tombstones stand since their entity was created, so that those of a moment are found at once.
absl::StatusOr<int64_t> PurgedSince(const domain::Kind& kind, const RowView& view, size_t most) {
  RETRACE_ASSIGN(const std::vector<domain::IndexHit> hits,
                 view.Find({kind.number, domain::kPurgedIndex,
                            domain::EncodeNumber(static_cast<int64_t>(view.position()) + 1), ""},
                           most));
  return static_cast<int64_t>(hits.size());
}

}  // namespace

absl::StatusOr<size_t> PageSizeOf(int asked, int default_size, int max_size) {
  if (asked < 0) {
    return Refusal(v1::INVALID_FIELD, "page_size is negative.")
        .Field("page_size",
               fmt::format("must be 0 (the default, {}) up to {}", default_size, max_size));
  }
  return static_cast<size_t>(asked == 0 ? default_size : std::min(asked, max_size));
}

absl::StatusOr<std::optional<PageToken>> ReadListPage(
    const QueryCall& call, const PageLimits& limits, const ListDeclaration& declaration,
    const ListQuestion& question, const RowView& view, std::optional<PageToken> resume,
    const ListSink& sink) {
  const domain::Kind& kind = domain::KindOf(declaration.kind);
  RETRACE_ASSIGN(size_t page_size,
                 PageSizeOf(question.page_size, limits.default_size, limits.max_size));
  RETRACE_ASSIGN(AskedOrder order, ParseOrder(declaration, question.order_by));
  RETRACE_ASSIGN(Filter filter, Filter::Parse(question.filter, *kind.resource->GetDescriptor(),
                                              declaration.filter_fields));
  std::optional<Search> search;
  if (!IsEmptySearch(question.query)) {
    RETRACE_ASSIGN(v1::Policy policy, domain::PolicyOf(view));
    search = Search::Parse(kind, question.query, policy.region_code());
  }
  const ListTask task{.kind = kind,
                      .declaration = declaration,
                      .order = *order.order,
                      .order_given = order.given,
                      .backwards = order.backwards,
                      .filter = filter,
                      .filter_decides_state = question.only_binned || filter.Mentions("state"),
                      .show_inactive = question.show_inactive,
                      .only_binned = question.only_binned,
                      .marks = MarksOf(filter, question),
                      .search = std::move(search),
                      .page_size = page_size,
                      .resume = std::move(resume)};
  PageReader reader(call, limits, task, view, sink);
  return reader.Read();
}

absl::StatusOr<ListAnswer> AnswerList(Ledger& ledger, const PageLimits& limits,
                                      const ListDeclaration& declaration, const QueryCall& call,
                                      const ListQuestion& question, const ListSink& sink) {
  std::optional<PageToken> resume;
  Moment moment;
  if (question.page_token.empty()) {
    RETRACE_ASSIGN(moment, ResolveAsOf(ledger, *call.tenant, question.as_of));
  } else {
    RETRACE_ASSIGN(resume, OpenPageToken(ledger, call, question.request, question.page_token));
    RETRACE_ASSIGN(moment, MomentAt(ledger, *call.tenant, resume->position()));
  }
  const RowView view(ledger.rows(), call.tenant->number, moment.position);
  RETRACE_ASSIGN(std::optional<PageToken> next,
                 ReadListPage(call, limits, declaration, question, view, std::move(resume), sink));
  ListAnswer answer;
  RETRACE_ASSIGN(answer.purged,
                 PurgedSince(domain::KindOf(declaration.kind), view, limits.max_reads));
  answer.answered = std::move(moment.answered);
  if (next.has_value()) {
    next->set_position(moment.position);
    RETRACE_ASSIGN(answer.next_page_token,
                   SealPageToken(ledger, call, question.request, *std::move(next)));
  }
  return answer;
}

}  // namespace retrace::server
