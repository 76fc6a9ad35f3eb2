#include <utility>

#include "absl/strings/str_cat.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/import/importer.h"
#include "retrace/v1/history.pb.h"

namespace retrace::cli {

ImportChangeSet::ImportChangeSet(Session& session, std::string title)
    : session_(session), title_(std::move(title)) {
  if (session.flags.change_set != 0) {
    number_ = session.flags.change_set;
    given_ = true;
  }
}

absl::StatusOr<int64_t> ImportChangeSet::Number() {
  if (number_) return *number_;
  if (const std::optional<int64_t> open = FindOpen()) {
    number_ = open;
    joined_ = true;
    return *number_;
  }
  return Begin();
}

absl::StatusOr<int64_t> ImportChangeSet::Begin() {
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::BeginChangeSetRequest request;
  request.set_parent(*tenant);
  request.set_title(title_);
  const auto reply = session_.Ask<v1::BeginChangeSetResponse>("History.BeginChangeSet", request);
  if (!reply.ok()) return reply.status();
  number_ = reply->change_set().number();
  return *number_;
}

std::optional<int64_t> ImportChangeSet::FindOpen() {
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return std::nullopt;
  v1::ListChangeSetsRequest request;
  request.set_parent(*tenant);
  request.set_page_size(10);
  request.set_filter(absl::StrCat("title = ", FilterText(title_)));
  const auto reply = session_.Ask<v1::ListChangeSetsResponse>("History.ListChangeSets", request);
  // Who may not read history simply begins a new one.
  if (!reply.ok()) return std::nullopt;
  for (const v1::ChangeSet& change_set : reply->change_sets()) {
    if (change_set.state() == v1::ChangeSet::OPEN) return change_set.number();
  }
  return std::nullopt;
}

bool ImportChangeSet::Replace() {
  // One that was found open may be another's; one begun here is only closed after its 24 hours.
  if (given_) return false;
  number_.reset();
  if (!joined_) return false;
  joined_ = false;
  return Begin().ok();
}

absl::Status ImportChangeSet::End() {
  if (!number_ || given_) return absl::OkStatus();
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::EndChangeSetRequest request;
  request.set_name(absl::StrCat(*tenant, "/changeSets/", *number_));
  return session_.Ask<v1::EndChangeSetResponse>("History.EndChangeSet", request).status();
}

}  // namespace retrace::cli
