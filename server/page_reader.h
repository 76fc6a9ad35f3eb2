// Reads one page of a list: takes candidates, judges them on their rows, keeps to the page's
// bounds.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "domain/filter.h"
#include "domain/kind.h"
#include "retrace/store/v1/page_token.pb.h"
#include "server/candidates.h"
#include "server/list_route.h"
#include "server/lists.h"
#include "server/query_call.h"
#include "server/row_view.h"
#include "server/search.h"

namespace retrace::server {

// A list's request, understood.
struct ListTask {
  const domain::Kind& kind;
  const ListDeclaration& declaration;
  const ListOrder& order;
  bool order_given = false;
  bool backwards = false;
  domain::Filter filter;
  bool filter_decides_state = false;
  bool show_inactive = false;
  // What lies in the bin; others are hidden by their marks, too.
  bool only_binned = false;
  WantedMarks marks;
  std::optional<Search> search;
  size_t page_size = 0;
  // Where the page before stopped; nothing on the first page.
  std::optional<store::v1::PageToken> resume;
};

// Thread-compatible; lives for one page.
class PageReader {
 public:
  PageReader(const QueryCall& call, const PageLimits& limits, const ListTask& task,
             const RowView& view, const ListSink& sink);

  // Fills the page. Returns where the next one goes on (route, part, value, id), nothing at the end
  // of the list.
  absl::StatusOr<std::optional<store::v1::PageToken>> Read();

 private:
  // Place in the order of the list: entities without a value come last.
  struct SortKey {
    bool unset = false;
    std::string value;
    std::string id;
  };
  struct Collected {
    SortKey key;
    domain::RowPtr row;
  };

  absl::StatusOr<std::optional<store::v1::PageToken>> ReadSearch();
  absl::StatusOr<std::optional<store::v1::PageToken>> ReadSortedSearch();
  absl::StatusOr<std::optional<store::v1::PageToken>> ReadFiltered();
  // Walks the order itself, every entity of it or those that `route` offers in it.
  absl::StatusOr<std::optional<store::v1::PageToken>> Walk(const ListRoute& route);
  absl::StatusOr<bool> WalkPart(Candidates& candidates, uint32_t part);
  std::unique_ptr<Candidates> CandidatesOfPart(const ListRoute& route, uint32_t part,
                                               const std::optional<After>& after) const;
  // Collects every match among the candidates; false when there are too many for one page's bounds.
  absl::StatusOr<bool> Collect(Candidates& candidates);
  absl::StatusOr<bool> CollectPlace(const SearchPlace& place);
  void Keep(const std::string& id, domain::RowPtr row);
  absl::StatusOr<std::optional<store::v1::PageToken>> SortAndCut();

  absl::StatusOr<bool> SearchPart(uint32_t part);
  absl::StatusOr<bool> SearchIds(uint32_t part, const SearchPlace& place);
  // Which word of a search is walked: the one with the fewest entries.
  absl::StatusOr<size_t> ChooseWord() const;

  // The entity's row if it fits everything that was asked; then `shown_` holds it, and `find_`
  // where a search finds it. Null: it does not fit.
  absl::StatusOr<domain::RowPtr> Judge(const std::string& id);
  // Moves `shown_` into the page.
  void Emit();
  bool full() const { return emitted_ >= task_.page_size || bytes_ >= kMaxPageBytes; }
  // True when what one page may cost is spent.
  bool Spent(size_t entries) const;
  absl::Status CheckCaller() const;
  std::unique_ptr<Candidates> Walking(const eventstore::IndexRange& range,
                                      const std::optional<After>& after) const;
  eventstore::IndexRange RangeOf(const SearchPlace& place) const;
  SortKey KeyOf(const std::string& id, const domain::Row& row) const;
  bool Before(const SortKey& a, const SortKey& b) const;
  std::optional<After> Resumed(uint32_t part) const;
  std::optional<store::v1::PageToken> TokenAfter(uint32_t part, const std::string& value,
                                                 const std::string& id) const;

  // Pages stay below what gRPC clients receive by default.
  static constexpr size_t kMaxPageBytes = 3u << 20;

  const QueryCall& call_;
  const PageLimits& limits_;
  const ListTask& task_;
  const RowView& view_;
  const ListSink& sink_;
  const CandidateSource source_;
  const absl::Time half_way_;
  const domain::IndexDeclaration* const ordering_;
  std::optional<Search> search_;  // with the word that is walked
  std::string route_;             // of the token
  std::unique_ptr<google::protobuf::Message> shown_;
  std::optional<Search::Find> find_;
  std::vector<Collected> collected_;
  std::set<std::string> seen_;  // ids collected from several places
  size_t emitted_ = 0;
  size_t bytes_ = 0;
  size_t entries_ = 0;  // of walks that are over
  size_t rows_ = 0;
  std::optional<store::v1::PageToken> next_;
};

}  // namespace retrace::server
