#include "domain/timer.h"

#include <algorithm>

#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "retrace/store/v1/timers.pb.h"

namespace retrace::domain {
namespace {

// True when the row waits for exactly that moment.
bool WaitsFor(const Kind& kind, const Row& row, int64_t due_us) {
  for (const IndexDeclaration& index : kind.indexes) {
    if (index.number == kind.due_index && kind.due_index != 0) {
      const std::vector<std::string> values = IndexValues(index, *row.resource);
      return std::find(values.begin(), values.end(), EncodeNumber(due_us)) != values.end();
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<std::vector<Due>> FindDue(const View& view, int64_t now_us, size_t limit) {
  std::vector<Due> due;
  for (const Kind& kind : Kinds()) {
    if (kind.due_index == 0) {
      continue;
    }
    RETRACE_ASSIGN(const auto hits,
                   view.Find({kind.number, kind.due_index, "", EncodeNumber(now_us + 1)}, limit));
    for (const IndexHit& hit : hits) {
      if (hit.mark == Mark::kLive) {
        due.push_back({{kind.number, hit.id}, DecodeNumber(hit.value)});
      }
    }
  }
  return due;
}

absl::Status Decide(const store::v1::Fire& fire, Draft& draft, const Context& context) {
  const EntityRef entity = FromStored(fire.entity());
  const Kind& kind = KindOf(entity.kind);
  RETRACE_ASSIGN(RowPtr row, draft.Get(entity));
  if (row == nullptr || !row->live() || !WaitsFor(kind, *row, fire.due_us())) {
    return Refusal(v1::STATE_REFUSED, fmt::format("{} does not wait for this moment any more.",
                                                  NameOf(context.header.tenant, entity)))
        .Next("There is nothing to do.");
  }
  if (context.header.time_us < fire.due_us()) {
    return Refusal(v1::STATE_REFUSED, fmt::format("{} waits for a later moment.",
                                                  NameOf(context.header.tenant, entity)))
        .Next("There is nothing to do yet.");
  }
  return kind.fire({entity, std::move(row)}, fire, draft, context);
}

}  // namespace retrace::domain
