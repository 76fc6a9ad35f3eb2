#include "domain/member.h"

#include <string>
#include <utility>
#include <vector>

#include "domain/commands.h"
#include "domain/lifecycle.h"
#include "domain/normalise.h"
#include "domain/phone.h"
#include "domain/resource.h"
#include "domain/standard.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/members.pb.h"

namespace retrace::domain {
namespace {

// Puts the fields that `wanted(field)` names into their stored form.
template <typename Wanted>
absl::Status NormaliseFields(v1::Member& member, Wanted wanted) {
  FieldFaults faults("member");
  for (auto [field, text] :
       {std::pair("display_name", member.mutable_display_name()),
        std::pair("email", member.mutable_email()), std::pair("team", member.mutable_team()),
        std::pair("language", member.mutable_language()),
        std::pair("principal", member.mutable_principal()),
        std::pair("lead", member.mutable_lead())}) {
    if (wanted(field)) {
      Trim(*text);
    }
  }
  if (wanted("display_name") && member.display_name().empty()) {
    faults.Add("display_name", "A member needs a name that is not blank.");
  }
  if (wanted("email") && !member.email().empty() && !IsEmail(member.email())) {
    faults.Add("email", "Is no e-mail address; it looks like name@host.");
  }
  if (wanted("language") && !member.language().empty() && !IsLanguage(member.language())) {
    faults.Add("language", "Is no language of BCP 47; it looks like zh-CN.");
  }
  return faults.ToStatus();
}

absl::Status CheckMember(const EntityRef& entity, const Row* before, const Row& after,
                         const View& view, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckMove(entity, before, after, context));
  const auto& member = after.As<v1::Member>();
  FieldFaults faults("member");
  if (member.display_name().empty()) {
    faults.Add("display_name", "A member needs a name that is not blank.");
  }
  if (member.lead() == NameOf(context.header.tenant, entity)) {
    faults.Add("lead", "Nobody reports to themselves.");
  }
  RETRACE_RETURN_IF_ERROR(faults.ToStatus());
  if (before != nullptr && (after.undone() || before->As<v1::Member>().lead() == member.lead())) {
    return absl::OkStatus();
  }
  return CheckReference(member.lead(), KindNumber::kMember, "member.lead", view, context);
}

std::string SubjectOfMember(const EntityRef& entity, const Row& /*row*/) {
  return fmt::format("members/{}", entity.id);
}

void ContributeMember(const Row& /*row*/, std::vector<Contribution>& contributions) {
  contributions.emplace_back();
}

}  // namespace

Kind MemberKind() {
  Kind kind;
  kind.number = KindNumber::kMember;
  kind.singular = "member";
  kind.collection = "members";
  kind.resource = &v1::Member::default_instance();
  kind.events = {&store::v1::MemberCreated::default_instance(),
                 &store::v1::MemberUpdated::default_instance()};
  kind.indexes = {
      {.number = 1,
       .name = "display_name",
       .fields = {"display_name"},
       .normaliser = Normaliser::kSortName,
       .orders = true},
      {.number = 2,
       .name = "words",
       .fields = {"display_name"},
       .normaliser = Normaliser::kNameWords},
      {.number = 3,
       .name = "email",
       .fields = {"email"},
       .normaliser = Normaliser::kCaseless,
       .unique_key = "members.email"},
      {.number = kMemberPrincipalIndex,
       .name = "principal",
       .fields = {"principal"},
       .normaliser = Normaliser::kExact},
  };
  kind.content = true;
  kind.apply = ApplyResourceEvent;
  kind.check = CheckMember;
  kind.subject = SubjectOfMember;
  kind.contribute = ContributeMember;
  return kind;
}

absl::Status Decide(const v1::CreateMemberRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  if (!IsChosenId(request.member_id())) {
    return Refusal(v1::INVALID_FIELD, "member_id is no id.")
        .Field("member_id",
               "1 to 63 lower-case letters, digits and hyphens; begins with a letter, "
               "does not end with a hyphen.");
  }
  const EntityRef entity{KindNumber::kMember, request.member_id()};
  const std::string name = NameOf(context.header.tenant, entity);
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  if (row != nullptr) {
    return Refusal(v1::ID_TAKEN, fmt::format("`{}` exists already{}.", name,
                                             row->binned() ? ", in the recycle bin" : ""))
        .About("member", name)
        .Next(row->binned() ? "Undelete it, or choose another id; ids are never reused."
                            : "Choose another id.");
  }
  v1::Member member = request.member();
  ClearOutputOnly(member);
  RETRACE_RETURN_IF_ERROR(NormaliseFields(member, [](std::string_view) { return true; }));
  return CreateEntity<store::v1::MemberCreated>(entity, std::move(member), draft);
}

absl::Status Decide(const v1::UpdateMemberRequest& request, Draft& draft, const Context& context) {
  return UpdateEntity<store::v1::MemberUpdated>(
      KindNumber::kMember, request.member(), request.update_mask(), request.options(), draft,
      context, [](const v1::Member&, v1::Member& after, std::vector<std::string>& paths) {
        return NormaliseFields(after, [&](std::string_view field) { return Names(paths, field); });
      });
}

absl::Status Decide(const v1::DeactivateMemberRequest& request, Draft& draft,
                    const Context& context) {
  return DecideDeactivate(KindNumber::kMember, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::ActivateMemberRequest& request, Draft& draft,
                    const Context& context) {
  return DecideActivate(KindNumber::kMember, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::DeleteMemberRequest& request, Draft& draft, const Context& context) {
  return DecideDelete(KindNumber::kMember, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::UndeleteMemberRequest& request, Draft& draft,
                    const Context& context) {
  return DecideUndelete(KindNumber::kMember, request.name(), request.options(), draft, context);
}

}  // namespace retrace::domain
