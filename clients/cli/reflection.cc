#include "clients/cli/reflection.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/api/field_behavior.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;

const MethodDescriptor* FindMethod(absl::string_view method) {
  const bool in_full = absl::StartsWith(method, "google.");
  return DescriptorPool::generated_pool()->FindMethodByName(
      absl::StrCat(in_full ? "" : "retrace.v1.", method));
}

std::unique_ptr<Message> NewMessage(const Descriptor* type) {
  return std::unique_ptr<Message>(MessageFactory::generated_factory()->GetPrototype(type)->New());
}

}  // namespace

Exchange NewExchange(absl::string_view method) {
  Exchange exchange;
  exchange.method = FindMethod(method);
  GOOGLE_CHECK(exchange.method != nullptr) << "no method " << std::string(method);
  exchange.request = NewMessage(exchange.method->input_type());
  exchange.response = NewMessage(exchange.method->output_type());
  return exchange;
}

bool HasMethod(absl::string_view method) { return FindMethod(method) != nullptr; }

const FieldDescriptor* FieldOf(const Message& message, absl::string_view field) {
  return message.GetDescriptor()->FindFieldByName(std::string(field));
}

void SetText(Message& message, absl::string_view field, std::string value) {
  message.GetReflection()->SetString(&message, FieldOf(message, field), std::move(value));
}

void SetBool(Message& message, absl::string_view field, bool value) {
  message.GetReflection()->SetBool(&message, FieldOf(message, field), value);
}

void SetInt32(Message& message, absl::string_view field, int32_t value) {
  message.GetReflection()->SetInt32(&message, FieldOf(message, field), value);
}

void SetInt64(Message& message, absl::string_view field, int64_t value) {
  message.GetReflection()->SetInt64(&message, FieldOf(message, field), value);
}

std::string GetText(const Message& message, absl::string_view field) {
  return message.GetReflection()->GetString(message, FieldOf(message, field));
}

Message* MutableSub(Message& message, absl::string_view field) {
  return message.GetReflection()->MutableMessage(&message, FieldOf(message, field));
}

const Message& Sub(const Message& message, absl::string_view field) {
  return message.GetReflection()->GetMessage(message, FieldOf(message, field));
}

std::vector<const Message*> Elements(const Message& message, absl::string_view field) {
  const FieldDescriptor* descriptor = FieldOf(message, field);
  std::vector<const Message*> elements;
  const int size = message.GetReflection()->FieldSize(message, descriptor);
  elements.reserve(size);
  for (int i = 0; i < size; ++i) {
    elements.push_back(&message.GetReflection()->GetRepeatedMessage(message, descriptor, i));
  }
  return elements;
}

bool IsOutputOnly(const FieldDescriptor& field) {
  const auto& options = field.options();
  for (int i = 0; i < options.ExtensionSize(google::api::field_behavior); ++i) {
    const auto behavior = options.GetExtension(google::api::field_behavior, i);
    if (behavior == google::api::OUTPUT_ONLY || behavior == google::api::IDENTIFIER) return true;
  }
  return false;
}

}  // namespace retrace::cli
