// Splitting a serialised message into its clear and its personal part, on the bytes: the plan for a
// type is made once, and no field is looked at that need not be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace retrace::eventstore {

// The plan for one message type. Immutable, thread-safe.
class SplitPlan {
 public:
  // The plan of a type; made on first use, kept as long as the process lives. `type` must be of the
  // generated pool.
  static const SplitPlan& Of(const google::protobuf::Descriptor& type);

  SplitPlan(const SplitPlan&) = delete;
  SplitPlan& operator=(const SplitPlan&) = delete;

  // Messages of the type can have personal content.
  bool any_personal() const { return any_personal_; }

  // Splitting the message, which is of this type, would give a personal part.
  bool HasPersonal(const google::protobuf::Message& message) const;

  // Appends each field of `message` to one of the two. A nested message that is split stands in
  // `clear` always, so that its presence is kept, and in `personal` when it has personal content.
  // Unknown fields count as personal: nobody can say that they are not. False when `message` is no
  // serialised message.
  bool Split(std::string_view message, std::string& clear, std::string& personal) const;

 private:
  enum class Part : uint8_t { kClear, kPersonal, kBoth };
  struct Field {
    const google::protobuf::FieldDescriptor* field = nullptr;
    Part part = Part::kClear;
  };

  explicit SplitPlan(const google::protobuf::Descriptor& type);
  const Field* Find(uint32_t number) const;

  bool any_personal_ = false;
  std::vector<std::pair<uint32_t, Field>> fields_;  // ascending by number
};

}  // namespace retrace::eventstore
