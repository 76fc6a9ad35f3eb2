#include "domain/unique_keys.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "domain/index_values.h"
#include "domain/policy.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

constexpr size_t kMostNamed = 20;
constexpr size_t kPage = 1000;
constexpr size_t kMostEntries = 1'000'000;

// e.g. "external id" for `customers.external_id`.
std::string KeyWords(std::string_view key) {
  std::string words(key.substr(key.find('.') + 1));
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

IndexRange Exactly(const Kind& kind, const IndexDeclaration& index, const std::string& value) {
  return {kind.number, index.number, value, value + '\0'};
}

// The keys that a commit's outcome must keep unique, looked up in the policy at the first need.
class Claims {
 public:
  Claims(const Draft& draft, const View& base) : draft_(draft), base_(base) {}

  absl::Status Add(const EntityRef& entity, const Draft::Touched& touched);
  // Looks for other holders of everything that was claimed anew.
  absl::StatusOr<std::vector<KeyClash>> Clashes() const;

 private:
  struct Claim {
    const Kind* kind;
    const IndexDeclaration* index;
    std::string value;
    EntityRef claimant;
    bool came_back;
  };

  absl::StatusOr<bool> InForce(std::string_view key);
  absl::StatusOr<std::optional<EntityRef>> HolderInBase(const Claim& claim) const;

  const Draft& draft_;
  const View& base_;
  std::optional<std::vector<std::string>> in_force_;
  std::vector<Claim> claims_;
  // By kind, index and value: live entities of the draft, in order.
  std::map<std::tuple<KindNumber, uint8_t, std::string>, std::vector<EntityRef>> holders_;
};

// What an entity claims by a unique key.
std::vector<std::string> ClaimedValues(const IndexDeclaration& index, const Row& row) {
  std::vector<std::string> values = IndexValues(index, *row.resource);
  if (index.normaliser == Normaliser::kPhone) {
    std::erase_if(values, IsOtherSpelling);
  }
  return values;
}

absl::StatusOr<bool> Claims::InForce(std::string_view key) {
  if (!in_force_) {
    RETRACE_ASSIGN(in_force_, KeysInForce(draft_));
  }
  return std::find(in_force_->begin(), in_force_->end(), key) != in_force_->end();
}

absl::Status Claims::Add(const EntityRef& entity, const Draft::Touched& touched) {
  const Kind& kind = KindOf(entity.kind);
  if (!touched.after->live()) {
    return absl::OkStatus();
  }
  for (const IndexDeclaration& index : kind.indexes) {
    if (index.unique_key.empty()) {
      continue;
    }
    const std::vector<std::string> values = ClaimedValues(index, *touched.after);
    if (values.empty()) {
      continue;
    }
    RETRACE_ASSIGN(const bool in_force, InForce(index.unique_key));
    if (!in_force) {
      continue;
    }
    const bool was_live = touched.before != nullptr && touched.before->live();
    const std::vector<std::string> before =
        was_live ? ClaimedValues(index, *touched.before) : std::vector<std::string>();
    for (const std::string& value : values) {
      holders_[{kind.number, index.number, value}].push_back(entity);
      if (!std::binary_search(before.begin(), before.end(), value)) {
        claims_.push_back({&kind, &index, value, entity, touched.before != nullptr && !was_live});
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<EntityRef>> Claims::HolderInBase(const Claim& claim) const {
  for (size_t limit = 8;; limit *= 8) {
    RETRACE_ASSIGN(const auto hits,
                   base_.Find(Exactly(*claim.kind, *claim.index, claim.value), limit));
    for (const IndexHit& hit : hits) {
      EntityRef holder{claim.kind->number, hit.id};
      // What the draft touched is judged by the draft.
      if (hit.mark == Mark::kLive && !draft_.touched().contains(holder)) {
        return holder;
      }
    }
    if (hits.size() < limit) {
      return std::nullopt;
    }
  }
}

absl::StatusOr<std::vector<KeyClash>> Claims::Clashes() const {
  std::vector<KeyClash> clashes;
  for (const Claim& claim : claims_) {
    RETRACE_ASSIGN(std::optional<EntityRef> holder, HolderInBase(claim));
    const auto& inside = holders_.at({claim.kind->number, claim.index->number, claim.value});
    for (const EntityRef& other : inside) {
      // Of two that claim it now the first one stands.
      const auto was = draft_.touched().at(other).before;
      const bool held_before = was != nullptr && was->live();
      if (!holder && other != claim.claimant && (held_before || other < claim.claimant)) {
        holder = other;
      }
    }
    if (holder) {
      clashes.push_back({claim.index->unique_key, claim.index, claim.value, claim.claimant, *holder,
                         claim.came_back});
    }
  }
  return clashes;
}

// How the caller knows the holder: its name, or its place in the same batch.
std::string HolderName(const KeyClash& clash, const Draft& draft) {
  const auto touched = draft.touched().find(clash.holder);
  const bool is_new = touched != draft.touched().end() && touched->second.before == nullptr;
  const std::string_view element = draft.ElementOf(clash.holder);
  return is_new && !element.empty() ? std::string(element)
                                    : NameOf(draft.header().tenant, clash.holder);
}

absl::Status Refuse(const std::vector<KeyClash>& clashes, const Draft& draft) {
  const KeyClash& first = clashes.front();
  const std::string holder = HolderName(first, draft);
  const bool came_back = std::any_of(clashes.begin(), clashes.end(),
                                     [](const KeyClash& clash) { return clash.came_back; });
  std::string message =
      fmt::format("The {} `{}` is held by {}.", KeyWords(first.key), first.value, holder);
  if (clashes.size() > 1) {
    message += fmt::format(" And {} more keys are taken.", clashes.size() - 1);
  }
  Refusal refusal(v1::KEY_TAKEN, std::move(message));
  std::move(refusal)
      .With("key", first.key)
      .With("value", first.value)
      .With("holder", holder)
      .About(KindOf(first.holder.kind).singular, holder);
  if (!came_back) {
    return Inside(draft.ElementOf(first.claimant),
                  std::move(refusal).Next("Change the value, or delete its holder first."));
  }
  for (const KeyClash& clash : clashes) {
    std::move(refusal).Unmet(
        clash.key, HolderName(clash, draft),
        fmt::format("holds the {} `{}` of {}", KeyWords(clash.key), clash.value,
                    NameOf(draft.header().tenant, clash.claimant)));
  }
  return std::move(refusal)
      .Code(absl::StatusCode::kFailedPrecondition)
      .Next("Change or delete the holders, then undelete again.");
}

}  // namespace

absl::StatusOr<std::vector<KeyClash>> KeyClashes(const Draft& draft, const View& base) {
  Claims claims(draft, base);
  for (const auto& [entity, touched] : draft.touched()) {
    RETRACE_RETURN_IF_ERROR(claims.Add(entity, touched));
  }
  return claims.Clashes();
}

absl::Status CheckUniqueKeys(const Draft& draft, const View& base) {
  RETRACE_ASSIGN(const std::vector<KeyClash> clashes, KeyClashes(draft, base));
  return clashes.empty() ? absl::OkStatus() : Refuse(clashes, draft);
}

namespace {

// A value that more than one live entity holds.
struct Duplicate {
  std::string value;
  std::vector<std::string> ids;
};

// Walks a whole index value by value.
absl::StatusOr<std::vector<Duplicate>> FindDuplicates(const Kind& kind,
                                                      const IndexDeclaration& index,
                                                      const View& view) {
  std::vector<Duplicate> found;
  IndexRange range{kind.number, index.number, "", ""};
  size_t read = 0, limit = kPage;
  while (true) {
    RETRACE_ASSIGN(std::vector<IndexHit> hits, view.Find(range, limit));
    const bool last = hits.size() < limit;
    if ((read += hits.size()) > kMostEntries) {
      return Refusal(v1::LIMIT_REACHED,
                     fmt::format("{} has more than {} entries, too many to look through.",
                                 index.unique_key, kMostEntries));
    }
    // The last value of a full page may go on behind it: it begins the next one.
    const std::string open = last ? std::string() : hits.back().value;
    for (size_t i = 0; i < hits.size() && (last || hits[i].value != open);) {
      Duplicate value{hits[i].value, {}};
      for (; i < hits.size() && hits[i].value == value.value; ++i) {
        if (hits[i].mark == Mark::kLive) {
          value.ids.push_back(hits[i].id);
        }
      }
      const bool counts = index.normaliser != Normaliser::kPhone || !IsOtherSpelling(value.value);
      if (counts && value.ids.size() > 1 && found.size() < kMostNamed) {
        found.push_back(std::move(value));
      }
    }
    if (last || found.size() == kMostNamed) {
      return found;
    }
    limit = open == range.lower ? limit * 4 : kPage;
    range.lower = open;
  }
}

}  // namespace

absl::Status CheckNoDuplicates(std::string_view key, const View& view, const Context& context) {
  for (const Kind& kind : Kinds()) {
    for (const IndexDeclaration& index : kind.indexes) {
      if (index.unique_key != key) {
        continue;
      }
      RETRACE_ASSIGN(const auto duplicates, FindDuplicates(kind, index, view));
      if (duplicates.empty()) {
        continue;
      }
      Refusal refusal(v1::KEY_TAKEN, fmt::format("{} cannot be unique: several {} hold one {}.",
                                                 key, kind.collection, KeyWords(key)));
      std::move(refusal).With("key", key).With("value", duplicates[0].value);
      for (const Duplicate& duplicate : duplicates) {
        for (const std::string& id : duplicate.ids) {
          std::move(refusal).Unmet(key, NameOf(context.header.tenant, {kind.number, id}),
                                   fmt::format("holds `{}`", duplicate.value));
        }
      }
      return std::move(refusal)
          .Code(absl::StatusCode::kFailedPrecondition)
          .Next("Change or delete all holders but one, then switch the key on.");
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> DeclaredKeys() {
  std::vector<std::string> keys;
  for (const Kind& kind : Kinds()) {
    for (const IndexDeclaration& index : kind.indexes) {
      if (!index.unique_key.empty()) {
        keys.emplace_back(index.unique_key);
      }
    }
  }
  return keys;
}

}  // namespace retrace::domain
