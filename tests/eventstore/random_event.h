// Random events of every type, which know what in them is personal.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace retrace::testing {

// Every message of retrace/store/v1/entities.proto.
std::vector<const google::protobuf::Descriptor*> EventTypes();

// The same seed gives the same event.
class RandomEvent {
 public:
  explicit RandomEvent(uint64_t seed);
  ~RandomEvent();

  std::unique_ptr<google::protobuf::Message> event;
  // Every text in it, below a field marked personal and elsewhere; all different, none part of
  // another.
  std::vector<std::string> personal;
  std::vector<std::string> clear;

 private:
  void Fill(google::protobuf::Message& message, bool in_personal, int depth);
  void Set(google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field,
           bool in_personal, int depth);
  std::string Text(bool in_personal);
  bool OneIn(uint64_t times) { return bits_() % times == 0; }

  std::mt19937_64 bits_;
};

}  // namespace retrace::testing
