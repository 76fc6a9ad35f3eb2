#include "eventstore/split_plan.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::eventstore {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

bool IsPersonal(const FieldDescriptor& field) {
  return field.options().GetExtension(retrace::v1::personal);
}

bool IsSingularMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated();
}

// A marked field can be reached through singular messages. Types may contain themselves.
bool ReachesPersonal(const Descriptor& type, absl::flat_hash_set<const Descriptor*>& seen) {
  if (!seen.insert(&type).second) return false;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (IsPersonal(field)) return true;
    if (IsSingularMessage(field) && ReachesPersonal(*field.message_type(), seen)) return true;
  }
  return false;
}

bool ReachesPersonal(const Descriptor& type) {
  absl::flat_hash_set<const Descriptor*> seen;
  return ReachesPersonal(type, seen);
}

void AppendVarint(uint64_t value, std::string& out) {
  uint8_t bytes[10];
  const uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(end - bytes));
}

// Reads past a field's value; false when it is cut short.
bool Skip(CodedInputStream& in, uint32_t tag) {
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_VARINT: {
      uint64_t ignored = 0;
      return in.ReadVarint64(&ignored);
    }
    case WireFormatLite::WIRETYPE_FIXED64:
      return in.Skip(8);
    case WireFormatLite::WIRETYPE_FIXED32:
      return in.Skip(4);
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
      uint32_t size = 0;
      return in.ReadVarint32(&size) && in.Skip(static_cast<int>(size));
    }
    default:
      return WireFormatLite::SkipField(&in, tag);
  }
}

}  // namespace

const SplitPlan& SplitPlan::Of(const Descriptor& type) {
  static absl::Mutex mutex;
  // Never freed: threads may seal while the process ends.
  static auto& plans = *new absl::flat_hash_map<const Descriptor*, const SplitPlan*>();
  {
    absl::ReaderMutexLock lock(&mutex);
    const auto found = plans.find(&type);
    if (found != plans.end()) return *found->second;
  }
  absl::MutexLock lock(&mutex);
  const SplitPlan*& plan = plans[&type];
  if (plan == nullptr) plan = new SplitPlan(type);
  return *plan;
}

SplitPlan::SplitPlan(const Descriptor& type) : any_personal_(ReachesPersonal(type)) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    Part part = Part::kClear;
    if (IsPersonal(field)) {
      part = Part::kPersonal;
    } else if (IsSingularMessage(field) && ReachesPersonal(*field.message_type())) {
      part = Part::kBoth;
    }
    fields_.emplace_back(static_cast<uint32_t>(field.number()), Field{&field, part});
  }
  std::sort(fields_.begin(), fields_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
}

const SplitPlan::Field* SplitPlan::Find(uint32_t number) const {
  const auto found =
      std::lower_bound(fields_.begin(), fields_.end(), number,
                       [](const auto& field, uint32_t wanted) { return field.first < wanted; });
  return found == fields_.end() || found->first != number ? nullptr : &found->second;
}

bool SplitPlan::HasPersonal(const Message& message) const {
  if (!any_personal_) return false;
  const Reflection& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) return true;
  for (const auto& [number, planned] : fields_) {
    if (planned.part == Part::kClear) continue;
    const FieldDescriptor& field = *planned.field;
    const bool present = field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                                             : reflection.HasField(message, &field);
    if (!present) continue;
    if (planned.part == Part::kPersonal) return true;
    if (Of(*field.message_type()).HasPersonal(reflection.GetMessage(message, &field))) return true;
  }
  return false;
}

bool SplitPlan::Split(std::string_view message, std::string& clear, std::string& personal) const {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(message.data()),
                      static_cast<int>(message.size()));
  while (true) {
    const auto begin = static_cast<size_t>(in.CurrentPosition());
    const uint32_t tag = in.ReadTagNoLastTag();
    if (tag == 0) return begin == message.size();
    const auto value = static_cast<size_t>(in.CurrentPosition());
    if (!Skip(in, tag)) return false;
    const auto end = static_cast<size_t>(in.CurrentPosition());
    const std::string_view whole = message.substr(begin, end - begin);
    const Field* const field = Find(static_cast<uint32_t>(WireFormatLite::GetTagFieldNumber(tag)));
    if (field != nullptr && field->part == Part::kClear) {
      clear.append(whole);
      continue;
    }
    if (field == nullptr || field->part != Part::kBoth ||
        WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      personal.append(whole);
      continue;
    }
    // The value is its length, then the nested message.
    CodedInputStream length(reinterpret_cast<const uint8_t*>(message.data()) + value,
                            static_cast<int>(end - value));
    uint32_t size = 0;
    if (!length.ReadVarint32(&size)) return false;
    std::string nested_clear;
    std::string nested_personal;
    const SplitPlan& nested = Of(*field->field->message_type());
    if (!nested.Split(message.substr(end - size, size), nested_clear, nested_personal)) {
      return false;
    }
    AppendVarint(tag, clear);
    AppendVarint(nested_clear.size(), clear);
    clear.append(nested_clear);
    if (nested_personal.empty()) continue;
    AppendVarint(tag, personal);
    AppendVarint(nested_personal.size(), personal);
    personal.append(nested_personal);
  }
}

}  // namespace retrace::eventstore
