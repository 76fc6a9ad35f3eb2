// UpdatePaths, CopyPaths and DifferingPaths of fields.h.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "domain/field_path.h"
#include "domain/field_traits.h"
#include "domain/field_values.h"
#include "domain/fields.h"
#include "domain/refusal.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxViolations = 20;

// The message that holds the last field of the path; null when one on the way is unset.
const Message* HolderOf(const FieldPath& path, const Message& root) {
  const Message* holder = &root;
  for (size_t i = 0; i + 1 < path.fields.size(); ++i) {
    if (!holder->GetReflection()->HasField(*holder, path.fields[i])) {
      return nullptr;
    }
    holder = &holder->GetReflection()->GetMessage(*holder, path.fields[i]);
  }
  return holder;
}

// The same to write to; creates what is missing.
Message& MutableHolderOf(const FieldPath& path, Message& root) {
  Message* holder = &root;
  for (size_t i = 0; i + 1 < path.fields.size(); ++i) {
    holder = holder->GetReflection()->MutableMessage(holder, path.fields[i]);
  }
  return *holder;
}

bool SameAt(const FieldPath& path, const Message& a, const Message& b) {
  const Message* left = HolderOf(path, a);
  const Message* right = HolderOf(path, b);
  if (left == nullptr || right == nullptr) {
    const Message* there = left != nullptr ? left : right;
    if (there == nullptr) {
      return true;
    }
    // Absent on one side: equal to unset.
    const Reflection& reflection = *there->GetReflection();
    return path.has_key                ? FindEntry(*there, path.last(), path.key) < 0
           : path.last().is_repeated() ? reflection.FieldSize(*there, &path.last()) == 0
                                       : !reflection.HasField(*there, &path.last());
  }
  if (!path.has_key) {
    return SameField(path.last(), *left, *right);
  }
  const int i = FindEntry(*left, path.last(), path.key);
  const int j = FindEntry(*right, path.last(), path.key);
  if (i < 0 || j < 0) {
    return i == j;
  }
  return SameScalar(
      EntryValue(left->GetReflection()->GetRepeatedMessage(*left, &path.last(), i)),
      EntryValue(right->GetReflection()->GetRepeatedMessage(*right, &path.last(), j)));
}

// Sets or removes one key of a map.
void CopyEntry(const FieldPath& path, const Message* source, Message& target) {
  const FieldDescriptor& field = path.last();
  const Reflection& reflection = *target.GetReflection();
  const int from = source == nullptr ? -1 : FindEntry(*source, field, path.key);
  const int to = FindEntry(target, field, path.key);
  if (from >= 0) {
    Message* entry = to >= 0 ? reflection.MutableRepeatedMessage(&target, &field, to)
                             : reflection.AddMessage(&target, &field);
    entry->CopyFrom(source->GetReflection()->GetRepeatedMessage(*source, &field, from));
  } else if (to >= 0) {
    reflection.SwapElements(&target, &field, to, reflection.FieldSize(target, &field) - 1);
    reflection.RemoveLast(&target, &field);
  }
}

// What makes a path unwritable; empty when nothing does.
std::string_view Unwritable(const FieldPath& path) {
  for (const FieldDescriptor* field : path.fields) {
    const FieldTraits& traits = TraitsOf(*field);
    if (traits.identifier) {
      return "names the resource's own name, which never changes";
    }
    if (!traits.writable()) {
      return "is output only";
    }
  }
  return {};
}

bool IsImmutable(const FieldPath& path) {
  return std::any_of(path.fields.begin(), path.fields.end(),
                     [](const FieldDescriptor* field) { return TraitsOf(*field).immutable; });
}

bool Populated(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                             : reflection.HasField(message, &field);
}

// Collects paths and what is wrong with others.
class Paths {
 public:
  Paths(const Message& resource, const Message* current) : resource_(resource), current_(current) {}

  // Every writable field; populated ones only, unless `all`.
  void AddFields(bool all) {
    const google::protobuf::Descriptor& type = *resource_.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (!TraitsOf(field).writable() || (!all && !Populated(resource_, field))) {
        continue;
      }
      if (!TraitsOf(field).immutable) {
        texts_.push_back(field.name());
      } else if (current_ != nullptr && Populated(resource_, field) &&
                 !SameField(field, resource_, *current_)) {
        Violate(field.name(), field.name(), "never changes");
      }
    }
  }

  void AddNamed(int index, const std::string& text) {
    const std::string place = fmt::format("update_mask.paths[{}]", index);
    if (text == "*") {
      Violate(place, text, "must be the only path");
      return;
    }
    const absl::StatusOr<FieldPath> path = ParseFieldPath(text, *resource_.GetDescriptor());
    if (!path.ok()) {
      Violate(place, text, std::string(path.status().message()));
    } else if (const std::string_view why = Unwritable(*path); !why.empty()) {
      Violate(place, text, why);
    } else if (!IsImmutable(*path)) {
      texts_.push_back(FormatFieldPath(*path));
    } else if (current_ == nullptr || !SameAt(*path, resource_, *current_)) {
      Violate(place, text, "never changes");
    }
  }

  bool full() const { return violations_.size() >= kMaxViolations; }

  absl::StatusOr<std::vector<std::string>> Result() && {
    if (!violations_.empty()) {
      return Refused();
    }
    absl::flat_hash_set<std::string_view> known(texts_.begin(), texts_.end());
    std::vector<std::string> paths;
    for (const std::string_view text : known) {
      if (!CoveredBy(known, text)) {
        paths.emplace_back(text);
      }
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }

 private:
  struct Violation {
    std::string place;
    std::string description;
  };

  void Violate(std::string place, std::string_view path, std::string_view what) {
    if (!full()) {
      violations_.push_back({std::move(place), fmt::format("`{}` {}", Excerpt(path), what)});
    }
  }

  // True when a path above `text` is known, too. Names hold no dots; keys may, but nothing lies
  // below a key, so that cutting there finds at most a path that covers it anyway.
  static bool CoveredBy(const absl::flat_hash_set<std::string_view>& known, std::string_view text) {
    const size_t end = std::min(text.find('`'), text.size());
    for (size_t dot = text.find('.'); dot < end; dot = text.find('.', dot + 1)) {
      if (known.contains(text.substr(0, dot))) {
        return true;
      }
    }
    return false;
  }

  absl::Status Refused() const {
    Refusal refusal(v1::INVALID_FIELD,
                    fmt::format("The update cannot be made: {}.", violations_.front().description));
    for (const Violation& violation : violations_) {
      std::move(refusal).Field(violation.place, violation.description);
    }
    return std::move(refusal).Next("Correct update_mask and send the request again.");
  }

  const Message& resource_;
  const Message* current_;
  std::vector<std::string> texts_;
  std::vector<Violation> violations_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> UpdatePaths(const FieldMask& mask, const Message& resource,
                                                     const Message* current) {
  Paths paths(resource, current);
  if (mask.paths().empty()) {
    paths.AddFields(/*all=*/false);
  } else if (mask.paths_size() == 1 && mask.paths(0) == "*") {
    paths.AddFields(/*all=*/true);
  } else {
    for (int i = 0; i < mask.paths_size() && !paths.full(); ++i) {
      paths.AddNamed(i, mask.paths(i));
    }
  }
  return std::move(paths).Result();
}

void CopyPaths(const std::vector<std::string>& paths, const Message& source, Message& target) {
  for (const std::string& text : paths) {
    const absl::StatusOr<FieldPath> path = ParseFieldPath(text, *target.GetDescriptor());
    if (!path.ok()) {
      continue;
    }
    const Message* from = HolderOf(*path, source);
    if (from == nullptr && HolderOf(*path, target) == nullptr) {
      continue;
    }
    Message& to = MutableHolderOf(*path, target);
    if (path->has_key) {
      CopyEntry(*path, from, to);
    } else if (from != nullptr) {
      CopyField(path->last(), *from, to);
    } else {
      to.GetReflection()->ClearField(&to, &path->last());
    }
  }
}

std::vector<std::string> DifferingPaths(const std::vector<std::string>& paths, const Message& a,
                                        const Message& b) {
  std::vector<std::string> differing;
  for (const std::string& text : paths) {
    const absl::StatusOr<FieldPath> path = ParseFieldPath(text, *a.GetDescriptor());
    bool same = true;
    if (path.ok()) {
      same = SameAt(*path, a, b);
    } else if (const FieldDescriptor* list =
                   a.GetDescriptor()->FindFieldByName(text.substr(0, text.find('.')))) {
      same = SameField(*list, a, b);
    }
    if (!same) {
      differing.push_back(text);
    }
  }
  return differing;
}

}  // namespace retrace::domain
