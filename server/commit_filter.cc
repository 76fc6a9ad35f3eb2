#include "server/commit_filter.h"

#include <algorithm>
#include <optional>

#include "domain/kind.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "google/protobuf/util/time_util.h"
#include "server/commit_show.h"
#include "server/log_walk.h"
#include "server/numbers.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::Filter;
using domain::Restriction;
using eventstore::Position;
using google::protobuf::util::TimeUtil;
using store::v1::CommitFields;

void AddOnce(google::protobuf::RepeatedPtrField<std::string>& values, std::string_view value) {
  if (std::find(values.begin(), values.end(), value) == values.end())
    *values.Add() = std::string(value);
}

}  // namespace

const std::vector<std::string>& CommitFilterFields() {
  static const auto* const kFields = new std::vector<std::string>{
      "actor",      "on_behalf_of", "method", "reason", "time", "request_id",
      "change_set", "position",     "entity", "kind",   "type"};
  return *kFields;
}

absl::StatusOr<CommitFields> CommitFieldsOf(const Tenant& tenant, const Envelope& envelope) {
  CommitFields fields;
  fields.set_actor(std::string(envelope.actor));
  fields.set_on_behalf_of(std::string(envelope.on_behalf_of));
  fields.set_method(std::string(envelope.method));
  fields.set_reason(std::string(envelope.reason));
  *fields.mutable_time() = TimeUtil::MicrosecondsToTimestamp(envelope.commit_time_us);
  fields.set_request_id(std::string(envelope.request_id));
  fields.set_change_set(static_cast<int64_t>(envelope.change_set));
  fields.set_position(static_cast<int64_t>(envelope.position));
  EntityRef last;
  for (const Envelope::Event& event : envelope.events) {
    AddOnce(*fields.mutable_type(), event.type);
    if (event.kind == static_cast<uint32_t>(last.kind) && event.id == last.id) continue;
    RETRACE_ASSIGN(last, EntityOf(event));
    fields.add_entity(domain::NameOf(tenant.id, last));
    AddOnce(*fields.mutable_kind(), domain::KindOf(last.kind).collection);
  }
  return fields;
}

absl::StatusOr<PositionRange> RangeOf(Ledger& ledger, const Tenant& tenant, const Filter& filter,
                                      Position last) {
  PositionRange range{1, last};
  for (const Restriction* restriction : filter.Conjuncts()) {
    if (restriction->field.size() != 1 || restriction->comparator == domain::Comparator::kNotEquals)
      continue;
    Position low = 0, high = last;
    const std::optional<int64_t> number = ReadNumber<int64_t>(restriction->value);
    if (restriction->field[0] == "position" && number.has_value()) {
      low = high = static_cast<Position>(std::max<int64_t>(*number, 0));
    } else if (restriction->field[0] == "time") {
      const std::optional<domain::TimeSpan> span = domain::ReadTimeSpan(restriction->value);
      if (!span.has_value()) continue;
      RETRACE_ASSIGN(low, FirstPositionFrom(ledger.log(), tenant.number, last, span->begin_us));
      RETRACE_ASSIGN(high, FirstPositionFrom(ledger.log(), tenant.number, last,
                                             std::max(span->begin_us, span->end_us) + 1));
    } else {
      continue;
    }
    const bool from = restriction->comparator != domain::Comparator::kLess &&
                      restriction->comparator != domain::Comparator::kLessEquals;
    const bool to = restriction->comparator != domain::Comparator::kGreater &&
                    restriction->comparator != domain::Comparator::kGreaterEquals;
    if (from) range.first = std::max(range.first, low);
    if (to) range.last = std::min(range.last, high);
  }
  return range;
}

}  // namespace retrace::server
