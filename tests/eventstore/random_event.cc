#include "tests/eventstore/random_event.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::testing {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::Reflection;

std::vector<const Descriptor*> EventTypes() {
  const auto& file = *store::v1::CustomerCreated::descriptor()->file();
  std::vector<const Descriptor*> types;
  for (int i = 0; i < file.message_type_count(); ++i) types.push_back(file.message_type(i));
  return types;
}

RandomEvent::RandomEvent(uint64_t seed) : bits_(seed) {
  const std::vector<const Descriptor*> types = EventTypes();
  const Descriptor* const type = types[bits_() % types.size()];
  event.reset(MessageFactory::generated_factory()->GetPrototype(type)->New());
  Fill(*event, false, 0);
  // A later member of a oneof, or a map entry with the same key, took the place of some.
  const std::string bytes = event->SerializeAsString();
  for (std::vector<std::string>* texts : {&personal, &clear}) {
    std::erase_if(*texts,
                  [&](const std::string& text) { return bytes.find(text) == std::string::npos; });
  }
}

RandomEvent::~RandomEvent() = default;

void RandomEvent::Fill(Message& message, bool in_personal, int depth) {
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool personal = in_personal || field.options().GetExtension(retrace::v1::personal);
    for (int times = field.is_repeated() ? 3 : 1; times > 0; --times) {
      if (OneIn(2)) Set(message, field, personal, depth);
    }
  }
}

void RandomEvent::Set(Message& message, const FieldDescriptor& field, bool in_personal, int depth) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (depth < 6) {
        Fill(repeated ? *reflection.AddMessage(&message, &field)
                      : *reflection.MutableMessage(&message, &field),
             in_personal, depth + 1);
      }
      return;
    case FieldDescriptor::CPPTYPE_STRING:
      return repeated ? reflection.AddString(&message, &field, Text(in_personal))
                      : reflection.SetString(&message, &field, Text(in_personal));
    case FieldDescriptor::CPPTYPE_INT32: {
      const auto value = static_cast<int32_t>(bits_());
      return repeated ? reflection.AddInt32(&message, &field, value)
                      : reflection.SetInt32(&message, &field, value);
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const auto value = static_cast<int64_t>(bits_());
      return repeated ? reflection.AddInt64(&message, &field, value)
                      : reflection.SetInt64(&message, &field, value);
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      const auto value = static_cast<uint32_t>(bits_());
      return repeated ? reflection.AddUInt32(&message, &field, value)
                      : reflection.SetUInt32(&message, &field, value);
    }
    case FieldDescriptor::CPPTYPE_UINT64:
      return repeated ? reflection.AddUInt64(&message, &field, bits_())
                      : reflection.SetUInt64(&message, &field, bits_());
    case FieldDescriptor::CPPTYPE_BOOL:
      return repeated ? reflection.AddBool(&message, &field, OneIn(2))
                      : reflection.SetBool(&message, &field, OneIn(2));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int value = static_cast<int>(bits_() % 4);
      return repeated ? reflection.AddEnumValue(&message, &field, value)
                      : reflection.SetEnumValue(&message, &field, value);
    }
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return repeated ? reflection.AddDouble(&message, &field, 0.25)
                      : reflection.SetDouble(&message, &field, 0.25);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return repeated ? reflection.AddFloat(&message, &field, 0.25F)
                      : reflection.SetFloat(&message, &field, 0.25F);
  }
}

std::string RandomEvent::Text(bool in_personal) {
  std::vector<std::string>& texts = in_personal ? personal : clear;
  texts.push_back(
      fmt::format("<{} {} {:x}>", in_personal ? "canary" : "plain", texts.size(), bits_()));
  return texts.back();
}

}  // namespace retrace::testing
