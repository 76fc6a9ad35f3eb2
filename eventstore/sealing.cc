#include "eventstore/sealing.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "eventstore/aes_gcm.h"
#include "eventstore/split_plan.h"
#include "fmt/format.h"
#include "retrace/store/v1/commit.pb.h"

namespace retrace::eventstore {
namespace {

using google::protobuf::Message;

std::string Bound(const SealingPlace& place, std::string_view type, std::string_view subject,
                  std::string_view key_id) {
  std::string bound;
  bound.reserve(64 + place.tenant.size() + place.entity.size() + type.size() + subject.size() +
                key_id.size());
  AppendPiece("retrace sealed part 1", bound);
  AppendPiece(place.tenant, bound);
  AppendPiece(place.kind, bound);
  AppendPiece(place.entity, bound);
  AppendPiece(type, bound);
  AppendPiece(subject, bound);
  AppendPiece(key_id, bound);
  return bound;
}

std::string Describe(const SealingPlace& place, std::string_view type) {
  return fmt::format("event {} of entity {}/{} of tenant {}", type, place.kind, place.entity,
                     place.tenant);
}

absl::Status Damaged(const SealingPlace& place, std::string_view type, std::string_view what) {
  return absl::DataLossError(fmt::format(
      "{}: {}; the stored bytes or their place were changed: verify the log, and recover from a "
      "backup what it names",
      Describe(place, type), what));
}

}  // namespace

bool HasPersonalFields(const google::protobuf::Descriptor& type) {
  return SplitPlan::Of(type).any_personal();
}

bool HasPersonalContent(const Message& message) {
  return SplitPlan::Of(*message.GetDescriptor()).HasPersonal(message);
}

absl::Status StoreClear(const Message& event, const SealingPlace& place,
                        store::v1::StoredEvent& stored) {
  stored.clear_sealed();
  std::string clear, personal;
  if (!SplitPlan::Of(*event.GetDescriptor()).Split(event.SerializeAsString(), clear, personal)) {
    return absl::InternalError(fmt::format("{} cannot be split", Describe(place, stored.type())));
  }
  stored.set_clear(std::move(clear));
  return absl::OkStatus();
}

absl::Status Seal(const Message& event, const SealingPlace& place, std::string_view subject,
                  const SubjectKey* key, store::v1::StoredEvent& stored) {
  if (stored.type().empty()) {
    return absl::InvalidArgumentError("an event without a type cannot be sealed");
  }
  stored.clear_clear();
  stored.clear_sealed();
  const SplitPlan& plan = SplitPlan::Of(*event.GetDescriptor());
  if (!plan.any_personal()) {
    event.SerializeToString(stored.mutable_clear());
    return absl::OkStatus();
  }
  std::string clear;
  std::string personal;
  if (!plan.Split(event.SerializeAsString(), clear, personal)) {
    return absl::InternalError(fmt::format("{} cannot be split", Describe(place, stored.type())));
  }
  if (!personal.empty()) {
    if (key == nullptr || subject.empty()) {
      return absl::InvalidArgumentError(fmt::format(
          "{} has personal content but no subject and key", Describe(place, stored.type())));
    }
    store::v1::SealedPart& part = *stored.add_sealed();
    part.set_subject(subject.data(), subject.size());
    part.set_key_id(key->id);
    part.set_nonce(RandomBytes(kNonceSize));
    part.set_ciphertext(Encrypt(key->secret, part.nonce(),
                                Bound(place, stored.type(), subject, key->id), personal));
  }
  stored.set_clear(std::move(clear));
  return absl::OkStatus();
}

absl::Status Open(const store::v1::StoredEvent& stored, const SealingPlace& place,
                  TenantNumber tenant, const KeyStore& keys, Message& event, bool* erased) {
  if (erased != nullptr) *erased = false;
  if (!event.ParseFromString(stored.clear())) {
    return Damaged(place, stored.type(), "its clear part does not parse");
  }
  for (const store::v1::SealedPart& part : stored.sealed()) {
    const absl::StatusOr<SecretKey> key = keys.Find(tenant, part.key_id());
    if (absl::IsNotFound(key.status())) {
      if (erased != nullptr) *erased = true;
      continue;
    }
    if (!key.ok()) return key.status();
    std::string personal;
    if (!Decrypt(*key, part.nonce(), Bound(place, stored.type(), part.subject(), part.key_id()),
                 part.ciphertext(), personal)) {
      return Damaged(place, stored.type(), "a sealed part does not decrypt");
    }
    if (!event.MergeFromString(personal)) {
      return Damaged(place, stored.type(), "a sealed part does not parse");
    }
  }
  return absl::OkStatus();
}

}  // namespace retrace::eventstore
