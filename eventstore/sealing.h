// Sealing: personal fields of an event are stored only under the subject's key.
//
// A message is split by the field option `(retrace.v1.personal)`: a field so marked goes to the
// sealed part whole, whatever it is; an unmarked singular message field is split recursively;
// everything else stays clear. (A repeated or map field whose elements hold marked fields must be
// marked itself; a test over the descriptors watches that.) Reading merges the two parts, so
// ciphertext never stands where text is expected.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "eventstore/key_store.h"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf
namespace retrace::store::v1 {
class StoredEvent;
}

namespace retrace::eventstore {

// True when messages of this type can have personal content.
bool HasPersonalFields(const google::protobuf::Descriptor& type);

// True when this message has personal content now; cheap. What decides whether a key is needed at
// all.
bool HasPersonalContent(const google::protobuf::Message& message);

// What binds a sealed part to its place; part of the AES-GCM associated data with the event's type,
// subject and key id.
struct SealingPlace {
  std::string_view tenant;  // id
  uint32_t kind = 0;
  std::string_view entity;  // id
};

// Fills `clear` and `sealed` of `stored` from `event`; `stored.type` must be set. With no personal
// content nothing is sealed and `key` may be null.
absl::Status Seal(const google::protobuf::Message& event, const SealingPlace& place,
                  std::string_view subject, const SubjectKey* key, store::v1::StoredEvent& stored);

// Fills `clear` of `stored` from `event` without its personal content, which nobody is to read
// again; nothing is sealed. `stored.type` must be set.
absl::Status StoreClear(const google::protobuf::Message& event, const SealingPlace& place,
                        store::v1::StoredEvent& stored);

// Parses `stored` into `event`: clear, merged with every part that can be opened. A part whose key
// is gone is left out and
// `*erased` (may be null) is set. DATA_LOSS when a part does not decrypt or parse.
absl::Status Open(const store::v1::StoredEvent& stored, const SealingPlace& place,
                  TenantNumber tenant, const KeyStore& keys, google::protobuf::Message& event,
                  bool* erased);

}  // namespace retrace::eventstore
