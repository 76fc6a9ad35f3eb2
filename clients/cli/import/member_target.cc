#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "clients/cli/columns.h"
#include "clients/cli/import/import_target.h"
#include "clients/cli/reflection.h"
#include "clients/cpp/error_details.h"
#include "retrace/v1/members.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

class MemberTarget : public ImportTarget {
 public:
  MemberTarget(Session& session, const RowReader& reader, References& references)
      : session_(session), reader_(reader), references_(references) {}

  // Members have no batch method.
  size_t batch_rows() const override { return 1; }

  absl::Status Complete(std::vector<ImportRow>& rows) override;
  absl::StatusOr<std::map<std::string, Found>> Find(const std::vector<std::string>& keys) override;
  absl::Status Create(const std::vector<const ImportRow*>& rows, int64_t change_set) override;
  absl::Status Update(const ImportRow& row, const Found& found, int64_t change_set) override;

 private:
  absl::StatusOr<std::string> LeadOf(const std::string& text);
  std::string HashOf(const Message& member) const;
  absl::Status Write(const std::string& id, const v1::Member& member, const std::string& etag,
                     int64_t change_set);

  Session& session_;
  const RowReader& reader_;
  References& references_;
  // Leads who are not there yet, by id: created with the first row that names them.
  std::map<std::string, std::string> new_leads_;
  // Those that were created so, until their own row comes.
  std::set<std::string> created_leads_;
};

// A member keeps no attributes, so the hash is taken of the fields that the file writes.
std::string MemberTarget::HashOf(const Message& member) const {
  v1::Member copy;
  for (const std::string& field : reader_.fields()) {
    SetText(copy, field, GetText(member, field));
  }
  return ContentHash(copy);
}

absl::StatusOr<std::string> MemberTarget::LeadOf(const std::string& text) {
  absl::StatusOr<std::string> found = references_.Member(text);
  if (found.ok() || client::IsFromServer(found.status()) ||
      found.status().code() != absl::StatusCode::kNotFound) {
    return found;
  }
  const std::string id = SlugOf(text);
  if (id.empty()) return found.status();
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return tenant.status();
  new_leads_[id] = text;
  return FullName(*tenant, "members", id);
}

absl::Status MemberTarget::Complete(std::vector<ImportRow>& rows) {
  for (ImportRow& row : rows) {
    if (!row.fault.empty()) continue;
    if (const auto lead = row.references.find("lead"); lead != row.references.end()) {
      absl::StatusOr<std::string> name = LeadOf(lead->second);
      if (!name.ok() && client::IsFromServer(name.status())) return name.status();
      if (!name.ok()) {
        row.fault = std::string(name.status().message());
        continue;
      }
      SetText(*row.entity, "lead", *name);
    }
    if (row.key.empty()) row.key = SlugOf(GetText(*row.entity, "display_name"));
    if (row.key.empty()) {
      row.fault = "no id can be made of the display name; give the file a column `id`";
      continue;
    }
    row.hash = HashOf(*row.entity);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, ImportTarget::Found>> MemberTarget::Find(
    const std::vector<std::string>& keys) {
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return tenant.status();
  std::map<std::string, Found> found;
  for (const std::string& key : keys) {
    v1::GetMemberRequest request;
    request.set_name(FullName(*tenant, "members", key));
    const auto reply = session_.Ask<v1::GetMemberResponse>("Members.GetMember", request);
    if (!reply.ok()) {
      // The id may be malformed; creating says so, row by row.
      if (reply.status().code() == absl::StatusCode::kInvalidArgument) continue;
      if (client::DetailsOf(reply.status()).reason == "ENTITY_NOT_FOUND") continue;
      return reply.status();
    }
    Found& entry = found[key];
    entry.entity = std::make_unique<v1::Member>(reply->member());
    entry.deleted = reply->member().state() == v1::Member::DELETED;
    entry.hash = HashOf(reply->member());
  }
  return found;
}

absl::Status MemberTarget::Create(const std::vector<const ImportRow*>& rows, int64_t change_set) {
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return tenant.status();
  const auto create = [&](const std::string& id, const v1::Member& member) {
    v1::CreateMemberRequest request;
    request.set_parent(*tenant);
    request.set_member_id(id);
    *request.mutable_member() = member;
    request.mutable_options()->set_change_set(change_set);
    return session_.Ask<v1::CreateMemberResponse>("Members.CreateMember", request).status();
  };
  for (const ImportRow* row : rows) {
    const auto& member = static_cast<const v1::Member&>(*row->entity);
    const std::string lead = IdOf(member.lead());
    if (const auto fresh = new_leads_.find(lead); fresh != new_leads_.end()) {
      v1::Member leader;
      leader.set_display_name(fresh->second);
      const absl::Status status = create(lead, leader);
      // The lead may be a row of this file that was created meanwhile.
      if (!status.ok() && status.code() != absl::StatusCode::kAlreadyExists) return status;
      if (status.ok()) created_leads_.insert(lead);
      new_leads_.erase(fresh);
      references_.ForgetMembers();
    }
    const absl::Status status = created_leads_.contains(row->key)
                                    ? Write(row->key, member, "", change_set)
                                    : create(row->key, member);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status MemberTarget::Update(const ImportRow& row, const Found& found, int64_t change_set) {
  return Write(IdOf(GetText(*found.entity, "name")), static_cast<const v1::Member&>(*row.entity),
               GetText(*found.entity, "etag"), change_set);
}

absl::Status MemberTarget::Write(const std::string& id, const v1::Member& member,
                                 const std::string& etag, int64_t change_set) {
  absl::StatusOr<std::string> tenant = session_.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::UpdateMemberRequest request;
  *request.mutable_member() = member;
  request.mutable_member()->set_name(FullName(*tenant, "members", id));
  for (const std::string& field : reader_.fields()) request.mutable_update_mask()->add_paths(field);
  request.mutable_options()->set_etag(etag);
  request.mutable_options()->set_change_set(change_set);
  return session_.Ask<v1::UpdateMemberResponse>("Members.UpdateMember", request).status();
}

}  // namespace

std::unique_ptr<ImportTarget> NewMemberTarget(Session& session, const RowReader& reader,
                                              References& references) {
  return std::make_unique<MemberTarget>(session, reader, references);
}

}  // namespace retrace::cli
