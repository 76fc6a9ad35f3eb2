#include "retrace/v1/records.pb.h"
#include "server/services.h"

namespace retrace::server {

void AddRecordsService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Records");
  service.Command<v1::CreateRecordRequest, v1::CreateRecordResponse>("CreateRecord");
  service.Command<v1::UpdateRecordRequest, v1::UpdateRecordResponse>("UpdateRecord");
  service.Command<v1::DeactivateRecordRequest, v1::DeactivateRecordResponse>("DeactivateRecord");
  service.Command<v1::ActivateRecordRequest, v1::ActivateRecordResponse>("ActivateRecord");
  service.Command<v1::DeleteRecordRequest, v1::DeleteRecordResponse>("DeleteRecord");
  service.Command<v1::UndeleteRecordRequest, v1::UndeleteRecordResponse>("UndeleteRecord");
  service.Command<v1::BatchCreateRecordsRequest, v1::BatchCreateRecordsResponse>(
      "BatchCreateRecords");
  service.Command<v1::BatchDeleteRecordsRequest, v1::BatchDeleteRecordsResponse>(
      "BatchDeleteRecords");
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.queries->Answer(call, request);
  };
  service.Query<v1::GetRecordRequest, v1::GetRecordResponse>("GetRecord", answer);
  service.Query<v1::ListRecordsRequest, v1::ListRecordsResponse>("ListRecords", answer);
}

}  // namespace retrace::server
