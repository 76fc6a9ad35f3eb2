#include "domain/draft.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "domain/index_values.h"
#include "domain/lifecycle.h"
#include "domain/status_macros.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

// Entries of touched entities that a first look into the base is expected to meet.
constexpr size_t kExpectedTouched = 8;

bool IsOwnEvent(const Kind& kind, const google::protobuf::Message& event) {
  return std::any_of(kind.events.begin(), kind.events.end(), [&](const auto* own) {
    return own->GetDescriptor() == event.GetDescriptor();
  });
}

bool IsAboutReference(const google::protobuf::Message& event) {
  const std::string& type = event.GetDescriptor()->name();
  return type == "Detached" || type == "Reattached";
}

std::shared_ptr<Row> NewRow(const CommitHeader& header) {
  auto row = std::make_shared<Row>();
  row->head.set_lifecycle(store::v1::RowHead::LIVE);
  row->head.set_create_position(header.position);
  row->head.set_create_time_us(header.time_us);
  return row;
}

// Keeps the head's subject true; another subject's key is not known yet.
void UpdateSubject(const Kind& kind, const EntityRef& entity, Row& row) {
  if (kind.subject == nullptr || row.resource == nullptr || row.purged()) {
    return;
  }
  std::string subject = kind.subject(entity, row);
  if (subject != row.head.subject()) {
    row.head.set_subject(std::move(subject));
    row.head.clear_key_id();
  }
}

}  // namespace

Draft::Draft(const View& base, const CommitHeader& header) : base_(base), header_(header) {}

absl::StatusOr<RowPtr> Draft::Get(const EntityRef& entity) const {
  const auto found = touched_.find(entity);
  return found == touched_.end() ? base_.Get(entity) : RowPtr(found->second.after);
}

absl::StatusOr<RowPtr> Draft::GetAt(const EntityRef& entity, Position position) const {
  return position >= header_.position ? Get(entity) : base_.GetAt(entity, position);
}

bool Draft::TouchesKind(KindNumber kind) const {
  const auto first = touched_.lower_bound({kind, ""});
  return first != touched_.end() && first->first.kind == kind;
}

absl::StatusOr<std::vector<IndexHit>> Draft::Find(const IndexRange& range, size_t limit) const {
  if (!TouchesKind(range.kind)) {
    return base_.Find(range, limit);
  }
  std::vector<IndexHit> hits;
  for (size_t ask = limit + kExpectedTouched;; ask *= 4) {
    RETRACE_ASSIGN(hits, base_.Find(range, ask));
    const bool all = hits.size() < ask;
    // What the draft touched is in the overlay as it is now.
    std::erase_if(hits, [&](const IndexHit& hit) {
      return touched_.contains({range.kind, hit.id});
    });
    if (all || hits.size() >= limit) {
      break;
    }
  }
  const Overlay& overlay = OverlayOf(range.kind, range.index);
  const auto base_hits = static_cast<std::ptrdiff_t>(hits.size());
  for (auto it = overlay.lower_bound({range.lower, ""}); it != overlay.end(); ++it) {
    const auto& [value, id] = it->first;
    if ((!range.upper.empty() && value >= range.upper) ||
        hits.size() - static_cast<size_t>(base_hits) == limit) {
      break;
    }
    hits.push_back({value, id, it->second});
  }
  std::inplace_merge(hits.begin(), hits.begin() + base_hits, hits.end(),
                     [](const IndexHit& a, const IndexHit& b) {
                       return std::tie(a.value, a.id) < std::tie(b.value, b.id);
                     });
  hits.resize(std::min(hits.size(), limit));
  return hits;
}

const Draft::Overlay& Draft::OverlayOf(KindNumber kind, uint8_t number) const {
  auto [found, is_new] = overlays_.try_emplace({kind, number});
  const IndexDeclaration* index = FindIndex(KindOf(kind), number);
  if (is_new && index != nullptr) {
    for (auto it = touched_.lower_bound({kind, ""}); it != touched_.end() && it->first.kind == kind;
         ++it) {
      const Row& row = *it->second.after;
      if (row.purged()) {
        continue;
      }
      for (std::string& value : IndexValues(*index, *row.resource)) {
        found->second.emplace(std::pair(std::move(value), it->first.id), MarkOf(row));
      }
    }
  }
  return found->second;
}

void Draft::Unlay(const EntityRef& entity, const Row& row) {
  for (auto& [index, overlay] : overlays_) {
    const IndexDeclaration* declared =
        index.first == entity.kind ? FindIndex(KindOf(entity.kind), index.second) : nullptr;
    if (declared != nullptr && row.resource != nullptr) {
      for (std::string& value : IndexValues(*declared, *row.resource)) {
        overlay.erase({std::move(value), entity.id});
      }
    }
  }
}

void Draft::Lay(const EntityRef& entity, const Row& row) {
  for (auto& [index, overlay] : overlays_) {
    const IndexDeclaration* declared =
        index.first == entity.kind ? FindIndex(KindOf(entity.kind), index.second) : nullptr;
    if (declared != nullptr && row.resource != nullptr && !row.purged()) {
      for (std::string& value : IndexValues(*declared, *row.resource)) {
        overlay[{std::move(value), entity.id}] = MarkOf(row);
      }
    }
  }
}

absl::Status Draft::Emit(const EntityRef& entity,
                         std::shared_ptr<const google::protobuf::Message> event) {
  const Kind& kind = KindOf(entity.kind);
  auto found = touched_.find(entity);
  if (found == touched_.end()) {
    RETRACE_ASSIGN(RowPtr before, base_.Get(entity));
    std::shared_ptr<Row> after =
        before == nullptr ? NewRow(header_) : std::make_shared<Row>(*before);
    after->head.clear_taken_back();
    found = touched_.emplace(entity, Touched{std::move(before), std::move(after)}).first;
  } else {
    Unlay(entity, *found->second.after);
    if (found->second.after.use_count() > 1) {
      // Somebody holds the row as it was; it must not change under them.
      found->second.after = std::make_shared<Row>(*found->second.after);
    }
  }
  Row& row = *found->second.after;
  row.head.set_revision(row.head.revision() + 1);
  row.head.set_update_position(header_.position);
  row.head.set_update_time_us(header_.time_us);
  row.head.set_actor(header_.actor);
  row.head.set_change_set(header_.change_set);
  const bool generic = ApplyLifecycle(*event, kind, header_, row);
  if (!generic && !IsOwnEvent(kind, *event)) {
    return absl::InternalError(
        fmt::format("a {} knows no event {}", kind.singular, event->GetDescriptor()->name()));
  }
  if (!generic || IsAboutReference(*event)) {
    kind.apply(*event, header_, row);
  }
  UpdateSubject(kind, entity, row);
  Lay(entity, row);
  events_.push_back({entity, row.head.revision(), std::move(event)});
  return absl::OkStatus();
}

void Draft::Target(const EntityRef& entity, std::string element) {
  targets_.push_back(entity);
  if (!element.empty()) {
    elements_.insert_or_assign(entity, std::move(element));
  }
}

std::string_view Draft::ElementOf(const EntityRef& entity) const {
  const auto found = elements_.find(entity);
  return found == elements_.end() ? std::string_view() : std::string_view(found->second);
}

void Draft::SetKey(const EntityRef& entity, const std::string& subject, const std::string& key_id) {
  const auto found = touched_.find(entity);
  if (found == touched_.end() || subject.empty() ||
      found->second.after->head.subject() != subject) {
    return;
  }
  if (found->second.after.use_count() > 1) {
    found->second.after = std::make_shared<Row>(*found->second.after);
  }
  found->second.after->head.set_key_id(key_id);
}

}  // namespace retrace::domain
