#include "domain/cascade.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "domain/batch.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/record.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {
namespace {

// An undelete looks at this many times the records that it may bring back: others deleted some.
constexpr size_t kLookedAtForOne = 10;
constexpr size_t kMostNamed = 10;

IndexRange Exactly(uint8_t index, const std::string& value) {
  return {KindNumber::kRecord, index, value, value + '\0'};
}

std::string Counted(const std::map<v1::Record::Kind, int>& counts) {
  std::vector<std::string> words;
  for (const auto& [kind, count] : counts) {
    words.push_back(fmt::format("{} {}", count, v1::Record::Kind_Name(kind)));
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

// e.g. `file-ref` for FILE_REF: what ErrorInfo.metadata calls the count.
std::string MetadataKey(v1::Record::Kind kind) {
  std::string key = absl::AsciiStrToLower(v1::Record::Kind_Name(kind));
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

std::string Plural(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

absl::Status TooManyRecords(std::string_view customer, size_t most) {
  return Refusal(
             v1::USE_OPERATION,
             fmt::format("With the records of {} this would touch more than {} entities at once.",
                         customer, most))
      .With("limit", fmt::format("{}", most))
      .Next("Send it as an operation (Operations.StartOperation) on that customer.");
}

absl::StatusOr<std::vector<std::string>> LiveRecords(const std::string& customer, size_t most,
                                                     const View& view) {
  std::vector<std::string> live;
  for (size_t limit = most + 1;; limit *= 4) {
    RETRACE_ASSIGN(const auto hits, view.Find(Exactly(kRecordCustomerIndex, customer), limit));
    live.clear();
    for (const IndexHit& hit : hits) {
      if (hit.mark == Mark::kLive && live.size() <= most) {
        live.push_back(hit.id);
      }
    }
    // Entries of binned records may fill the first look.
    if (hits.size() < limit || live.size() > most) {
      return live;
    }
  }
}

absl::Status EmitMoved(const EntityRef& record, const std::string& customer, Draft& draft) {
  auto event = std::make_shared<store::v1::RecordUpdated>();
  event->mutable_record()->set_customer(customer);
  event->mutable_update_mask()->add_paths("customer");
  return draft.Emit(record, std::move(event));
}

absl::StatusOr<Cascade> Cascade::Parse(const v1::RelatedRecords& related) {
  Cascade cascade;
  cascade.all_ = related.all();
  for (int i = 0; i < related.rules_size(); ++i) {
    const std::string field = fmt::format("related.rules[{}].kind", i);
    v1::Record::Kind kind = v1::Record::KIND_UNSPECIFIED;
    if (!v1::Record::Kind_Parse(related.rules(i).kind(), &kind) ||
        kind == v1::Record::KIND_UNSPECIFIED) {
      return Refusal(v1::INVALID_FIELD, field + " is no kind of record.")
          .Field(field, "Give a kind like `DEAL`.");
    }
    if (!cascade.rules_.emplace(kind, related.rules(i).choice()).second) {
      return Refusal(v1::INVALID_FIELD, field + " has a rule already.")
          .Field(field, "Give one rule for each kind.");
    }
  }
  return cascade;
}

Cascade::Choice Cascade::ChoiceFor(v1::Record::Kind kind) const {
  const auto rule = rules_.find(kind);
  return rule != rules_.end() && rule->second != v1::RelatedRecords::CHOICE_UNSPECIFIED
             ? rule->second
             : all_;
}

absl::Status Cascade::CheckChosen(const std::string& customer, const Counts& counts) const {
  Counts missing;
  for (const auto& [kind, count] : counts) {
    if (ChoiceFor(kind) == v1::RelatedRecords::CHOICE_UNSPECIFIED) {
      missing.emplace(kind, count);
    }
  }
  const bool nothing_said = all_ == v1::RelatedRecords::CHOICE_UNSPECIFIED && rules_.empty();
  if (missing.empty() && !nothing_said) {
    return absl::OkStatus();
  }
  Refusal refusal(v1::RELATED_CHOICE_MISSING,
                  missing.empty() ? fmt::format("{} has no records, but the delete does not say "
                                                "what would become of them.",
                                                customer)
                                  : fmt::format("{} has records without a choice: {}.", customer,
                                                Counted(missing)));
  for (const auto& [kind, count] : missing) {
    std::move(refusal).With(MetadataKey(kind), fmt::format("{}", count));
  }
  return std::move(refusal)
      .Field("related", "Choose DELETE, KEEP or REFUSE for all, or for each kind.")
      .Next("Say in `related` what becomes of them: DELETE, KEEP or REFUSE.");
}

absl::Status Cascade::CheckNotRefused(const std::string& customer, const Counts& counts) const {
  Counts refused;
  for (const auto& [kind, count] : counts) {
    if (ChoiceFor(kind) == v1::RelatedRecords::REFUSE) {
      refused.emplace(kind, count);
    }
  }
  if (refused.empty()) {
    return absl::OkStatus();
  }
  Refusal refusal(v1::RELATED_EXIST, fmt::format("{} has {}.", customer, Counted(refused)));
  for (const auto& [kind, count] : refused) {
    std::move(refusal)
        .With(MetadataKey(kind), fmt::format("{}", count))
        .Unmet("RELATED", v1::Record::Kind_Name(kind),
               Plural(static_cast<size_t>(count), "record"));
  }
  return std::move(refusal).Next("Delete or move them first, or choose DELETE or KEEP for them.");
}

absl::Status Cascade::Delete(const EntityRef& customer, Draft& draft) {
  const std::string name = NameOf(draft.header().tenant, customer);
  const size_t taken = draft.touched().size() + 1;
  const size_t most = draft.most_entities();
  if (taken > most) {
    return TooManyRecords(name, most);
  }
  const size_t room = most - taken;
  RETRACE_ASSIGN(const std::vector<std::string> ids, LiveRecords(name, room, draft));
  if (ids.size() > room) {
    return TooManyRecords(name, most);
  }
  std::vector<std::pair<EntityRef, v1::Record::Kind>> records;
  Counts counts;
  for (const std::string& id : ids) {
    EntityRef record{KindNumber::kRecord, id};
    RETRACE_ASSIGN(const RowPtr row, draft.Get(record));
    if (row == nullptr) {
      return absl::DataLossError(
          fmt::format("an index entry names record {}, which has no row", id));
    }
    const v1::Record::Kind kind = row->As<v1::Record>().kind();
    records.emplace_back(std::move(record), kind);
    ++counts[kind];
  }
  RETRACE_RETURN_IF_ERROR(CheckChosen(name, counts));
  RETRACE_RETURN_IF_ERROR(CheckNotRefused(name, counts));
  RETRACE_RETURN_IF_ERROR(EmitDeleted(customer, customer, draft));
  for (const auto& [record, kind] : records) {
    if (ChoiceFor(kind) == v1::RelatedRecords::DELETE) {
      RETRACE_RETURN_IF_ERROR(EmitDeleted(record, customer, draft));
      ++deleted_;
    } else {
      auto detached = std::make_shared<store::v1::Detached>();
      *detached->mutable_from() = ToStored(customer);
      detached->set_deletion(draft.deletion());
      RETRACE_RETURN_IF_ERROR(draft.Emit(record, std::move(detached)));
      ++kept_;
    }
  }
  return absl::OkStatus();
}

void Cascade::NoteDone(Draft& draft) const {
  if (deleted_ + kept_ > 0) {
    draft.Note(fmt::format("{} deleted, {} kept.", Plural(static_cast<size_t>(deleted_), "record"),
                           kept_));
  }
}

namespace {

// Reads the rows of the entries of one index value. USE_OPERATION when there are too many.
absl::StatusOr<std::vector<Found>> RowsOf(uint8_t index, const std::string& customer,
                                          const Draft& draft) {
  const size_t most = kLookedAtForOne * draft.most_entities();
  RETRACE_ASSIGN(const auto hits, draft.Find(Exactly(index, customer), most + 1));
  if (hits.size() > most) {
    return TooManyRecords(customer, draft.most_entities());
  }
  std::vector<Found> found;
  for (const IndexHit& hit : hits) {
    // A live record cannot refer to a binned customer.
    if (index == kRecordCustomerIndex && hit.mark != Mark::kBinned) {
      continue;
    }
    Found one{{KindNumber::kRecord, hit.id}, nullptr};
    RETRACE_ASSIGN(one.row, draft.Get(one.entity));
    if (one.row != nullptr) {
      found.push_back(std::move(one));
    }
  }
  return found;
}

// A record of a customer that was merged while the record lay in the bin goes to the survivor.
absl::Status FollowMerge(const EntityRef& record, const std::string& customer, Draft& draft) {
  const auto parsed = ParseName(customer, "record.customer");
  if (!parsed.ok()) {
    return absl::OkStatus();  // of none
  }
  const EntityRef was{KindNumber::kCustomer, parsed->id};
  RETRACE_ASSIGN(const EntityRef survivor, SurvivorOf(was, draft));
  if (survivor == was) {
    return absl::OkStatus();
  }
  const std::string name = NameOf(draft.header().tenant, survivor);
  draft.Note(fmt::format("Attached to {}, into which its customer was merged meanwhile.", name));
  return EmitMoved(record, name, draft);
}

absl::Status EmitReattached(const EntityRef& record, const EntityRef& customer, Draft& draft) {
  auto event = std::make_shared<store::v1::Reattached>();
  *event->mutable_to() = ToStored(customer);
  return draft.Emit(record, std::move(event));
}

void NoteLeft(const std::vector<std::string>& names, std::string_view why, Draft& draft) {
  if (names.empty()) {
    return;
  }
  const size_t named = std::min(names.size(), kMostNamed);
  std::string sentence =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<long>(named), ", "));
  if (names.size() > named) {
    sentence += fmt::format(" and {} more", names.size() - named);
  }
  draft.Note(fmt::format("Left as they are, since they were {}: {}.", why, sentence));
}

}  // namespace

absl::Status UndeleteWithRelated(const Found& customer, const std::set<EntityRef>& left,
                                 Draft& draft) {
  const std::string& tenant = draft.header().tenant;
  const std::string name = NameOf(tenant, customer.entity);
  const Position deletion = customer.row->head.deletion().position();
  RETRACE_ASSIGN(const auto taken, RowsOf(kRecordCustomerIndex, name, draft));
  RETRACE_ASSIGN(const auto detached, RowsOf(kRecordDetachedFromIndex, name, draft));
  RETRACE_RETURN_IF_ERROR(EmitUndeleted(customer, draft));

  size_t restored = 0, reattached = 0;
  std::vector<std::string> moved, deleted;
  for (const Found& record : taken) {
    const store::v1::Deletion& of_record = record.row->head.deletion();
    if (left.contains(record.entity)) {
      continue;
    }
    if (of_record.position() == deletion && FromStored(of_record.root()) == customer.entity) {
      RETRACE_RETURN_IF_ERROR(EmitUndeleted(record, draft));
      ++restored;
    } else {
      deleted.push_back(NameOf(tenant, record.entity));
    }
  }
  for (const Found& record : detached) {
    const store::v1::Detachment& detachment = record.row->head.detached();
    if (!detachment.moved() && record.row->live()) {
      // Of an earlier deletion when it lay in the bin while that one was taken back.
      RETRACE_RETURN_IF_ERROR(EmitReattached(record.entity, customer.entity, draft));
      ++reattached;
    } else if (detachment.position() == deletion) {
      (detachment.moved() ? moved : deleted).push_back(NameOf(tenant, record.entity));
    }
  }
  if (restored + reattached > 0) {
    draft.Note(
        fmt::format("{} restored, {} attached again.", Plural(restored, "record"), reattached));
  }
  NoteLeft(moved, "attached elsewhere since", draft);
  NoteLeft(deleted, "deleted otherwise", draft);
  return absl::OkStatus();
}

absl::Status ReattachToLive(const EntityRef& record, Draft& draft) {
  RETRACE_ASSIGN(const RowPtr row, draft.Get(record));
  RETRACE_RETURN_IF_ERROR(FollowMerge(record, row->As<v1::Record>().customer(), draft));
  if (!row->head.has_detached() || row->head.detached().moved()) {
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const EntityRef customer,
                 SurvivorOf(FromStored(row->head.detached().from()), draft));
  RETRACE_ASSIGN(const RowPtr customer_row, draft.Get(customer));
  if (customer_row == nullptr || !customer_row->live()) {
    return absl::OkStatus();
  }
  draft.Note(fmt::format("Attached to {} again, which came back meanwhile.",
                         NameOf(draft.header().tenant, customer)));
  return EmitReattached(record, customer, draft);
}

}  // namespace retrace::domain
