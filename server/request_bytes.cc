#include "server/request_bytes.h"

#include <utility>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/admission.h"

namespace retrace::server {
namespace {

// What does not make it another command: a repeat may come without the plan that was executed.
void ClearPlanOptions(v1::CommandOptions& options) {
  options.clear_plan_only();
  options.clear_plan_token();
  options.clear_acknowledged_count();
  options.clear_acknowledged_warnings();
}

}  // namespace

std::string RequestBytes(const Method& method, google::protobuf::Message& request) {
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
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
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
