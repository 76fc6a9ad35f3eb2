#include "tests/support/small_ledger.h"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/protobuf/text_format.h"
#include "retrace/store/v1/undo.pb.h"
#include "server/commit_codec.h"
#include "server/replay.h"
#include "server/roles.h"
#include "server/row_view.h"

namespace retrace::testing {
namespace {

using domain::Draft;
using domain::Position;
using server::Tenant;

void MustBeOk(const absl::Status& status, std::string_view doing) {
  if (status.ok()) return;
  fmt::print(stderr, "{}: {}\n", doing, status.ToString());
  std::abort();
}

template <typename T>
T Must(absl::StatusOr<T> value, std::string_view doing) {
  MustBeOk(value.status(), doing);
  return *std::move(value);
}

server::LedgerOptions OptionsIn(const TempDirectory& directory) {
  return {.data_directory = directory.Below("data"),
          .master_key_file = directory.Below("master.key"),
          .cache_bytes = 32u << 20,
          .on_failure = [](const absl::Status& status) { MustBeOk(status, "storage"); }};
}

}  // namespace

void ParseText(std::string_view text, google::protobuf::Message& message) {
  if (google::protobuf::TextFormat::ParseFromString(std::string(text), &message)) return;
  fmt::print(stderr, "no {}: {}\n", message.GetDescriptor()->name(), text);
  std::abort();
}

SmallLedger::SmallLedger() : time_us_(absl::ToUnixMicros(absl::Now() - absl::Hours(24))) {
  MustBeOk(eventstore::KeyStore::MakeMasterKey(directory_.Below("master.key")),
           "making a master key");
  Open();
  In("system");
  shown_["system"].emplace_back();
  for (const char* id : {"acme", "other"}) {
    v1::CreateTenantRequest request;
    request.set_tenant_id(id);
    MustBeOk(Do(request).status, "creating a tenant");
    const auto& made = *ShownAt(head()).at({domain::KindNumber::kTenant, id});
    const int64_t number = static_cast<const v1::Tenant&>(made).number();
    ledger_->tenants().Add(id, static_cast<eventstore::TenantNumber>(number));
    shown_[id].emplace_back();
  }
  In("acme");
}

void SmallLedger::Open() {
  ledger_ = Must(server::Ledger::Open(OptionsIn(directory_)), "opening the ledger");
}

void SmallLedger::Reopen(bool new_epoch) {
  ledger_.reset();
  if (new_epoch) {
    const server::LedgerOptions options = OptionsIn(directory_);
    Must(eventstore::RocksCommitLog::BeginEpoch(
             {.directory = options.data_directory + "/log",
              .witness_directory = options.data_directory + "/witness",
              .on_failure = options.on_failure}),
         "beginning an epoch");
  }
  Open();
}

Done SmallLedger::Run(const std::string& request, const v1::CommandOptions& options,
                      const Decider& decide) {
  Tenant& tenant = this->tenant(tenant_);
  domain::Context context;
  context.header.tenant = tenant.id;
  context.header.position = head() + 1;
  context.header.epoch = ledger_->log().epoch();
  context.header.time_us = time_us_;
  context.header.commit_id = ids_.CommitId();
  context.header.actor = actor_;
  context.header.on_behalf_of = options.on_behalf_of();
  context.header.method = "retrace.v1.Test." + request.substr(0, request.find("Request"));
  context.header.reason = options.reason();
  context.header.request_id = options.request_id();
  context.header.change_set = options.change_set() > 0 ? static_cast<Position>(options.change_set())
                                                       : context.header.position;
  context.new_id = [this] { return ids_.EntityId(time_us_); };
  context.may = [](const std::string&) { return true; };
  const server::RowView base(ledger_->rows(), tenant.number, eventstore::kLatest);
  Draft draft(base, context.header);
  Done done;
  done.status = domain::CheckChangeSet(options.change_set(), "", base, context.header);
  if (done.status.ok()) done.status = decide(draft, context);
  if (done.status.ok()) done.status = draft.Check(context);
  done.targets = draft.targets();
  if (!done.status.ok() || (draft.events().empty() && options.request_id().empty())) return done;
  done.position = context.header.position;
  Commit(draft, tenant);
  time_us_ += 1'000'000;
  return done;
}

Done SmallLedger::Undo(domain::Position position) {
  const std::string stored = Must(ledger_->ReadStored(tenant(tenant_), position), "reading");
  const store::v1::Commit commit = Must(server::ParseCommit(stored), "parsing");
  store::v1::ResolvedUndo undo;
  undo.mutable_request()->set_parent("tenants/" + tenant_);
  store::v1::UndoneCommit& undone = *undo.add_commits();
  undone.set_position(position);
  undone.set_time_us(commit.commit_time_us());
  undone.set_actor(commit.actor());
  undone.set_change_set(commit.change_set());
  std::set<std::string> seen;
  for (const store::v1::StoredEvent& event : commit.events()) {
    if (seen.insert(event.entity().SerializeAsString()).second) {
      *undone.add_entities() = event.entity();
    }
  }
  return Run("UndoRequest", {}, [&undo](Draft& draft, const domain::Context& context) {
    return domain::Decide(undo, draft, context);
  });
}

void SmallLedger::Commit(Draft& draft, Tenant& tenant) {
  const std::string bytes =
      Must(server::EncodeCommit(draft, tenant.number, ledger_->keys()), "encoding");
  domain::Projection projection = Must(draft.Project(), "projecting");
  const eventstore::Lease lease = Must(ledger_->log().Acquire(tenant.number), "acquiring");
  const eventstore::PendingCommit pending{.tenant = tenant.number,
                                          .fence = lease.fence,
                                          .expected_head = lease.head.position,
                                          .bytes = bytes};
  const auto results = ledger_->log().Append({&pending, 1});
  if (results.size() != 1 || results[0].outcome != eventstore::AppendOutcome::kDurable)
    std::abort();
  Remember(draft);
  eventstore::RowChanges changes = server::ToRowChanges(
      tenant.number, draft.header(), eventstore::Sha256(bytes), std::move(projection));
  if (held_) {
    waiting_.push_back({&tenant, std::move(changes), draft.header().time_us});
  } else {
    std::vector<std::string> destroyed;
    server::AddDestroyedKeys(draft.events(), destroyed);
    if (!destroyed.empty()) {
      MustBeOk(ledger_->keys().Destroy(tenant.number, destroyed), "destroying keys");
    }
    MakeVisible(tenant, changes, draft.header().time_us);
  }
}

void SmallLedger::Remember(const Draft& draft) {
  Shown shown = shown_[tenant_].back();
  for (const auto& [entity, touched] : draft.touched()) {
    std::shared_ptr<google::protobuf::Message> resource(
        domain::KindOf(entity.kind).resource->New());
    domain::ShowResource(tenant_, entity, *touched.after, *resource);
    shown[entity] = std::move(resource);
  }
  shown_[tenant_].push_back(std::move(shown));
}

void SmallLedger::MakeVisible(Tenant& tenant, const eventstore::RowChanges& changes,
                              int64_t time_us) {
  MustBeOk(ledger_->rows().Apply({&changes, 1}), "applying");
  tenant.visible_time_us = time_us;
  tenant.visible = changes.position;
  {
    absl::MutexLock lock(&tenant.clock_mutex);
    tenant.clock.last_us = time_us;
    tenant.clock.decided = changes.position;
  }
  ledger_->tenants().NotifyVisible();
}

void SmallLedger::Release() {
  held_ = false;
  for (; !waiting_.empty(); waiting_.pop_front()) {
    MakeVisible(*waiting_.front().tenant, waiting_.front().changes, waiting_.front().time_us);
  }
}

server::QueryCall SmallLedger::Call(std::string method, std::string principal) const {
  auto caller = std::make_shared<server::Principal>();
  caller->id = std::move(principal);
  caller->every_tenant = true;
  caller->permissions = server::AllPermissions();
  return {.principal = std::move(caller),
          .tenant = ledger_->tenants().Find(tenant_),
          .method = std::move(method)};
}

}  // namespace retrace::testing
