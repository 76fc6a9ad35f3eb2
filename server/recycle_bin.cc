#include "server/recycle_bin.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/decider.h"
#include "domain/expiry.h"
#include "domain/hold.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/policy.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/restore.h"
#include "domain/retention.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/entities.pb.h"
#include "server/commit_codec.h"
#include "server/list_declarations.h"
#include "server/lists.h"
#include "server/moment.h"
#include "server/page_token.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::Refusal;
using domain::Row;
using domain::RowPtr;
using google::protobuf::Message;
using google::protobuf::util::TimeUtil;

// Of one deleted entity, by collection.
using TakenCounts = std::map<std::string, v1::BinnedEntity::Taken>;

// Shows entities of the bin as of one moment. Reads each deleting commit once.
class BinShow {
 public:
  BinShow(Ledger& ledger, const Tenant& tenant, eventstore::Position position)
      : ledger_(ledger), tenant_(tenant), view_(ledger.rows(), tenant.number, position) {}

  absl::Status Show(const EntityRef& entity, const Row& row, v1::BinnedEntity& binned);

 private:
  absl::Status ShowTaken(const EntityRef& entity, const store::v1::Deletion& deletion,
                         v1::BinnedEntity& binned);
  absl::Status ReadTaken(eventstore::Position position, std::map<EntityRef, TakenCounts>& taken);
  absl::Status ShowKept(const EntityRef& entity, const Row& row, v1::BinnedEntity& binned);

  Ledger& ledger_;
  const Tenant& tenant_;
  const RowView view_;
  std::optional<v1::Policy> policy_;
  std::map<eventstore::Position, std::map<EntityRef, TakenCounts>> taken_;
};

absl::Status BinShow::Show(const EntityRef& entity, const Row& row, v1::BinnedEntity& binned) {
  const domain::Kind& kind = domain::KindOf(entity.kind);
  std::unique_ptr<Message> resource(kind.resource->New());
  domain::ShowResource(tenant_.id, entity, row, *resource);
  binned.set_name(domain::NameOf(tenant_.id, entity));
  binned.set_collection(std::string(kind.collection));
  binned.set_title(domain::TitleOf(*resource));
  binned.mutable_resource()->PackFrom(*resource);
  const store::v1::Deletion& deletion = row.head.deletion();
  *binned.mutable_delete_time() = TimeUtil::MicrosecondsToTimestamp(deletion.time_us());
  binned.set_actor(deletion.actor());
  binned.set_reason(deletion.reason());
  binned.set_change_set(static_cast<int64_t>(deletion.change_set()));
  binned.set_position(static_cast<int64_t>(deletion.position()));
  const EntityRef root = domain::FromStored(deletion.root());
  if (root != entity) {
    binned.set_taken_by(domain::NameOf(tenant_.id, root));
  } else {
    RETRACE_RETURN_IF_ERROR(ShowTaken(entity, deletion, binned));
  }
  return ShowKept(entity, row, binned);
}

absl::Status BinShow::ShowTaken(const EntityRef& entity, const store::v1::Deletion& deletion,
                                v1::BinnedEntity& binned) {
  const auto [known, is_new] = taken_.try_emplace(deletion.position());
  const eventstore::Position last = std::max(deletion.position(), deletion.last_position());
  for (auto position = deletion.position(); is_new && position <= last; ++position) {
    RETRACE_RETURN_IF_ERROR(ReadTaken(position, known->second));
  }
  for (const auto& [collection, counts] : known->second[entity]) {
    *binned.add_taken() = counts;
  }
  return absl::OkStatus();
}

absl::Status BinShow::ReadTaken(eventstore::Position position,
                                std::map<EntityRef, TakenCounts>& taken) {
  RETRACE_ASSIGN(std::string stored, ledger_.ReadStored(tenant_, position));
  RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(stored));
  const std::string deleted_type = store::v1::Deleted::descriptor()->name();
  const std::string detached_type = store::v1::Detached::descriptor()->name();
  for (const store::v1::StoredEvent& event : commit.events()) {
    const EntityRef entity = domain::FromStored(event.entity());
    store::v1::Deleted deleted;
    store::v1::Detached detached;
    EntityRef root;
    if (event.type() == deleted_type && deleted.ParseFromString(event.clear())) {
      root = domain::FromStored(deleted.root());
    } else if (event.type() == detached_type && detached.ParseFromString(event.clear())) {
      root = domain::FromStored(detached.from());
    }
    if (root.id.empty() || root == entity) continue;
    const std::string collection(domain::KindOf(entity.kind).collection);
    v1::BinnedEntity::Taken& counts = taken[root][collection];
    counts.set_collection(collection);
    if (event.type() == deleted_type) {
      counts.set_deleted_count(counts.deleted_count() + 1);
    } else {
      counts.set_detached_count(counts.detached_count() + 1);
    }
  }
  return absl::OkStatus();
}

// How long the bin keeps it: by a hold, or by the policy.
absl::Status BinShow::ShowKept(const EntityRef& entity, const Row& row, v1::BinnedEntity& binned) {
  RETRACE_ASSIGN(const auto hold, domain::HoldOn(entity, row, /*as_part=*/true, view_, tenant_.id));
  if (hold.has_value()) {
    binned.set_hold(domain::NameOf(tenant_.id, hold->entity));
    binned.set_case_number(hold->case_number);
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const auto announced, domain::AnnouncedFor(entity, view_));
  if (announced.has_value()) {
    *binned.mutable_purge_time() = TimeUtil::MicrosecondsToTimestamp(*announced);
  }
  if (!policy_.has_value()) {
    RETRACE_ASSIGN(policy_, domain::PolicyOf(view_));
  }
  *binned.mutable_expire_time() = TimeUtil::MicrosecondsToTimestamp(domain::ExpireTimeUs(
      *policy_, domain::KindOf(entity.kind).collection, row.head.deletion().time_us()));
  return absl::OkStatus();
}

absl::Status NeedsCollection(std::string_view field) {
  return Refusal(v1::INVALID_FIELD, fmt::format("{} needs a collection.", field))
      .Field("collection", "Say what it is about, e.g. `customers`.");
}

// The kinds that are listed, in order.
absl::StatusOr<std::vector<const ListDeclaration*>> KindsOf(
    const v1::ListBinnedEntitiesRequest& request) {
  std::vector<const ListDeclaration*> lists;
  for (const domain::Kind& kind : domain::Kinds()) {
    const ListDeclaration* list = ListOf(kind.number);
    const bool asked = request.collection().empty() || request.collection() == kind.collection;
    if (list != nullptr && asked && !kind.bookkeeping && kind.number != domain::KindNumber::kHold) {
      lists.push_back(list);
    }
  }
  if (lists.empty()) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("There is no collection `{}`.", request.collection()))
        .Field("collection", "Give one like `customers`, or none.");
  }
  if (lists.size() > 1 && !request.filter().empty()) return NeedsCollection("filter");
  if (lists.size() > 1 && !request.order_by().empty()) return NeedsCollection("order_by");
  return lists;
}

// The token tells in its `part` which kind the page is of, in `value` the token of that kind's
// list, empty at its beginning. The position pins the first page of a kind, too.
absl::StatusOr<store::v1::PageToken> OpenBinToken(Ledger& ledger, const QueryCall& call,
                                                  const v1::ListBinnedEntitiesRequest& request,
                                                  size_t kinds) {
  RETRACE_ASSIGN(store::v1::PageToken token,
                 OpenPageToken(ledger, call, request, request.page_token()));
  if (token.part() >= kinds) {
    return Refusal(v1::INVALID_PAGE_TOKEN, "The page token was made by another release.")
        .Field("page_token", "Begin again without a page token.");
  }
  return token;
}

}  // namespace

absl::StatusOr<v1::ListBinnedEntitiesResponse> RecycleBin::Answer(
    const QueryCall& call, const v1::ListBinnedEntitiesRequest& request) const {
  RETRACE_ASSIGN(const auto lists, KindsOf(request));
  store::v1::PageToken token;
  v1::AsOf as_of = request.as_of();
  if (!request.page_token().empty()) {
    RETRACE_ASSIGN(token, OpenBinToken(ledger_, call, request, lists.size()));
    as_of.set_position(static_cast<int64_t>(token.position()));
  }
  const ListDeclaration& list = *lists[token.part()];
  // What the token inside is bound to: the kind, too.
  v1::ListBinnedEntitiesRequest inner = request;
  inner.set_collection(std::string(domain::KindOf(list.kind).collection));
  const ListQuestion question{.request = inner,
                              .page_size = request.page_size(),
                              .page_token = token.value(),
                              .filter = request.filter(),
                              .order_by = request.order_by(),
                              .query = request.query(),
                              .show_inactive = true,
                              .only_binned = true,
                              .as_of = as_of};
  std::vector<std::unique_ptr<Message>> found;
  RETRACE_ASSIGN(ListAnswer answer,
                 AnswerList(ledger_, limits_, list, call, question, [&found, &list] {
                   found.emplace_back(domain::KindOf(list.kind).resource->New());
                   return found.back().get();
                 }));
  v1::ListBinnedEntitiesResponse response;
  const auto position = static_cast<eventstore::Position>(answer.answered.position());
  BinShow show(ledger_, *call.tenant, position);
  const RowView view(ledger_.rows(), call.tenant->number, position);
  for (const auto& resource : found) {
    const auto* name = resource->GetDescriptor()->FindFieldByName("name");
    RETRACE_ASSIGN(
        domain::ResourceName parsed,
        domain::ParseName(resource->GetReflection()->GetString(*resource, name), "name"));
    const EntityRef entity{list.kind, parsed.id};
    RETRACE_ASSIGN(RowPtr row, view.Get(entity));
    // Purged while the page was made.
    if (row == nullptr || !row->binned()) continue;
    RETRACE_RETURN_IF_ERROR(show.Show(entity, *row, *response.add_entities()));
  }
  if (answer.next_page_token.empty()) token.set_part(token.part() + 1);
  if (token.part() < lists.size()) {
    token.set_position(position);
    token.set_value(answer.next_page_token);
    RETRACE_ASSIGN(*response.mutable_next_page_token(),
                   SealPageToken(ledger_, call, request, std::move(token)));
  }
  *response.mutable_answered() = std::move(answer.answered);
  return response;
}

absl::StatusOr<v1::GetBinnedEntityResponse> RecycleBin::Answer(
    const QueryCall& call, const v1::GetBinnedEntityRequest& request) const {
  RETRACE_ASSIGN(Moment moment, ResolveAsOf(ledger_, *call.tenant, request.as_of()));
  const RowView view(ledger_.rows(), call.tenant->number, moment.position);
  domain::Context context;
  context.header.tenant = call.tenant->id;
  RETRACE_ASSIGN(const domain::Found kept, domain::FindKept(request.name(), view, context));
  RETRACE_ASSIGN(const domain::Found found,
                 domain::FindBinned(kept.entity.kind, request.name(), {}, view, context));
  v1::GetBinnedEntityResponse response;
  BinShow show(ledger_, *call.tenant, moment.position);
  RETRACE_RETURN_IF_ERROR(show.Show(found.entity, *found.row, *response.mutable_entity()));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::GetRestoreClashesResponse> RecycleBin::Answer(
    const QueryCall& call, const v1::GetRestoreClashesRequest& request) const {
  RETRACE_ASSIGN(Moment moment, MomentAt(ledger_, *call.tenant, call.tenant->visible));
  const RowView view(ledger_.rows(), call.tenant->number, moment.position);
  domain::Context context;
  context.header.tenant = call.tenant->id;
  context.header.position = moment.position + 1;
  v1::RestoreEntitiesRequest asked;
  asked.set_parent(request.parent());
  *asked.mutable_names() = request.names();
  asked.set_change_set(request.change_set());
  RETRACE_ASSIGN(const std::vector<domain::KeyClash> clashes,
                 domain::FindRestoreClashes(asked, view, context));
  v1::GetRestoreClashesResponse response;
  for (const domain::KeyClash& found : clashes) {
    v1::RestoreClash& clash = *response.add_clashes();
    clash.set_name(domain::NameOf(call.tenant->id, found.claimant));
    clash.set_key(std::string(found.key));
    clash.set_rule(request.on_clash() == v1::CLASH_RULE_UNSPECIFIED ? v1::ABORT
                                                                    : request.on_clash());
    clash.set_value(found.value);
    clash.set_holder(domain::NameOf(call.tenant->id, found.holder));
  }
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

}  // namespace retrace::server
