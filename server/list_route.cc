#include "server/list_route.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "domain/index_values.h"
#include "domain/status_macros.h"
#include "google/api/resource.pb.h"
#include "retrace/store/v1/row.pb.h"
#include "server/numbers.h"
#include "server/search.h"

namespace retrace::server {
namespace {

using domain::Comparator;
using domain::Filter;
using domain::IndexDeclaration;
using domain::Kind;
using domain::Normaliser;
using domain::Restriction;
using eventstore::IndexRange;
using google::protobuf::FieldDescriptor;

// A set of this size or less is read as it is: intersecting would cost more.
constexpr size_t kIntersectAbove = 1000;

const FieldDescriptor* LeafOf(const Kind& kind, const std::vector<std::string>& path) {
  const google::protobuf::Descriptor* type = kind.resource->GetDescriptor();
  const FieldDescriptor* field = nullptr;
  for (const std::string& part : path) {
    field = type == nullptr ? nullptr : type->FindFieldByName(part);
    if (field == nullptr) return nullptr;
    type = field->message_type();
  }
  return field;
}

// The index over the field, or over the message that it lies in, e.g. `phones` for `phones.e164`.
const IndexDeclaration* IndexFor(const Kind& kind, const std::vector<std::string>& path) {
  for (const IndexDeclaration& index : kind.indexes) {
    if (index.normaliser == Normaliser::kNameWords) continue;
    for (const std::string& field : index.fields) {
      const std::vector<std::string> parts = absl::StrSplit(field, '.');
      if (parts.size() <= path.size() && std::equal(parts.begin(), parts.end(), path.begin()))
        return &index;
    }
  }
  return nullptr;
}

// True when entities that match `field = text` all have the very values in the index that `text`
// alone has there, although filters compare strings without case.
bool EqualityIsIndexed(const IndexDeclaration& index, const FieldDescriptor& leaf) {
  switch (index.normaliser) {
    case Normaliser::kCaseless:
    case Normaliser::kSortName:
    case Normaliser::kNumber:
      return true;
    case Normaliser::kTime:  // a date is a range of times
      return false;
    case Normaliser::kPhone:
      return leaf.name() == "e164";
    case Normaliser::kExact:
      return leaf.cpp_type() == FieldDescriptor::CPPTYPE_ENUM ||
             leaf.options().HasExtension(google::api::resource_reference) ||
             domain::ComparesExactly(leaf);
    case Normaliser::kNameWords:
      return false;
  }
  return false;
}

std::optional<std::string> EqualValue(const Kind& kind, const IndexDeclaration& index,
                                      const Restriction& restriction) {
  const FieldDescriptor* leaf = LeafOf(kind, restriction.field);
  if (leaf == nullptr || !EqualityIsIndexed(index, *leaf)) return std::nullopt;
  std::string text = restriction.value;
  if (text.empty() || text.find('*') != std::string::npos) return std::nullopt;
  // Names of resources are lower case.
  if (leaf->options().HasExtension(google::api::resource_reference))
    text = absl::AsciiStrToLower(text);
  std::vector<std::string> values = IndexValuesOfText(kind, index, restriction.field, text);
  if (values.size() != 1) return std::nullopt;
  return std::move(values.front());
}

// Narrows `range` to [lowest, highest] of what the comparator leaves of a number or time that lies
// in [low, high]. Bounds are kept a little wide: the row decides.
bool NarrowTo(Comparator comparator, int64_t low, int64_t high, IndexRange& range) {
  const bool from = comparator != Comparator::kLess && comparator != Comparator::kLessEquals;
  const bool to = comparator != Comparator::kGreater && comparator != Comparator::kGreaterEquals;
  if (comparator == Comparator::kNotEquals) return false;
  if (from) range.lower = std::max(range.lower, domain::EncodeNumber(low));
  if (to && high < INT64_MAX) {
    const std::string upper = domain::EncodeNumber(high + 1);
    range.upper = range.upper.empty() ? upper : std::min(range.upper, upper);
  }
  return true;
}

// Narrows `range` by a comparison on a number, a time, a phone or the beginning of a text; false
// when the index does not answer it.
bool Narrow(const Kind& kind, const IndexDeclaration& index, const Restriction& restriction,
            IndexRange& range) {
  const FieldDescriptor* leaf = LeafOf(kind, restriction.field);
  if (leaf == nullptr || index.fields.size() != 1) return false;
  const std::string_view text = restriction.value;
  switch (index.normaliser) {
    case Normaliser::kNumber: {
      const std::optional<int64_t> number = ReadNumber<int64_t>(text);
      return number.has_value() && NarrowTo(restriction.comparator, *number, *number, range);
    }
    case Normaliser::kTime: {
      const std::optional<domain::TimeSpan> span = domain::ReadTimeSpan(text);
      return span.has_value() && NarrowTo(restriction.comparator, span->begin_us,
                                          std::max(span->begin_us, span->end_us), range);
    }
    case Normaliser::kCaseless: {
      const bool equals = restriction.comparator == Comparator::kEquals ||
                          (restriction.comparator == Comparator::kHas && leaf->is_repeated());
      if (!equals || text.size() < 2 || text.find('*') != text.size() - 1) return false;
      const std::string prefix = domain::FoldCaseless(text.substr(0, text.size() - 1));
      if (range.lower != "" || range.upper != "" || prefix.empty()) return false;
      range.lower = prefix;
      range.upper = domain::AfterPrefix(prefix);
      return true;
    }
    case Normaliser::kPhone: {
      const std::string digits = domain::DialledDigits(text);
      if (restriction.field.size() != 1 || digits.empty() || range.lower != "") return false;
      range.lower = digits;
      range.upper = domain::AfterPhoneDigits(digits);
      return true;
    }
    default:
      return false;
  }
}

// How many entities of the kind there are.
absl::StatusOr<size_t> EntitiesOf(const Kind& kind, const RowView& view) {
  RETRACE_ASSIGN(domain::RowPtr row, view.Get({domain::KindNumber::kCounters, ""}));
  int64_t count = 0;
  if (row == nullptr) return 0;
  for (const auto& counter : row->As<store::v1::Counters>().counters()) {
    if (counter.kind() == static_cast<uint32_t>(kind.number)) count += counter.count();
  }
  return static_cast<size_t>(std::max<int64_t>(count, 0));
}

struct Counted {
  IndexedRestriction restriction;
  size_t entries = 0;
};

// The restrictions, fewest entries first; what has more than the others is not counted to its end.
absl::StatusOr<std::vector<Counted>> CountAll(std::vector<IndexedRestriction> restrictions,
                                              const CandidateSource& source, size_t limit) {
  std::vector<Counted> counted;
  size_t fewest = limit;
  for (IndexedRestriction& restriction : restrictions) {
    RETRACE_ASSIGN(size_t entries, CountUpTo(source, restriction.range, fewest));
    fewest = std::min(fewest, std::max<size_t>(entries, 1));
    counted.push_back({std::move(restriction), entries});
  }
  std::stable_sort(counted.begin(), counted.end(),
                   [](const Counted& a, const Counted& b) { return a.entries < b.entries; });
  return counted;
}

}  // namespace

const IndexDeclaration* OrderingIndex(const Kind& kind, std::string_view field) {
  for (const IndexDeclaration& index : kind.indexes) {
    if (index.orders && !index.fields.empty() && index.fields[0] == field) return &index;
  }
  return nullptr;
}

IndexRange WholeIndex(const Kind& kind, const IndexDeclaration& index,
                      eventstore::TenantNumber tenant) {
  return {.tenant = tenant,
          .kind = static_cast<eventstore::KindNumber>(kind.number),
          .index = index.number};
}

std::vector<IndexRange> IdOrderRanges(const Kind& kind, eventstore::TenantNumber tenant) {
  std::vector<IndexRange> ranges;
  for (const IndexDeclaration& index : kind.indexes) {
    const FieldDescriptor* field =
        index.fields.size() == 1 ? kind.resource->GetDescriptor()->FindFieldByName(index.fields[0])
                                 : nullptr;
    if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM ||
        field->is_repeated())
      continue;
    for (int i = 0; i < field->enum_type()->value_count(); ++i) {
      const std::vector<std::string> values =
          IndexValuesOfText(kind, index, {field->name()}, field->enum_type()->value(i)->name());
      if (values.size() != 1) continue;
      ranges.push_back(IndexRange::Exactly(tenant, static_cast<eventstore::KindNumber>(kind.number),
                                           index.number, values.front()));
    }
    return ranges;
  }
  return ranges;
}

std::vector<IndexedRestriction> FindIndexed(const Kind& kind, const Filter& filter,
                                            eventstore::TenantNumber tenant) {
  std::vector<IndexedRestriction> found;
  for (const Restriction* restriction : filter.Conjuncts()) {
    const IndexDeclaration* index = IndexFor(kind, restriction->field);
    if (index == nullptr) continue;
    const FieldDescriptor* leaf = LeafOf(kind, restriction->field);
    // `:` is "contains" on texts, and "equals" on all else.
    const bool equals =
        restriction->comparator == Comparator::kEquals ||
        (restriction->comparator == Comparator::kHas && leaf != nullptr &&
         (leaf->is_repeated() || leaf->cpp_type() != FieldDescriptor::CPPTYPE_STRING));
    const std::optional<std::string> value =
        equals ? EqualValue(kind, *index, *restriction) : std::optional<std::string>();
    if (value.has_value()) {
      found.push_back({index,
                       IndexRange::Exactly(tenant, static_cast<eventstore::KindNumber>(kind.number),
                                           index->number, *value),
                       /*equality=*/true});
      continue;
    }
    auto same = std::find_if(found.begin(), found.end(), [index](const IndexedRestriction& other) {
      return other.index == index && !other.equality;
    });
    IndexRange range = same == found.end() ? WholeIndex(kind, *index, tenant) : same->range;
    if (!Narrow(kind, *index, *restriction, range)) continue;
    if (same == found.end()) {
      found.push_back({index, std::move(range), /*equality=*/false});
    } else {
      same->range = std::move(range);
    }
  }
  return found;
}

absl::StatusOr<ListRoute> ChooseRoute(const Kind& kind, const Filter& filter,
                                      const ListOrder& order, const CandidateSource& source,
                                      const RowView& view, size_t page_size, size_t max_reads) {
  ListRoute route;
  const IndexDeclaration* ordering =
      order.via == ListOrder::Via::kIndex ? OrderingIndex(kind, order.name) : nullptr;
  std::vector<IndexedRestriction> indexed = FindIndexed(kind, filter, view.tenant());
  // What restricts the order itself only says where the walk begins and ends.
  const auto on_order = std::find_if(
      indexed.begin(), indexed.end(),
      [ordering](const IndexedRestriction& restriction) { return restriction.index == ordering; });
  if (ordering != nullptr && on_order != indexed.end()) {
    route.order_range = on_order->range;
    indexed.erase(on_order);
  }
  if (indexed.empty()) return route;
  // Collecting reads the row of every entry; walking reads rows until the page is full. How many of
  // those fit the rest of the filter nobody knows, so walking is only better when there is no rest.
  const bool alone = filter.root().kind == domain::FilterNode::Kind::kRestriction;
  size_t limit = max_reads;
  if (alone && order.via != ListOrder::Via::kId) {
    RETRACE_ASSIGN(size_t entities, EntitiesOf(kind, view));
    const double worth = std::sqrt(static_cast<double>(page_size) * static_cast<double>(entities));
    limit = std::min(max_reads, static_cast<size_t>(worth) + 1);
  }
  RETRACE_ASSIGN(std::vector<Counted> counted, CountAll(std::move(indexed), source, limit));
  const Counted& best = counted.front();
  if (route.order_range.has_value()) {
    RETRACE_ASSIGN(size_t entries, CountUpTo(source, *route.order_range, best.entries + 1));
    if (entries <= best.entries) return route;
  }
  const auto second = std::find_if(counted.begin() + 1, counted.end(),
                                   [](const Counted& other) { return other.restriction.equality; });
  const bool intersect = best.restriction.equality && second != counted.end() &&
                         best.entries > std::min(kIntersectAbove, max_reads / 10);
  if (order.via == ListOrder::Via::kId && best.restriction.equality) {
    // Entries of one value lie in the order of ids already.
    route.first = best.restriction.range;
    if (intersect) route.second = second->restriction.range;
    return route;
  }
  if (intersect) {
    route.first = best.restriction.range;
    route.second = second->restriction.range;
    route.sort = true;
    return route;
  }
  if (best.entries < limit) {
    route.first = best.restriction.range;
    route.sort = true;
  } else if (order.via == ListOrder::Via::kId && second != counted.end()) {
    route.first = second->restriction.range;
  }
  return route;
}

}  // namespace retrace::server
