#include "server/commit_show.h"

#include <memory>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "domain/fields.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/time_util.h"
#include "server/admission.h"
#include "server/moment.h"
#include "server/roles.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::Row;
using domain::RowPtr;
using google::protobuf::Message;
using google::protobuf::util::TimeUtil;

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

void ShowEnvelope(const Tenant& tenant, const Envelope& envelope, std::string_view stored,
                  v1::Commit& commit) {
  commit.set_name(fmt::format("tenants/{}/commits/{}", tenant.id, envelope.position));
  commit.set_position(static_cast<int64_t>(envelope.position));
  commit.set_epoch(ShowEpoch(envelope.epoch));
  *commit.mutable_commit_time() = TimeUtil::MicrosecondsToTimestamp(envelope.commit_time_us);
  commit.set_commit_id(Hex(envelope.commit_id));
  commit.set_actor(std::string(envelope.actor));
  commit.set_on_behalf_of(std::string(envelope.on_behalf_of));
  commit.set_method(std::string(envelope.method));
  commit.set_reason(std::string(envelope.reason));
  commit.set_request_id(std::string(envelope.request_id));
  commit.set_change_set(static_cast<int64_t>(envelope.change_set));
  commit.set_correlation_id(std::string(envelope.correlation_id));
  commit.set_causation_id(Hex(envelope.causation_id));
  commit.set_undoes(static_cast<int64_t>(envelope.undoes));
  const eventstore::Sha256Digest hash = eventstore::Sha256(stored);
  commit.set_stored_hash(
      Hex(std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size())));
}

}  // namespace

std::unique_ptr<Message> Shown(const Tenant& tenant, const EntityRef& entity, const Row* row) {
  if (row == nullptr || row->purged()) return nullptr;
  std::unique_ptr<Message> resource(domain::KindOf(entity.kind).resource->New());
  domain::ShowResource(tenant.id, entity, *row, *resource);
  return resource;
}

namespace {

// An event's message as a Struct, its fields named as in the proto.
absl::Status ShowPayload(const Message& event, google::protobuf::Struct& payload) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  auto status = google::protobuf::util::MessageToJsonString(event, &json, options);
  if (status.ok()) status = google::protobuf::util::JsonStringToMessage(json, &payload);
  if (status.ok()) return absl::OkStatus();
  return absl::InternalError(fmt::format("cannot show a {} as JSON: {}",
                                         event.GetDescriptor()->name(),
                                         std::string(status.message())));
}

absl::Status ShowPayloads(Ledger& ledger, const Tenant& tenant, std::string_view stored,
                          v1::Commit& commit) {
  RETRACE_ASSIGN(store::v1::Commit parsed, ParseCommit(stored));
  RETRACE_ASSIGN(OpenedCommit opened, OpenCommit(parsed, tenant.number, ledger.keys()));
  const RowView newest(ledger.rows(), tenant.number, eventstore::kLatest);
  for (int i = 0; i < commit.events_size() && i < static_cast<int>(opened.events.size()); ++i) {
    RETRACE_ASSIGN(const RowPtr now, newest.Get(opened.events[i].entity));
    // Of a past that was removed nothing is told, though parts of it may open.
    const bool lost = now != nullptr && opened.header.position < now->head.past_removed();
    if (lost || commit.events(i).purged()) continue;
    RETRACE_RETURN_IF_ERROR(
        ShowPayload(*opened.events[i].event, *commit.mutable_events(i)->mutable_payload()));
  }
  return absl::OkStatus();
}

absl::Status ShowChanges(Ledger& ledger, const Tenant& tenant, const Envelope& envelope,
                         v1::Commit& commit) {
  std::set<EntityRef> told;
  for (size_t i = envelope.events.size(); i-- > 0;) {
    RETRACE_ASSIGN(EntityRef entity, EntityOf(envelope.events[i]));
    if (!told.insert(entity).second) continue;
    RETRACE_ASSIGN(
        std::vector<v1::FieldChange> changes,
        ChangesBetween(ledger, tenant, entity, envelope.position - 1, envelope.position));
    v1::Event& event = *commit.mutable_events(static_cast<int>(i));
    for (v1::FieldChange& change : changes) *event.add_changes() = std::move(change);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EntityRef> EntityOf(const Envelope::Event& event) {
  const domain::Kind* kind = domain::FindKindByNumber(event.kind);
  if (kind == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("The log holds an event of kind {}, which this release does not know. Run the "
                    "release that wrote it, or "
                    "a later one.",
                    event.kind));
  }
  return EntityRef{kind->number, std::string(event.id)};
}

std::vector<v1::FieldChange> ChangesOf(const Tenant& tenant, const EntityRef& entity,
                                       const Row* before, const Row* after) {
  const std::unique_ptr<Message> old_resource = Shown(tenant, entity, before);
  const std::unique_ptr<Message> new_resource = Shown(tenant, entity, after);
  return domain::Differences(old_resource.get(), new_resource.get());
}

absl::StatusOr<std::vector<v1::FieldChange>> ChangesBetween(Ledger& ledger, const Tenant& tenant,
                                                            const EntityRef& entity,
                                                            eventstore::Position before,
                                                            eventstore::Position after) {
  const RowView view(ledger.rows(), tenant.number, after);
  RETRACE_ASSIGN(RowPtr old_row, view.GetAt(entity, before));
  RETRACE_ASSIGN(RowPtr new_row, view.GetAt(entity, after));
  return ChangesOf(tenant, entity, old_row.get(), new_row.get());
}

absl::StatusOr<v1::Commit> ShowCommit(Ledger& ledger, const Tenant& tenant, std::string_view stored,
                                      v1::CommitView view) {
  Envelope envelope;
  RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored, /*with_events=*/true, envelope));
  v1::Commit commit;
  ShowEnvelope(tenant, envelope, stored, commit);
  const RowView newest(ledger.rows(), tenant.number, eventstore::kLatest);
  for (const Envelope::Event& happened : envelope.events) {
    RETRACE_ASSIGN(EntityRef entity, EntityOf(happened));
    v1::Event& event = *commit.add_events();
    event.set_entity(domain::NameOf(tenant.id, entity));
    event.set_revision(static_cast<int64_t>(happened.revision));
    event.set_type(std::string(happened.type));
    RETRACE_ASSIGN(RowPtr now, newest.Get(entity));
    event.set_purged(now != nullptr && now->purged());
  }
  if (view >= v1::CHANGES) RETRACE_RETURN_IF_ERROR(ShowChanges(ledger, tenant, envelope, commit));
  if (view >= v1::EVENTS) RETRACE_RETURN_IF_ERROR(ShowPayloads(ledger, tenant, stored, commit));
  return commit;
}

absl::StatusOr<EntityRef> ParseAnyEntity(const Tenant& tenant, std::string_view name,
                                         std::string_view field) {
  RETRACE_ASSIGN(domain::ResourceName parsed, domain::ParseName(name, field));
  const domain::Kind* kind = domain::FindKind(parsed.collection);
  if (parsed.collection.empty() || kind == nullptr || kind->derived) {
    return domain::Refusal(v1::INVALID_FIELD,
                           fmt::format("There is no collection `{}`.", parsed.collection))
        .Field(field, "must name an entity, such as tenants/TENANT/customers/ID");
  }
  if (parsed.tenant != tenant.id) {
    return domain::Refusal(v1::INVALID_FIELD,
                           fmt::format("`{}` is of another tenant than `{}`.", name, tenant.id))
        .Field(field, fmt::format("must begin with tenants/{}/", tenant.id));
  }
  return EntityRef{kind->number, std::move(parsed.id)};
}

absl::StatusOr<EntityRef> ParseReadableEntity(const QueryCall& call, std::string_view name,
                                              std::string_view field) {
  RETRACE_ASSIGN(EntityRef entity, ParseAnyEntity(*call.tenant, name, field));
  const std::string own = fmt::format("{}.read", domain::KindOf(entity.kind).collection);
  // What has no service of its own is part of history.
  RETRACE_RETURN_IF_ERROR(CheckHas(
      *call.principal, AllPermissions().contains(own) ? std::string_view(own) : "history.read"));
  return entity;
}

}  // namespace retrace::server
