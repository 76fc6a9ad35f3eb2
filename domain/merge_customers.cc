// Merging customers. Unmerging is the undo of it: everything here is an ordinary write.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "domain/batch.h"
#include "domain/cascade.h"
#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/lifecycle.h"
#include "domain/normalise.h"
#include "domain/resource.h"
#include "domain/standard.h"
#include "fmt/format.h"
#include "google/protobuf/util/message_differencer.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/customers.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using v1::MergeCustomersRequest;

// The survivor first, then those that become a part of it.
using Parties = std::vector<Found>;

absl::StatusOr<Parties> FindParties(const MergeCustomersRequest& request, const Draft& draft,
                                    const Context& context) {
  Parties parties;
  RETRACE_ASSIGN(Found survivor, FindLive(KindNumber::kCustomer, request.name(), request.options(),
                                          draft, context));
  parties.push_back(std::move(survivor));
  if (request.losers().empty()) {
    return Refusal(v1::INVALID_FIELD, "There is nobody to merge.")
        .Field("losers", "Name at least one customer.");
  }
  std::set<EntityRef> seen = {parties.front().entity};
  v1::CommandOptions no_etag;
  for (int i = 0; i < request.losers_size(); ++i) {
    const std::string element = fmt::format("losers[{}]", i);
    RETRACE_ASSIGN(Found loser, FindLive(KindNumber::kCustomer, request.losers(i), no_etag, draft,
                                         context, element));
    if (!seen.insert(loser.entity).second) {
      return Refusal(v1::INVALID_FIELD, element + " takes part already.")
          .Field(element, "Name each customer once, and not the survivor.");
    }
    parties.push_back(std::move(loser));
  }
  return parties;
}

// The fields that a merge is about: those that people fill.
std::vector<const FieldDescriptor*> MergedFields() {
  google::protobuf::FieldMask everything;
  everything.add_paths("*");
  std::vector<const FieldDescriptor*> fields;
  const auto paths = UpdatePaths(everything, v1::Customer());
  for (const std::string& path : *paths) {
    fields.push_back(v1::Customer::descriptor()->FindFieldByName(path));
  }
  return fields;
}

// By number of the field: the customer that it is taken from.
using Choices = std::map<int, const v1::Customer*>;

absl::StatusOr<Choices> ReadChoices(const MergeCustomersRequest& request, const Parties& parties,
                                    const std::vector<const FieldDescriptor*>& fields,
                                    const Context& context) {
  Choices choices;
  for (int i = 0; i < request.fields_size(); ++i) {
    const auto& choice = request.fields(i);
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const auto* known) {
      return known->name() == choice.field();
    });
    if (field == fields.end()) {
      return Refusal(v1::INVALID_FIELD,
                     fmt::format("`{}` is no field that can be chosen.", choice.field()))
          .Field(fmt::format("fields[{}].field", i), "Name a field like `phones`.");
    }
    const auto from = std::find_if(parties.begin(), parties.end(), [&](const Found& party) {
      return NameOf(context.header.tenant, party.entity) == choice.from();
    });
    if (from == parties.end()) {
      return Refusal(v1::INVALID_FIELD, fmt::format("`{}` takes no part.", choice.from()))
          .Field(fmt::format("fields[{}].from", i), "Name the survivor or one of `losers`.");
    }
    if (!choices.emplace((*field)->number(), &from->row->As<v1::Customer>()).second) {
      return Refusal(v1::INVALID_FIELD, fmt::format("`{}` is chosen twice.", choice.field()))
          .Field(fmt::format("fields[{}].field", i), "Choose each field once.");
    }
  }
  return choices;
}

bool SameElement(const FieldDescriptor& field, const Message& a, int i, const Message& b, int j) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return absl::EqualsIgnoreCase(a.GetReflection()->GetRepeatedString(a, &field, i),
                                  b.GetReflection()->GetRepeatedString(b, &field, j));
  }
  const Message& one = a.GetReflection()->GetRepeatedMessage(a, &field, i);
  const Message& other = b.GetReflection()->GetRepeatedMessage(b, &field, j);
  if (one.GetDescriptor() == v1::Phone::descriptor()) {
    const auto& phone = static_cast<const v1::Phone&>(one);
    const auto& twin = static_cast<const v1::Phone&>(other);
    if (!phone.e164().empty()) {
      return phone.e164() == twin.e164() && phone.extension() == twin.extension();
    }
  }
  return google::protobuf::util::MessageDifferencer::Equals(one, other);
}

// Adds the elements that are not there.
void Unite(const FieldDescriptor& field, const v1::Customer& from, v1::Customer& merged) {
  const Reflection& reflection = *merged.GetReflection();
  for (int i = 0; i < reflection.FieldSize(from, &field); ++i) {
    bool there = false;
    for (int j = 0; !there && j < reflection.FieldSize(merged, &field); ++j) {
      there = SameElement(field, from, i, merged, j);
    }
    if (there) {
      continue;
    }
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      reflection.AddString(&merged, &field, reflection.GetRepeatedString(from, &field, i));
    } else {
      reflection.AddMessage(&merged, &field)
          ->CopyFrom(reflection.GetRepeatedMessage(from, &field, i));
    }
  }
}

// What nobody chose: the survivor's own value stands, what it lacks is filled.
absl::Status Fill(const FieldDescriptor& field, const v1::Customer& from, const View& view,
                  const Context& context, v1::Customer& merged) {
  if (field.is_map()) {
    merged.mutable_attributes()->insert(from.attributes().begin(), from.attributes().end());
    return absl::OkStatus();
  }
  if (field.is_repeated()) {
    Unite(field, from, merged);
    return absl::OkStatus();
  }
  if (merged.GetReflection()->HasField(merged, &field)) {
    return absl::OkStatus();
  }
  // A member who is gone stays named where they are, but nobody new is given to them.
  if (field.name() == "owner") {
    const absl::Status live =
        CheckReference(from.owner(), KindNumber::kMember, "owner", view, context);
    if (ReasonOf(live) == v1::REFERENCE_BROKEN) {
      return absl::OkStatus();
    }
    RETRACE_RETURN_IF_ERROR(live);
  }
  CopyPaths({field.name()}, from, merged);
  return absl::OkStatus();
}

absl::Status EmitSurvivor(const MergeCustomersRequest& request, const Parties& parties,
                          Draft& draft, const Context& context) {
  const std::vector<const FieldDescriptor*> fields = MergedFields();
  RETRACE_ASSIGN(const Choices choices, ReadChoices(request, parties, fields, context));
  const auto& before = parties.front().row->As<v1::Customer>();
  v1::Customer merged = before;
  std::vector<std::string> paths = {"merged_from"};
  for (const FieldDescriptor* field : fields) {
    paths.push_back(field->name());
    if (const auto choice = choices.find(field->number()); choice != choices.end()) {
      CopyPaths({field->name()}, *choice->second, merged);
      continue;
    }
    for (size_t i = 1; i < parties.size(); ++i) {
      RETRACE_RETURN_IF_ERROR(
          Fill(*field, parties[i].row->As<v1::Customer>(), draft, context, merged));
    }
  }
  for (size_t i = 1; i < parties.size(); ++i) {
    merged.add_merged_from(NameOf(context.header.tenant, parties[i].entity));
  }
  return EmitUpdate<store::v1::CustomerUpdated>(parties.front().entity, before, merged, paths,
                                                draft);
}

// Moves the loser's live records to the survivor. Those in the bin follow when they come back.
absl::Status MoveRecords(const EntityRef& loser, const std::string& survivor, Draft& draft,
                         size_t& moved) {
  const std::string name = NameOf(draft.header().tenant, loser);
  const size_t taken = draft.touched().size();
  const size_t most = draft.most_entities();
  const size_t room = taken > most ? 0 : most - taken;
  RETRACE_ASSIGN(const std::vector<std::string> ids, LiveRecords(name, room, draft));
  if (ids.size() > room) {
    return TooManyRecords(name, most);
  }
  for (const std::string& id : ids) {
    RETRACE_RETURN_IF_ERROR(EmitMoved({KindNumber::kRecord, id}, survivor, draft));
  }
  moved += ids.size();
  return absl::OkStatus();
}

std::string Plural(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

absl::Status Decide(const MergeCustomersRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Parties parties, FindParties(request, draft, context));
  const EntityRef& survivor = parties.front().entity;
  draft.Target(survivor);
  RETRACE_RETURN_IF_ERROR(EmitSurvivor(request, parties, draft, context));
  for (size_t i = 1; i < parties.size(); ++i) {
    auto event = std::make_shared<store::v1::Merged>();
    *event->mutable_into() = ToStored(survivor);
    RETRACE_RETURN_IF_ERROR(draft.Emit(parties[i].entity, std::move(event)));
  }
  size_t moved = 0;
  for (size_t i = 1; i < parties.size(); ++i) {
    RETRACE_RETURN_IF_ERROR(
        MoveRecords(parties[i].entity, NameOf(context.header.tenant, survivor), draft, moved));
  }
  draft.Note(fmt::format("{} merged, {} moved.", Plural(parties.size() - 1, "customer"),
                         Plural(moved, "record")));
  return absl::OkStatus();
}

}  // namespace retrace::domain
