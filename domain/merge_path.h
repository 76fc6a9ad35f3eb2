// The paths of a resource that are written, compared and taken back one by one, as the merge rules
// of annotations.proto cut it up.
//
//   REPLACE        a field, whatever its type; a oneof is one path
//   SET, MAP       a member, a key
//   KEYED          an element; the whole list when its order changes or keys stand twice in it
//   DELTA          a number
//
// DERIVED fields and names are no paths. Pure and thread-safe.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {

struct MergePath {
  // Number of the resource's field; of a oneof, that of its first field; 0: no field, but whether
  // the entity is live or binned.
  int field = 0;
  // Of a set its member, of a map its key, of a keyed list its element's key. None: the field as a
  // whole.
  std::optional<std::string> member;
  auto operator<=>(const MergePath&) const = default;
};

// True when a write of one path touches the other.
inline bool Overlap(const MergePath& a, const MergePath& b) {
  return a.field == b.field && (a.member == b.member || !a.member || !b.member);
}

// The paths that differ between two resources of one type, sorted.
std::vector<MergePath> ChangedPaths(const google::protobuf::Message& before,
                                    const google::protobuf::Message& after);

// As histories name it: `level`, `tags["vip"]`, `attributes.colour`; `state` for the lifecycle.
std::string PathText(const MergePath& path, const google::protobuf::Descriptor& type);
// True when its field (one of its oneof's) holds personal data.
bool IsPersonal(const MergePath& path, const google::protobuf::Descriptor& type);
// True when its field changes on evidence only.
bool NeedsEvidence(const MergePath& path, const google::protobuf::Descriptor& type);
// True for numbers that commands add to: their writes never exclude each other.
bool IsDelta(const MergePath& path, const google::protobuf::Descriptor& type);
// What stands at the path; kind_case is unset when nothing does.
google::protobuf::Value ValueAt(const MergePath& path, const google::protobuf::Message& resource);

// Takes the write that led from `before` to `after` back in `now`: what stood at the path in
// `before` stands there again; of a number the difference is subtracted.
void TakeBack(const MergePath& path, const google::protobuf::Message& before,
              const google::protobuf::Message& after, google::protobuf::Message& now);

// The value at the path, to be written into an event; `takes_back` is left empty.
store::v1::Reverted::Path WriteDown(const MergePath& path, const google::protobuf::Message& now);
// Sets the paths that were written down in the resource: it becomes what WriteDown was given, if it
// differed from that on these paths only.
void SetPaths(const std::vector<const store::v1::Reverted::Path*>& paths,
              google::protobuf::Message& resource);

// Sets and keyed lists in the order of their members' keys, in which two equal resources are equal:
// their order is kept but carries no content.
void SortMembers(google::protobuf::Message& resource);

}  // namespace retrace::domain
