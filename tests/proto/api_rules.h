#pragma once

#include <string>
#include <vector>

#include <google/protobuf/descriptor.h>

namespace retrace::testing {

// Checks one file of the API against the rules that buf does not know: permissions, http rules, the
// AIPs' names and shapes, field behaviour, bounds, merge rules, comments. Returns one sentence per
// violation, each starting with the element's full name; empty when all is well.
//
// `file` must come from a pool that was built with source info (protoc --include_source_info), or
// every element counts as uncommented. Pure; safe from any thread.
std::vector<std::string> ApiViolations(const google::protobuf::FileDescriptor& file);

// Checks a file of the on-disk format: comments and names only.
std::vector<std::string> StoreViolations(const google::protobuf::FileDescriptor& file);

}  // namespace retrace::testing
