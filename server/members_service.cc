#include "retrace/v1/members.pb.h"
#include "server/services.h"

namespace retrace::server {

void AddMembersService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Members");
  service.Command<v1::CreateMemberRequest, v1::CreateMemberResponse>("CreateMember");
  service.Command<v1::UpdateMemberRequest, v1::UpdateMemberResponse>("UpdateMember");
  service.Command<v1::DeactivateMemberRequest, v1::DeactivateMemberResponse>("DeactivateMember");
  service.Command<v1::ActivateMemberRequest, v1::ActivateMemberResponse>("ActivateMember");
  service.Command<v1::DeleteMemberRequest, v1::DeleteMemberResponse>("DeleteMember");
  service.Command<v1::UndeleteMemberRequest, v1::UndeleteMemberResponse>("UndeleteMember");
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.queries->Answer(call, request);
  };
  service.Query<v1::GetMemberRequest, v1::GetMemberResponse>("GetMember", answer);
  service.Query<v1::ListMembersRequest, v1::ListMembersResponse>("ListMembers", answer);
}

}  // namespace retrace::server
