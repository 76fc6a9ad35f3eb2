#include "server/commit_codec.h"

#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "domain/kind.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "eventstore/sealing.h"
#include "fmt/format.h"

namespace retrace::server {
namespace {

using domain::Draft;
using domain::DraftEvent;
using domain::EntityRef;
using eventstore::SubjectKey;

void PutRef(const EntityRef& entity, store::v1::EntityRef& out) {
  out.set_kind(static_cast<uint32_t>(entity.kind));
  out.set_id(entity.id);
}

EntityRef TakeRef(const store::v1::EntityRef& ref) {
  return {static_cast<domain::KindNumber>(ref.kind()), ref.id()};
}

void PutHeader(const domain::CommitHeader& header, store::v1::Commit& commit) {
  commit.set_format(kCommitFormat);
  commit.set_minimum_reader(kCommitFormat);
  commit.set_tenant(header.tenant);
  commit.set_position(header.position);
  commit.set_epoch(header.epoch);
  commit.set_commit_time_us(header.time_us);
  commit.set_commit_id(header.commit_id);
  commit.set_actor(header.actor);
  commit.set_on_behalf_of(header.on_behalf_of);
  commit.set_method(header.method);
  commit.set_reason(header.reason);
  commit.set_request_id(header.request_id);
  commit.set_request_hash(header.request_hash);
  commit.set_change_set(header.change_set);
  commit.set_correlation_id(header.correlation_id);
  commit.set_causation_id(header.causation_id);
  commit.set_plan_nonce(header.plan_nonce);
}

domain::CommitHeader TakeHeader(const store::v1::Commit& commit) {
  domain::CommitHeader header;
  header.tenant = commit.tenant();
  header.position = commit.position();
  header.epoch = commit.epoch();
  header.time_us = commit.commit_time_us();
  header.commit_id = commit.commit_id();
  header.actor = commit.actor();
  header.on_behalf_of = commit.on_behalf_of();
  header.method = commit.method();
  header.reason = commit.reason();
  header.request_id = commit.request_id();
  header.request_hash = commit.request_hash();
  header.change_set = commit.change_set();
  header.correlation_id = commit.correlation_id();
  header.causation_id = commit.causation_id();
  header.plan_nonce = commit.plan_nonce();
  return header;
}

// Gives every subject of a draft its key: the one that its rows know, or a fresh one.
class SubjectKeys {
 public:
  SubjectKeys(Draft& draft, eventstore::TenantNumber tenant, eventstore::KeyStore& keys)
      : draft_(draft), tenant_(tenant), keys_(keys) {}

  absl::StatusOr<const SubjectKey*> For(const std::string& subject, const domain::Row& row) {
    auto [it, fresh] = known_.try_emplace(subject);
    if (!fresh) return &it->second;
    RETRACE_ASSIGN(std::string key_id, KnownId(subject, row));
    if (key_id.empty()) {
      RETRACE_ASSIGN(it->second, keys_.NewKey(tenant_));
    } else {
      it->second.id = key_id;
      RETRACE_ASSIGN(it->second.secret, keys_.Find(tenant_, key_id));
    }
    return &it->second;
  }

 private:
  // The key that the entity itself, or the entity that is the subject, was sealed under before.
  absl::StatusOr<std::string> KnownId(const std::string& subject, const domain::Row& row) const {
    if (row.head.subject() == subject && !row.head.key_id().empty()) return row.head.key_id();
    const size_t slash = subject.find('/');
    const domain::Kind* kind = domain::FindKind(std::string_view(subject).substr(0, slash));
    if (kind == nullptr || slash == std::string::npos) return std::string();
    RETRACE_ASSIGN(domain::RowPtr owner, draft_.Get({kind->number, subject.substr(slash + 1)}));
    if (owner != nullptr && owner->head.subject() == subject) return owner->head.key_id();
    return std::string();
  }

  Draft& draft_;
  const eventstore::TenantNumber tenant_;
  eventstore::KeyStore& keys_;
  std::map<std::string, SubjectKey> known_;
};

absl::Status EncodeEvent(const DraftEvent& event, Draft& draft, SubjectKeys& keys,
                         store::v1::StoredEvent& stored) {
  PutRef(event.entity, *stored.mutable_entity());
  stored.set_revision(event.revision);
  stored.set_type(event.event->GetDescriptor()->name());
  const domain::Kind& kind = domain::KindOf(event.entity.kind);
  const domain::Row& row = *draft.touched().at(event.entity).after;
  const eventstore::SealingPlace place{draft.header().tenant,
                                       static_cast<uint32_t>(event.entity.kind), event.entity.id};
  if (row.purged()) {
    // A key made for it now would be in no purge, and outlive this one.
    return eventstore::StoreClear(*event.event, place, stored);
  }
  std::string subject;
  const SubjectKey* key = nullptr;
  if (kind.subject != nullptr && eventstore::HasPersonalContent(*event.event)) {
    subject = kind.subject(event.entity, row);
    RETRACE_ASSIGN(key, keys.For(subject, row));
  }
  RETRACE_RETURN_IF_ERROR(eventstore::Seal(*event.event, place, subject, key, stored));
  if (stored.sealed_size() > 0) draft.SetKey(event.entity, subject, key->id);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> EncodeCommit(Draft& draft, eventstore::TenantNumber tenant,
                                         eventstore::KeyStore& keys) {
  store::v1::Commit commit;
  PutHeader(draft.header(), commit);
  commit.set_undoes(draft.undoes());
  for (const EntityRef& target : draft.targets()) PutRef(target, *commit.add_targets());
  for (const std::string& note : draft.notes()) commit.add_notes(note);
  SubjectKeys subject_keys(draft, tenant, keys);
  commit.mutable_events()->Reserve(static_cast<int>(draft.events().size()));
  for (const DraftEvent& event : draft.events()) {
    RETRACE_RETURN_IF_ERROR(EncodeEvent(event, draft, subject_keys, *commit.add_events()));
  }
  return commit.SerializeAsString();
}

absl::StatusOr<store::v1::Commit> ParseCommit(std::string_view bytes) {
  store::v1::Commit commit;
  if (!commit.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError(
        "Stored bytes are no commit. Restore the log from a backup with `retraced recover`.");
  }
  if (commit.minimum_reader() > kCommitFormat) {
    return absl::FailedPreconditionError(
        fmt::format("The commit at position {} of tenant {} needs a reader of format {}, this one "
                    "reads up to {}: a newer build wrote it. Run that one, or a later one.",
                    commit.position(), commit.tenant(), commit.minimum_reader(), kCommitFormat));
  }
  return commit;
}

absl::Status CheckKnown(const store::v1::Commit& commit) {
  for (const store::v1::StoredEvent& stored : commit.events()) {
    if (domain::FindEvent(stored.type()) != nullptr &&
        domain::FindKindByNumber(stored.entity().kind()) != nullptr) {
      continue;
    }
    return absl::FailedPreconditionError(
        fmt::format("The commit at position {} of tenant {} holds an event {} of kind {}, which "
                    "this build does not know: a newer build wrote it. Run that one, or a later "
                    "one.",
                    commit.position(), commit.tenant(), stored.type(), stored.entity().kind()));
  }
  return absl::OkStatus();
}

namespace {

// True when the key of a sealed part is gone without having been destroyed.
absl::StatusOr<bool> AnyKeyLost(const store::v1::StoredEvent& stored,
                                eventstore::TenantNumber tenant, const eventstore::KeyStore& keys) {
  for (const store::v1::SealedPart& part : stored.sealed()) {
    RETRACE_ASSIGN(const bool there, keys.Contains(tenant, part.key_id()));
    if (there) continue;
    RETRACE_ASSIGN(const bool destroyed, keys.WasDestroyed(tenant, part.key_id()));
    if (!destroyed) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<OpenedCommit> OpenCommit(const store::v1::Commit& commit,
                                        eventstore::TenantNumber tenant,
                                        const eventstore::KeyStore& keys) {
  RETRACE_RETURN_IF_ERROR(CheckKnown(commit));
  OpenedCommit opened;
  opened.header = TakeHeader(commit);
  opened.undoes = commit.undoes();
  for (const auto& target : commit.targets()) opened.targets.push_back(TakeRef(target));
  opened.notes.assign(commit.notes().begin(), commit.notes().end());
  opened.events.reserve(commit.events_size());
  for (const store::v1::StoredEvent& stored : commit.events()) {
    DraftEvent event{.entity = TakeRef(stored.entity()), .revision = stored.revision()};
    std::shared_ptr<google::protobuf::Message> message(domain::FindEvent(stored.type())->New());
    const eventstore::SealingPlace place{commit.tenant(), stored.entity().kind(),
                                         stored.entity().id()};
    bool erased = false;
    RETRACE_RETURN_IF_ERROR(eventstore::Open(stored, place, tenant, keys, *message, &erased));
    opened.erased |= erased;
    if (erased) {
      RETRACE_ASSIGN(const bool lost, AnyKeyLost(stored, tenant, keys));
      opened.key_lost |= lost;
    }
    event.event = std::move(message);
    if (stored.sealed_size() > 0) {
      opened.keys.push_back({event.entity, stored.sealed(0).subject(), stored.sealed(0).key_id()});
    }
    opened.events.push_back(std::move(event));
  }
  return opened;
}

}  // namespace retrace::server
