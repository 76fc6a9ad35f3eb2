#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace retrace::cli {

// One call of the API by name: the method, its request to fill and its response to read. What the
// verbs of all nouns share works on these, so that a new noun needs no code of its own for them.
struct Exchange {
  const google::protobuf::MethodDescriptor* method = nullptr;
  std::unique_ptr<google::protobuf::Message> request;
  std::unique_ptr<google::protobuf::Message> response;
};

// For a method by its name in package retrace.v1, e.g. `Customers.GetCustomer`, or one of Google's
// by its full name. The name must exist (it comes from a table in this program).
Exchange NewExchange(absl::string_view method);

// True when the API has that method.
bool HasMethod(absl::string_view method);

// The field of that name; null when there is none.
const google::protobuf::FieldDescriptor* FieldOf(const google::protobuf::Message& message,
                                                 absl::string_view field);

// Access to singular fields by name. The field must exist with that type.
void SetText(google::protobuf::Message& message, absl::string_view field, std::string value);
void SetBool(google::protobuf::Message& message, absl::string_view field, bool value);
void SetInt32(google::protobuf::Message& message, absl::string_view field, int32_t value);
void SetInt64(google::protobuf::Message& message, absl::string_view field, int64_t value);
std::string GetText(const google::protobuf::Message& message, absl::string_view field);
google::protobuf::Message* MutableSub(google::protobuf::Message& message, absl::string_view field);
const google::protobuf::Message& Sub(const google::protobuf::Message& message,
                                     absl::string_view field);
// The elements of a repeated message field; valid as long as `message` is not changed.
std::vector<const google::protobuf::Message*> Elements(const google::protobuf::Message& message,
                                                       absl::string_view field);

// True for a field that only the server sets.
bool IsOutputOnly(const google::protobuf::FieldDescriptor& field);

}  // namespace retrace::cli
