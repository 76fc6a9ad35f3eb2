#include "domain/standard.h"

#include <algorithm>

#include "domain/field_traits.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldMask;
using google::protobuf::Message;

// Null for events without a mask.
const FieldMask* MaskOf(const Message& event) {
  const auto* field = FieldNamed(*event.GetDescriptor(), "update_mask");
  return field == nullptr
             ? nullptr
             : static_cast<const FieldMask*>(&event.GetReflection()->GetMessage(event, field));
}

}  // namespace

Message* MutableResource(Message& event) {
  return event.GetReflection()->MutableMessage(&event, event.GetDescriptor()->field(0));
}

void ApplyResourceEvent(const Message& event, const CommitHeader& /*header*/, Row& row) {
  const auto* field = event.GetDescriptor()->field(0);
  const Message& given = event.GetReflection()->GetMessage(event, field);
  const FieldMask* mask = MaskOf(event);
  std::shared_ptr<Message> resource(given.New());
  if (mask == nullptr) {
    resource->MergeFrom(given);
  } else {
    if (row.resource != nullptr) {
      resource->MergeFrom(*row.resource);
    }
    CopyPaths({mask->paths().begin(), mask->paths().end()}, given, *resource);
  }
  row.resource = std::move(resource);
}

bool Names(const std::vector<std::string>& paths, std::string_view field) {
  return std::any_of(paths.begin(), paths.end(), [&](std::string_view path) {
    return path.substr(0, field.size()) == field &&
           (path.size() == field.size() || path[field.size()] == '.');
  });
}

bool Writes(const Message& event, std::string_view field) {
  const FieldMask* mask = MaskOf(event);
  return mask != nullptr && Names({mask->paths().begin(), mask->paths().end()}, field);
}

}  // namespace retrace::domain
