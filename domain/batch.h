// Batches: up to 1,000 commands of one sort in one commit, all or none.
#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "domain/lifecycle.h"
#include "fmt/format.h"

namespace retrace::domain {

// Refuses an empty batch (INVALID_FIELD) and one that is too large (USE_OPERATION).
absl::Status CheckBatchSize(int size, std::string_view field);
// Refuses an element with a parent of its own other than the batch's, or with options.
absl::Status CheckNested(const std::string& parent, bool has_options,
                         const std::string& batch_parent);

// `create_one(element request, draft, context, element name)`.
template <typename Request, typename CreateOne>
absl::Status DecideBatchCreate(const Request& request, Draft& draft, const Context& context,
                               CreateOne create_one) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  RETRACE_RETURN_IF_ERROR(CheckBatchSize(request.requests_size(), "requests"));
  for (int i = 0; i < request.requests_size(); ++i) {
    const auto& one = request.requests(i);
    const std::string element = fmt::format("requests[{}]", i);
    const bool has_options = one.has_options() && one.options().ByteSizeLong() > 0;
    absl::Status status = CheckNested(one.parent(), has_options, request.parent());
    if (status.ok()) {
      status = create_one(one, draft, context, element);
    }
    RETRACE_RETURN_IF_ERROR(Inside(element, status));
  }
  return absl::OkStatus();
}

// Finds and targets each name; `delete_one(found)` does the rest. Names stand for themselves: an
// etag of the batch would have to fit all of them and is refused.
template <typename Request, typename DeleteOne>
absl::Status DecideBatchDelete(KindNumber kind, const Request& request, Draft& draft,
                               const Context& context, DeleteOne delete_one) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  RETRACE_RETURN_IF_ERROR(CheckBatchSize(request.names_size(), "names"));
  if (!request.options().etag().empty()) {
    return Refusal(v1::INVALID_FIELD, "options.etag cannot fit a batch.")
        .Field("options.etag", "Leave it empty, or delete one by one.");
  }
  std::set<std::string> seen;
  for (int i = 0; i < request.names_size(); ++i) {
    const std::string element = fmt::format("names[{}]", i);
    if (!seen.insert(request.names(i)).second) {
      return Refusal(v1::INVALID_FIELD, element + " is in the list already.")
          .Field(element, "Give each name once.");
    }
    auto found = FindLive(kind, request.names(i), request.options(), draft, context);
    RETRACE_RETURN_IF_ERROR(Inside(element, found.status()));
    draft.Target(found->entity, element);
    RETRACE_RETURN_IF_ERROR(Inside(element, delete_one(*found)));
  }
  return absl::OkStatus();
}

}  // namespace retrace::domain
