// A draft: a view with the events of the command that is being decided laid over it.
//
// Emit applies an event at once, so later steps of the same command (batches, cascades) see it.
// When decide is through, Check judges every touched entity on the final state of all, and Project
// turns the draft into keys. The same two calls serve replay, with Emit fed from stored events and
// without Check.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/entity.h"
#include "domain/kind.h"
#include "domain/view.h"

namespace retrace::domain {

// The most entities that one commit touches, and so the most elements of a batch.
inline constexpr int kMostEntities = 1000;

// An event with the entity that it happened to.
struct DraftEvent {
  EntityRef entity;
  uint64_t revision = 0;  // of the entity after the event
  std::shared_ptr<const google::protobuf::Message> event;
};

// A new version of a row; entity or derived.
struct ProjectedRow {
  EntityRef entity;
  RowPtr row;
  // Serialised store::v1::StoredRow.
  std::string bytes;
  // Since when it holds; 0: since its commit.
  Position position = 0;
};

struct ProjectedEntry {
  KindNumber kind{};
  uint8_t index = 0;
  std::string value;
  std::string id;
  Mark mark = Mark::kLive;
  // Since when it holds; 0: since its commit. Of a removal: the version.
  Position position = 0;
};

// A version of a row that is removed for ever.
struct RemovedRow {
  EntityRef entity;
  Position position = 0;
};

// The keys that one commit writes into rows, after removing others for ever.
struct Projection {
  std::vector<ProjectedRow> rows;
  std::vector<ProjectedEntry> entries;
  std::vector<RemovedRow> removed_rows;
  std::vector<ProjectedEntry> removed_entries;
};

// Lives for one command and one thread: it remembers between reads, so not even const calls may run
// at once. `base` and `header` must outlive it.
class Draft : public View {
 public:
  Draft(const View& base, const CommitHeader& header);

  absl::StatusOr<RowPtr> Get(const EntityRef& entity) const override;
  absl::StatusOr<RowPtr> GetAt(const EntityRef& entity, Position position) const override;
  absl::StatusOr<std::vector<IndexHit>> Find(const IndexRange& range, size_t limit) const override;

  // Applies an event. Errors are those of reading, and INTERNAL when the kind has no such event.
  // Afterwards the row's head names the subject under which the event's personal fields are sealed.
  absl::Status Emit(const EntityRef& entity,
                    std::shared_ptr<const google::protobuf::Message> event);
  // Names an entity that the command was addressed to; the reply shows them in this order. In a
  // batch `element` is what the request calls it, e.g. `requests[17]`, for refusals.
  void Target(const EntityRef& entity, std::string element = {});
  // The change set that the command takes back.
  void Undoes(Position change_set) { undoes_ = change_set; }
  // A sentence for the caller that is part of the reply.
  void Note(std::string sentence) { notes_.push_back(std::move(sentence)); }
  // Something that the caller of a destructive command must acknowledge before it is executed. `id`
  // is stable, e.g. `PURGE_IS_FINAL`; the same id once.
  void Warn(std::string id, std::string sentence) {
    warnings_.push_back({std::move(id), std::move(sentence)});
  }
  // What no undo could bring back of the entity afterwards, and why; shown in plans.
  void Lose(const EntityRef& entity, std::string sentence) {
    losses_.push_back({entity, std::move(sentence)});
  }

  // Makes room for a command that one commit does not hold: it may touch this many entities, and is
  // committed in parts or not at all. `deletion` is what a deletion in it is known by, see Deleted;
  // 0: not known yet.
  void Widen(size_t most_entities, Position deletion) {
    most_entities_ = most_entities;
    deletion_ = deletion;
  }
  size_t most_entities() const { return most_entities_; }
  Position deletion() const { return deletion_; }

  // Judges the outcome: each kind's check, legal holds, unique keys, sizes (10,000 events, 1,000
  // entities, event 64 KiB, row 256 KiB, commit 1 MiB), bounds of the tenant; and that no operation
  // is at work on what it touches (BUSY).
  absl::Status Check(const Context& context) const;
  // Keys of rows, index entries, counters, request and change set tally.
  absl::StatusOr<Projection> Project() const;
  // Records under which key the subject's personal fields were sealed; before Project, so that rows
  // know it, and only for events that have a sealed part, so that replay does the same. Nothing
  // happens when the entity's subject is empty or another one by now.
  void SetKey(const EntityRef& entity, const std::string& subject, const std::string& key_id);

  // What the draft lies over.
  const View& base() const { return base_; }
  const std::vector<DraftEvent>& events() const { return events_; }
  const std::vector<EntityRef>& targets() const { return targets_; }
  const std::vector<std::string>& notes() const { return notes_; }
  struct Warning {
    std::string id;
    std::string sentence;
  };
  const std::vector<Warning>& warnings() const { return warnings_; }
  struct Loss {
    EntityRef entity;
    std::string sentence;
  };
  const std::vector<Loss>& losses() const { return losses_; }
  const CommitHeader& header() const { return header_; }
  Position undoes() const { return undoes_; }  // 0: nothing

  // Entities touched, with the row before (null: new) and the row now.
  struct Touched {
    RowPtr before;
    std::shared_ptr<Row> after;
  };
  const std::map<EntityRef, Touched>& touched() const { return touched_; }

  // What the request calls a targeted entity; empty when it has no name of its own.
  std::string_view ElementOf(const EntityRef& entity) const;

 private:
  // What touched entities contribute to one index: by value and id.
  using Overlay = std::map<std::pair<std::string, std::string>, Mark>;

  const Overlay& OverlayOf(KindNumber kind, uint8_t index) const;
  // Takes the entity's entries out of the overlays that were asked for, or lays them in.
  void Unlay(const EntityRef& entity, const Row& row);
  void Lay(const EntityRef& entity, const Row& row);
  bool TouchesKind(KindNumber kind) const;

  const View& base_;
  const CommitHeader& header_;
  std::map<EntityRef, Touched> touched_;
  std::vector<DraftEvent> events_;
  std::vector<EntityRef> targets_;
  std::map<EntityRef, std::string> elements_;
  std::vector<std::string> notes_;
  Position undoes_ = 0;
  size_t most_entities_ = kMostEntities;
  Position deletion_ = 0;
  std::vector<Warning> warnings_;
  std::vector<Loss> losses_;
  // Of those indexes that Find was asked about.
  mutable std::map<std::pair<KindNumber, uint8_t>, Overlay> overlays_;
};

}  // namespace retrace::domain
