#include "server/request_bytes.h"

#include <memory>
#include <utility>
#include <vector>

#include "domain/serialize.h"
#include "google/protobuf/any.pb.h"
#include "server/admission.h"
#include "server/operation_targets.h"

namespace retrace::server {
namespace {

using google::protobuf::Any;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// What does not make it another command: a repeat may come without the plan that was executed.
void ClearPlanOptions(v1::CommandOptions& options) {
  options.clear_plan_only();
  options.clear_plan_token();
  options.clear_acknowledged_count();
  options.clear_acknowledged_warnings();
}

// A command that is in another, e.g. announced by it, without its own plan.
void ClearPlanIn(Any& any) {
  const std::shared_ptr<Message> command = Unpack(any);
  const FieldDescriptor* field =
      command == nullptr ? nullptr : command->GetDescriptor()->FindFieldByName("options");
  if (field == nullptr || field->message_type() != v1::CommandOptions::descriptor() ||
      !command->GetReflection()->HasField(*command, field)) {
    return;
  }
  ClearPlanOptions(static_cast<v1::CommandOptions&>(
      *command->GetReflection()->MutableMessage(command.get(), field)));
  any.set_value(domain::SerializeDeterministically(*command));
}

// Takes the plans out of the commands that the request holds; what was there, to be put back.
std::vector<std::pair<Any*, Any>> TakeInnerPlans(Message& request) {
  std::vector<std::pair<Any*, Any>> before;
  const auto& type = *request.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (field->message_type() == Any::descriptor() && !field->is_repeated() &&
        request.GetReflection()->HasField(request, field)) {
      auto& any = static_cast<Any&>(*request.GetReflection()->MutableMessage(&request, field));
      before.emplace_back(&any, any);
      ClearPlanIn(any);
    }
  }
  return before;
}

}  // namespace

std::string RequestBytes(const Method& method, Message& request) {
  auto& options = const_cast<v1::CommandOptions&>(method.OptionsOf(request));
  const bool has_options = request.GetReflection()->HasField(request, method.options);
  std::string request_id;
  v1::CommandOptions whole;
  const bool planned = HasPlanOptions(options);
  if (planned) {
    whole = options;
    ClearPlanOptions(options);
  }
  if (has_options) {
    request_id.swap(*options.mutable_request_id());
  }
  std::vector<std::pair<Any*, Any>> inner = TakeInnerPlans(request);
  std::string bytes = domain::SerializeDeterministically(request);
  for (auto& [any, before] : inner) {
    *any = std::move(before);
  }
  if (has_options) {
    options.mutable_request_id()->swap(request_id);
  }
  if (planned) {
    options = std::move(whole);
  }
  return bytes;
}

}  // namespace retrace::server
