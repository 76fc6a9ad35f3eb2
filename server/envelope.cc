#include "server/envelope.h"

#include "retrace/store/v1/commit.pb.h"

namespace retrace::server {
namespace {

using store::v1::Commit;

// Protobuf's wire format, as far as an envelope needs it.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  // The next field; false at the end or when the bytes are malformed.
  bool Next() {
    if (rest_.empty()) return false;
    uint64_t tag = 0;
    if (!Varint(tag)) return Fail();
    field_ = static_cast<int>(tag >> 3);
    switch (tag & 7) {
      case 0:
        return Varint(number_) || Fail();
      case 1:
        return Fixed(8) || Fail();
      case 2: {
        uint64_t size = 0;
        if (!Varint(size) || size > rest_.size()) return Fail();
        bytes_ = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return true;
      }
      case 5:
        return Fixed(4) || Fail();
      default:
        return Fail();
    }
  }

  bool malformed() const { return malformed_; }
  int field() const { return field_; }
  uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }

 private:
  bool Fail() {
    malformed_ = true;
    return false;
  }

  bool Varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool Fixed(size_t size) {
    if (rest_.size() < size) return false;
    number_ = 0;
    for (size_t i = 0; i < size; ++i) {
      number_ |= static_cast<uint64_t>(static_cast<uint8_t>(rest_[i])) << (8 * i);
    }
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
  bool malformed_ = false;
  int field_ = 0;
  uint64_t number_ = 0;
  std::string_view bytes_;
};

bool ReadEvent(std::string_view bytes, Envelope::Event& event) {
  WireReader reader(bytes);
  while (reader.Next()) {
    switch (reader.field()) {
      case store::v1::StoredEvent::kEntityFieldNumber: {
        WireReader entity(reader.bytes());
        while (entity.Next()) {
          if (entity.field() == store::v1::EntityRef::kKindFieldNumber) {
            event.kind = static_cast<uint32_t>(entity.number());
          } else if (entity.field() == store::v1::EntityRef::kIdFieldNumber) {
            event.id = entity.bytes();
          }
        }
        if (entity.malformed()) return false;
        break;
      }
      case store::v1::StoredEvent::kRevisionFieldNumber:
        event.revision = reader.number();
        break;
      case store::v1::StoredEvent::kTypeFieldNumber:
        event.type = reader.bytes();
        break;
      default:
        break;
    }
  }
  return !reader.malformed();
}

// Takes a field that is not an event.
void TakeField(const WireReader& reader, Envelope& envelope) {
  switch (reader.field()) {
    case Commit::kPositionFieldNumber:
      envelope.position = reader.number();
      break;
    case Commit::kEpochFieldNumber:
      envelope.epoch = reader.number();
      break;
    case Commit::kCommitTimeUsFieldNumber:
      envelope.commit_time_us = static_cast<int64_t>(reader.number());
      break;
    case Commit::kCommitIdFieldNumber:
      envelope.commit_id = reader.bytes();
      break;
    case Commit::kActorFieldNumber:
      envelope.actor = reader.bytes();
      break;
    case Commit::kOnBehalfOfFieldNumber:
      envelope.on_behalf_of = reader.bytes();
      break;
    case Commit::kMethodFieldNumber:
      envelope.method = reader.bytes();
      break;
    case Commit::kReasonFieldNumber:
      envelope.reason = reader.bytes();
      break;
    case Commit::kRequestIdFieldNumber:
      envelope.request_id = reader.bytes();
      break;
    case Commit::kChangeSetFieldNumber:
      envelope.change_set = reader.number();
      break;
    case Commit::kCausationIdFieldNumber:
      envelope.causation_id = reader.bytes();
      break;
    case Commit::kCorrelationIdFieldNumber:
      envelope.correlation_id = reader.bytes();
      break;
    case Commit::kUndoesFieldNumber:
      envelope.undoes = reader.number();
      break;
    default:
      break;
  }
}

}  // namespace

absl::Status ReadEnvelope(std::string_view bytes, bool with_events, Envelope& envelope) {
  std::vector<Envelope::Event> events = std::move(envelope.events);
  events.clear();
  envelope = {};
  envelope.events = std::move(events);
  WireReader reader(bytes);
  bool sound = true;
  while (sound && reader.Next()) {
    if (reader.field() != Commit::kEventsFieldNumber) {
      TakeField(reader, envelope);
    } else if (with_events) {
      sound = ReadEvent(reader.bytes(), envelope.events.emplace_back());
    }
  }
  if (!sound || reader.malformed() || envelope.position == 0) {
    return absl::DataLossError(
        "Stored bytes are no commit. Restore the log from a backup with `retraced recover`.");
  }
  return absl::OkStatus();
}

}  // namespace retrace::server
