#include "domain/batch.h"

namespace retrace::domain {

absl::Status CheckBatchSize(int size, std::string_view field) {
  if (size == 0) {
    return Refusal(v1::INVALID_FIELD, fmt::format("{} is empty.", field))
        .Field(field, fmt::format("Give 1 to {}.", kMostEntities));
  }
  if (size > kMostEntities) {
    return Refusal(v1::USE_OPERATION, fmt::format("{} has {} elements, more than the {} of one "
                                                  "commit.",
                                                  field, size, kMostEntities))
        .Field(field, fmt::format("Give 1 to {}.", kMostEntities))
        .Next("Send them in several batches; a change set keeps them together.");
  }
  return absl::OkStatus();
}

absl::Status CheckNested(const std::string& parent, bool has_options,
                         const std::string& batch_parent) {
  if (!parent.empty() && parent != batch_parent) {
    return Refusal(v1::INVALID_FIELD, "parent is not the batch's.")
        .Field("parent", "Leave it empty, or repeat the batch's parent.");
  }
  if (has_options) {
    return Refusal(v1::INVALID_FIELD, "options are the batch's, which is one command.")
        .Field("options", "Leave them out; give options to the batch.");
  }
  return absl::OkStatus();
}

}  // namespace retrace::domain
