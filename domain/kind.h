// What makes a kind of entity: its resource, its events, its indexes and three pure functions.
// Everything else (bin, undo, history, as-of, idempotency, lists) is written once over this
// description. Adding a kind adds its proto, its decider, its service, its tests and one line in
// kinds.cc.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "domain/context.h"
#include "domain/entity.h"
#include "domain/view.h"
#include "google/protobuf/message.h"

namespace retrace::store::v1 {
class Fire;
}  // namespace retrace::store::v1

namespace retrace::domain {

class Draft;
struct Found;

// How field values become index values; see index_values.h.
enum class Normaliser {
  kExact,      // the bytes
  kCaseless,   // NFKC, case folded
  kSortName,   // folded for ordering, diacritics kept apart only at the end
  kNameWords,  // text search: words, and every suffix in scripts without spaces; at most 32 values
  kPhone,      // E.164 digits, or those typed; another spelling of them too, see PhoneValues
  kNumber,     // int64, order-preserving
  kTime,       // google.protobuf.Timestamp in microseconds, order-preserving
};

struct IndexDeclaration {
  uint8_t number = 0;               // on disk: never changed within a layout; below kFirstReserved
  std::string_view name;            // e.g. "phone"
  std::vector<std::string> fields;  // paths of the resource, e.g. "emails", "phones"
  Normaliser normaliser = Normaliser::kExact;
  bool orders = false;  // order_by may name fields[0]
  std::string_view
      unique_key;  // name in Policy.unique_keys, e.g. "customers.email"; empty: never unique
};

// Indexes that every kind has without declaring them.
enum ReservedIndex : uint8_t {
  kFirstReserved = 250,
  // What lies in the bin, by the position of the deletion (EncodeNumber).
  kBinIndex = 253,
  // Tombstones by the position of the purge (EncodeNumber), since the position of the creation.
  kPurgedIndex = 254,
  // Entities whose past is sealed under the key of a subject that they left, or holds what was
  // merged into them for a while, by that subject.
  kFormerSubjectIndex = 255,
};

// What an entity adds to the counters of one owner.
struct Contribution {
  std::string owner;  // id of the counters row: "" for the tenant, `customers/ID`
  std::string subkind;
  std::string stage;
  std::string currency;
  int64_t minor_units = 0;
};

// A field that holds the name of an entity of another kind, e.g. of that which it is attached to.
struct Reference {
  std::string_view field;  // e.g. "customer", which holds a name; empty: the kind has none
  KindNumber to{};
  uint8_t index = 0;  // of the field, exact
};

struct Kind {
  KindNumber number{};
  std::string_view singular;    // "customer"
  std::string_view collection;  // "customers"; empty for derived kinds
  const google::protobuf::Message* resource =
      nullptr;  // default instance of the resource (or derived) message
  std::vector<const google::protobuf::Message*> events;  // default instances of its own events
  std::vector<IndexDeclaration> indexes;
  bool content = false;  // part of the content digest
  bool derived = false;
  // Tells what was done, not what is: undo leaves it alone.
  bool bookkeeping = false;
  // There from the beginning, with every field unset: never created, never in the bin.
  bool permanent = false;
  // A deletion with KEEP cuts it (see RowHead.detached). Undo takes field and cut as one path.
  Reference reference;
  // Names whom the kind's entities tell about: they are purged with it, and only with it.
  Reference purged_with;

  // Applies one of the kind's own events; `row.resource` may be null before the first. Generic
  // events (Deleted, Undeleted, Detached, Reattached, Deactivated, Activated) are applied in
  // lifecycle.cc; of those, Detached and Reattached come here afterwards, since only the kind knows
  // which field holds the reference. What depends on the head already finds it up to date.
  void (*apply)(const google::protobuf::Message& event, const CommitHeader& header,
                Row& row) = nullptr;
  // Computes the resource's DERIVED fields after an undo set others; null: it has none that are
  // stored.
  void (*derive)(std::string_view tenant, Row& row) = nullptr;
  // Judges the final state of a touched entity: allowed moves of state, parent, limits. Unique keys
  // are checked for all kinds at once in draft.cc. `before` is null for a new entity.
  absl::Status (*check)(const EntityRef& entity, const Row* before, const Row& after,
                        const View& view, const Context& context) = nullptr;
  // Whose personal data the entity holds, e.g. `customers/01h...`; null: nobody's.
  std::string (*subject)(const EntityRef& entity, const Row& row) = nullptr;
  // Brings a binned entity back, with exactly what its deletion took or detached but for `left`;
  // null: it took nothing.
  absl::Status (*restore)(const Found& binned, const std::set<EntityRef>& left,
                          Draft& draft) = nullptr;
  // An entity that waits for a moment: the index of the field that says which, microseconds since
  // 1970 (kNumber); 0: the kind has no such field.
  uint8_t due_index = 0;
  // What happens when the moment came. Must move or clear it, or the entity fires again.
  absl::Status (*fire)(const Found& waiting, const store::v1::Fire& fire, Draft& draft,
                       const Context& context) = nullptr;
  // What the entity adds to counters; null: nothing.
  void (*contribute)(const Row& row, std::vector<Contribution>& contributions) = nullptr;
};

// The one list of kinds.
std::span<const Kind> Kinds();
// Adds a kind to the list, before anything else in the process looks at it. For tests, which have
// kinds of their own.
void AddKind(Kind kind);
// The kind of that number; aborts on a number that is not in the list.
const Kind& KindOf(KindNumber number);
// Null when unknown.
const Kind* FindKind(std::string_view collection);
const Kind* FindKindByNumber(uint32_t number);
// Null when the kind declares no index of that number.
const IndexDeclaration* FindIndex(const Kind& kind, uint8_t number);
// The default instance of an event by its type name, own or generic; null when unknown.
const google::protobuf::Message* FindEvent(std::string_view type);
// Hash of everything in domain that determines the bytes of rows: index declarations, resource
// descriptors, fold number, ICU version. 64 hexadecimal digits.
std::string LayoutStamp();

}  // namespace retrace::domain
