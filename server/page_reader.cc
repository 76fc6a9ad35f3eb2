#include "server/page_reader.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/time/clock.h"
#include "domain/index_values.h"
#include "domain/lifecycle.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/numbers.h"

namespace retrace::server {

using domain::EntityRef;
using domain::Refusal;
using domain::Row;
using domain::RowPtr;
using eventstore::IndexRange;
using store::v1::PageToken;

namespace {

// Entries of a word that are counted to find the rarest of several.
constexpr size_t kWordSample = 512;
constexpr std::string_view kWordPlan = "word:";

}  // namespace

PageReader::PageReader(const QueryCall& call, const PageLimits& limits, const ListTask& task,
                       const RowView& view, const ListSink& sink)
    : call_(call),
      limits_(limits),
      task_(task),
      view_(view),
      sink_(sink),
      source_{view.rows(), view.position(), task.backwards, task.marks},
      half_way_(call.half_way()),
      ordering_(task.order.via == ListOrder::Via::kIndex ? OrderingIndex(task.kind, task.order.name)
                                                         : nullptr),
      search_(task.search),
      shown_(task.kind.resource->New()) {}

absl::StatusOr<std::optional<PageToken>> PageReader::Read() {
  if (!search_.has_value()) return ReadFiltered();
  return task_.order_given ? ReadSortedSearch() : ReadSearch();
}

absl::StatusOr<std::optional<PageToken>> PageReader::ReadFiltered() {
  if (task_.order.via == ListOrder::Via::kTime) {
    return Refusal(
               v1::INVALID_FIELD,
               fmt::format("Only the finds of a search can be ordered by {}.", task_.order.name))
        .Field("order_by", "not possible without a query")
        .Next("Set a query, or choose another order.");
  }
  RETRACE_ASSIGN(ListRoute route, ChooseRoute(task_.kind, task_.filter, task_.order, source_, view_,
                                              task_.page_size, limits_.max_reads));
  if (route.sort) {
    std::unique_ptr<Candidates> candidates =
        route.second.has_value() ? WalkCommon(source_, *route.first, *route.second, std::nullopt)
                                 : WalkRange(source_, *route.first, std::nullopt);
    RETRACE_ASSIGN(bool complete, Collect(*candidates));
    if (complete) return SortAndCut();
    collected_.clear();
    entries_ = rows_ = 0;
    route.first.reset();
    route.second.reset();
  }
  return Walk(route);
}

// --- Walking in the order of the list ---

std::unique_ptr<Candidates> PageReader::CandidatesOfPart(const ListRoute& route, uint32_t part,
                                                         const std::optional<After>& after) const {
  if (route.first.has_value() && route.second.has_value())
    return WalkCommon(source_, *route.first, *route.second, after);
  if (route.first.has_value()) return WalkMerged(source_, {*route.first}, after);
  if (part == 0 && ordering_ != nullptr) {
    return WalkRange(source_,
                     route.order_range.value_or(WholeIndex(task_.kind, *ordering_, view_.tenant())),
                     after);
  }
  return WalkMerged(source_, IdOrderRanges(task_.kind, view_.tenant()), after);
}

absl::StatusOr<std::optional<PageToken>> PageReader::Walk(const ListRoute& route) {
  // Entities without a value of the order are in no entry of its index: a second part walks all and
  // takes only those. A filter that restricts the order's field matches none of them.
  const uint32_t parts = task_.order.may_be_unset && !route.order_range.has_value() ? 2 : 1;
  for (uint32_t part = task_.resume.has_value() ? task_.resume->part() : 0; part < parts; ++part) {
    const std::unique_ptr<Candidates> candidates = CandidatesOfPart(route, part, Resumed(part));
    RETRACE_ASSIGN(bool ended, WalkPart(*candidates, part));
    if (!ended) return next_;
    entries_ += candidates->reads();
  }
  return std::nullopt;
}

absl::StatusOr<bool> PageReader::WalkPart(Candidates& candidates, uint32_t part) {
  while (true) {
    RETRACE_RETURN_IF_ERROR(CheckCaller());
    const size_t used = entries_ + candidates.reads();
    RETRACE_ASSIGN(std::optional<Candidate> candidate,
                   candidates.Next(limits_.max_reads - std::min(used, limits_.max_reads - 1)));
    if (candidates.ended()) return true;
    // The page before the candidate is complete; that there is one is why it is not the last.
    if (candidate.has_value() && full()) return false;
    next_ = TokenAfter(part, candidates.passed().value, candidates.passed().id);
    if (candidate.has_value()) {
      RETRACE_ASSIGN(RowPtr row, Judge(candidate->id));
      if (row != nullptr && (part == 0 || KeyOf(candidate->id, *row).unset)) Emit();
    }
    if (Spent(entries_ + candidates.reads())) return false;
  }
}

// --- Collecting and sorting ---

absl::StatusOr<bool> PageReader::Collect(Candidates& candidates) {
  while (true) {
    RETRACE_RETURN_IF_ERROR(CheckCaller());
    RETRACE_ASSIGN(std::optional<Candidate> candidate, candidates.Next(limits_.max_reads));
    if (candidates.ended()) break;
    if (entries_ + candidates.reads() > 2 * limits_.max_reads || rows_ > limits_.max_reads)
      return false;
    if (absl::Now() >= half_way_) return false;
    if (!candidate.has_value() || !seen_.insert(candidate->id).second) continue;
    RETRACE_ASSIGN(RowPtr row, Judge(candidate->id));
    if (row != nullptr) Keep(candidate->id, std::move(row));
  }
  entries_ += candidates.reads();
  return true;
}

void PageReader::Keep(const std::string& id, RowPtr row) {
  SortKey key = KeyOf(id, *row);
  if (task_.resume.has_value()) {
    const SortKey last{task_.resume->part() == 1, task_.resume->value(), task_.resume->id()};
    if (!Before(last, key)) return;
  }
  collected_.push_back({std::move(key), std::move(row)});
  // Only the first of the rest are wanted, and one more to know that there is more.
  const size_t wanted = task_.page_size + 1;
  if (collected_.size() < 2 * wanted + 64) return;
  auto before = [this](const Collected& a, const Collected& b) { return Before(a.key, b.key); };
  std::nth_element(collected_.begin(), collected_.begin() + static_cast<ptrdiff_t>(wanted),
                   collected_.end(), before);
  collected_.resize(wanted);
}

absl::StatusOr<std::optional<PageToken>> PageReader::SortAndCut() {
  std::sort(collected_.begin(), collected_.end(),
            [this](const Collected& a, const Collected& b) { return Before(a.key, b.key); });
  for (const Collected& collected : collected_) {
    if (full()) return next_;
    domain::ShowResource(call_.tenant->id, {task_.kind.number, collected.key.id}, *collected.row,
                         *shown_);
    Emit();
    next_ = TokenAfter(collected.key.unset ? 1 : 0, collected.key.value, collected.key.id);
  }
  return std::nullopt;
}

PageReader::SortKey PageReader::KeyOf(const std::string& id, const Row& row) const {
  SortKey key{.id = id};
  if (task_.order.via == ListOrder::Via::kTime) {
    key.value = domain::EncodeNumber(task_.order.name == "create_time" ? row.head.create_time_us()
                                                                       : row.head.update_time_us());
  } else if (ordering_ != nullptr) {
    std::vector<std::string> values = domain::IndexValues(*ordering_, *row.resource);
    key.unset = values.empty();
    if (!values.empty()) key.value = std::move(values.front());
  }
  return key;
}

bool PageReader::Before(const SortKey& a, const SortKey& b) const {
  if (a.unset != b.unset) return b.unset;
  const auto left = std::tie(a.value, a.id), right = std::tie(b.value, b.id);
  return task_.backwards ? right < left : left < right;
}

// --- Searching ---

IndexRange PageReader::RangeOf(const SearchPlace& place) const {
  return {.tenant = view_.tenant(),
          .kind = static_cast<eventstore::KindNumber>(task_.kind.number),
          .index = place.index->number,
          .lower = place.lower,
          .upper = place.upper};
}

absl::StatusOr<size_t> PageReader::ChooseWord() const {
  const std::vector<SearchPlace>& choices = search_->word_choices();
  size_t best = 0, fewest = kWordSample;
  for (size_t i = 0; i < choices.size(); ++i) {
    RETRACE_ASSIGN(size_t entries, CountUpTo(source_, RangeOf(choices[i]), fewest));
    if (entries < fewest) {
      fewest = entries;
      best = i;
    }
  }
  return best;
}

absl::StatusOr<std::optional<PageToken>> PageReader::ReadSearch() {
  size_t word = 0;
  if (task_.resume.has_value()) {
    // The next page walks the same word as the first.
    route_ = task_.resume->route();
    if (route_.starts_with(kWordPlan)) {
      word = ReadNumber<size_t>(std::string_view(route_).substr(kWordPlan.size())).value_or(0);
    }
  } else if (!search_->word_choices().empty()) {
    RETRACE_ASSIGN(word, ChooseWord());
    route_ = fmt::format("{}{}", kWordPlan, word);
  }
  search_ = search_->WithWord(word);
  const uint32_t first = task_.resume.has_value() ? task_.resume->part() : 0;
  for (uint32_t part = first; part < search_->places().size(); ++part) {
    RETRACE_ASSIGN(bool ended, SearchPart(part));
    if (!ended) return next_;
  }
  return std::nullopt;
}

absl::StatusOr<bool> PageReader::SearchPart(uint32_t part) {
  const SearchPlace& place = search_->places()[part];
  if (place.index == nullptr) return SearchIds(part, place);
  const std::unique_ptr<Candidates> candidates = Walking(RangeOf(place), Resumed(part));
  while (true) {
    RETRACE_RETURN_IF_ERROR(CheckCaller());
    const size_t used = entries_ + candidates->reads();
    RETRACE_ASSIGN(std::optional<Candidate> candidate,
                   candidates->Next(limits_.max_reads - std::min(used, limits_.max_reads - 1)));
    if (candidates->ended()) break;
    if (candidate.has_value() && full()) return false;
    next_ = TokenAfter(part, candidates->passed().value, candidates->passed().id);
    if (candidate.has_value()) {
      RETRACE_ASSIGN(RowPtr row, Judge(candidate->id));
      // An entity with several entries here, or in an earlier place, too, is told at the first of
      // them.
      if (row != nullptr && find_->place == part && find_->value == candidate->value) Emit();
    }
    if (Spent(entries_ + candidates->reads())) return false;
  }
  entries_ += candidates->reads();
  return true;
}

absl::StatusOr<bool> PageReader::SearchIds(uint32_t part, const SearchPlace& place) {
  if (Resumed(part).has_value()) return true;
  if (full()) return false;
  RETRACE_ASSIGN(RowPtr row, Judge(place.id));
  if (row != nullptr && find_->place == part) Emit();
  next_ = TokenAfter(part, "", place.id);
  return true;
}

absl::StatusOr<bool> PageReader::CollectPlace(const SearchPlace& place) {
  if (place.index == nullptr) {
    if (!seen_.insert(place.id).second) return true;
    RETRACE_ASSIGN(RowPtr row, Judge(place.id));
    if (row != nullptr) Keep(place.id, std::move(row));
    return true;
  }
  const std::unique_ptr<Candidates> candidates = Walking(RangeOf(place), std::nullopt);
  return Collect(*candidates);
}

absl::StatusOr<std::optional<PageToken>> PageReader::ReadSortedSearch() {
  size_t word = 0;
  if (!search_->word_choices().empty()) {
    RETRACE_ASSIGN(word, ChooseWord());
  }
  search_ = search_->WithWord(word);
  bool complete = true;
  for (const SearchPlace& place : search_->places()) {
    RETRACE_ASSIGN(complete, CollectPlace(place));
    if (!complete) break;
  }
  if (complete) return SortAndCut();
  if (task_.order.via == ListOrder::Via::kTime) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("The search finds more than {} entities, too many to order by {}.",
                               limits_.max_reads, task_.order.name))
        .Field("order_by", "possible up to 10,000 finds only")
        .Next("Search for more, add a filter, or leave order_by unset.");
  }
  // Finds are that many that the order's own index comes across them.
  collected_.clear();
  entries_ = rows_ = 0;
  return Walk({});
}

// --- What all ways share ---

std::unique_ptr<Candidates> PageReader::Walking(const IndexRange& range,
                                                const std::optional<After>& after) const {
  CandidateSource forwards{source_.rows, source_.position, /*backwards=*/false, source_.marks};
  return WalkRange(forwards, range, after);
}

absl::StatusOr<RowPtr> PageReader::Judge(const std::string& id) {
  ++rows_;
  const EntityRef entity{task_.kind.number, id};
  RETRACE_ASSIGN(RowPtr row, view_.Get(entity));
  if (row == nullptr || row->purged()) return nullptr;
  if (!task_.marks.Has(static_cast<eventstore::Mark>(domain::MarkOf(*row)))) return nullptr;
  if (task_.only_binned && !row->binned()) return nullptr;
  if (!task_.filter_decides_state && !task_.show_inactive && domain::StateName(*row) == "INACTIVE")
    return nullptr;
  if (search_.has_value()) {
    find_ = search_->FirstFind(id, *row->resource);
    if (!find_.has_value()) return nullptr;
  }
  domain::ShowResource(call_.tenant->id, entity, *row, *shown_);
  if (!task_.filter.empty() && !task_.filter.Matches(*shown_)) return nullptr;
  return row;
}

void PageReader::Emit() {
  google::protobuf::Message* place = sink_();
  place->GetReflection()->Swap(place, shown_.get());
  shown_.reset(task_.kind.resource->New());
  bytes_ += place->ByteSizeLong();
  ++emitted_;
}

bool PageReader::Spent(size_t entries) const {
  return entries >= limits_.max_reads || rows_ >= limits_.max_reads || absl::Now() >= half_way_;
}

absl::Status PageReader::CheckCaller() const {
  if (!call_.gone()) return absl::OkStatus();
  return Refusal(v1::CALLER_CANCELLED, "The caller went away.");
}

std::optional<After> PageReader::Resumed(uint32_t part) const {
  if (!task_.resume.has_value() || task_.resume->part() != part) return std::nullopt;
  return After{task_.resume->value(), task_.resume->id()};
}

std::optional<PageToken> PageReader::TokenAfter(uint32_t part, const std::string& value,
                                                const std::string& id) const {
  PageToken token;
  token.set_route(route_);
  token.set_part(part);
  token.set_value(value);
  token.set_id(id);
  return token;
}

}  // namespace retrace::server
