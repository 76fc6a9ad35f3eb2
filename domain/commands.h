// Every command that can be decided, by request message. Definitions lie with their kind:
// customer.cc, record.cc ...
#pragma once

#include "absl/status/status.h"
#include "domain/context.h"
#include "domain/draft.h"

namespace retrace::v1 {
class CreateCustomerRequest;
class UpdateCustomerRequest;
class DeactivateCustomerRequest;
class ActivateCustomerRequest;
class DeleteCustomerRequest;
class UndeleteCustomerRequest;
class BatchCreateCustomersRequest;
class BatchDeleteCustomersRequest;
class MergeCustomersRequest;
class CreateRecordRequest;
class UpdateRecordRequest;
class DeactivateRecordRequest;
class ActivateRecordRequest;
class DeleteRecordRequest;
class UndeleteRecordRequest;
class BatchCreateRecordsRequest;
class BatchDeleteRecordsRequest;
class CreateMemberRequest;
class UpdateMemberRequest;
class DeactivateMemberRequest;
class ActivateMemberRequest;
class DeleteMemberRequest;
class UndeleteMemberRequest;
class CreateTemplateRequest;
class UpdateTemplateRequest;
class DeleteTemplateRequest;
class UndeleteTemplateRequest;
class CreateTenantRequest;
class UpdatePolicyRequest;
class BeginChangeSetRequest;
class EndChangeSetRequest;
class AddTargetsRequest;
class PlaceHoldRequest;
class ReleaseHoldRequest;
class RestoreEntitiesRequest;
class PurgeEntitiesRequest;
class EmptyBinRequest;
class MarkMyNotificationsRequest;
class RetryDeliveryRequest;
class ResolveHeldDeliveriesRequest;
class PauseFollowerRequest;
class ResolveParkedEventRequest;
class SuppressContactPointRequest;
class CreateWebhookRequest;
class UpdateWebhookRequest;
class RotateSecretRequest;
class PauseWebhookRequest;
class ResumeWebhookRequest;
class TestWebhookRequest;
class DeleteWebhookRequest;
class UndeleteWebhookRequest;
class RedeliverWebhookRequest;
class AcknowledgeRequest;
class ObjectRequest;
class TakeOutRequest;
class AcknowledgeObjectionsRequest;
class WithdrawRequest;
class ExecuteRequest;
}  // namespace retrace::v1
namespace retrace::store::v1 {
class EpochBegan;
class AdministrativeActDone;
class AnnounceExpiry;
class AdvanceAnnouncement;
class Fire;
class ResolvedUndo;
class ResolvedRestoreTo;
class ResolvedOperation;
class ResolvedAnnounce;
class ResolvedApprove;
class OperationCancel;
class AddressNotification;
class AdvanceFollower;
class ChooseForContactPoint;
class RecordAttempt;
class ResolvedPreferences;
class Tell;
class DisableWebhook;
}  // namespace retrace::store::v1

namespace retrace::domain {

absl::Status Decide(const v1::CreateCustomerRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UpdateCustomerRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::DeactivateCustomerRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::ActivateCustomerRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::DeleteCustomerRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UndeleteCustomerRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::BatchCreateCustomersRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::BatchDeleteCustomersRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::MergeCustomersRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::CreateRecordRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UpdateRecordRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::DeactivateRecordRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::ActivateRecordRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::DeleteRecordRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UndeleteRecordRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::BatchCreateRecordsRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::BatchDeleteRecordsRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::CreateMemberRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UpdateMemberRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::DeactivateMemberRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::ActivateMemberRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::DeleteMemberRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UndeleteMemberRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::CreateTemplateRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UpdateTemplateRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::DeleteTemplateRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UndeleteTemplateRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::CreateTenantRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UpdatePolicyRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::BeginChangeSetRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::EndChangeSetRequest& request, Draft& draft, const Context& context);
// An undo, with what the log knows of the commits that it names; see undo.h.
absl::Status Decide(const store::v1::ResolvedUndo& undo, Draft& draft, const Context& context);
absl::Status Decide(const v1::AddTargetsRequest& request, Draft& draft, const Context& context);
// StartOperation, with what the server knows of its command; CancelOperation.
absl::Status Decide(const store::v1::ResolvedOperation& resolved, Draft& draft,
                    const Context& context);
absl::Status Decide(const store::v1::OperationCancel& cancel, Draft& draft, const Context& context);
absl::Status Decide(const v1::PlaceHoldRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::ReleaseHoldRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::RestoreEntitiesRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::PurgeEntitiesRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::EmptyBinRequest& request, Draft& draft, const Context& context);
// Announce and Approve, with what the server knows of the command; what is answered to them.
absl::Status Decide(const store::v1::ResolvedAnnounce& resolved, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::AcknowledgeRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::ObjectRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const store::v1::ResolvedApprove& resolved, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::TakeOutRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::AcknowledgeObjectionsRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::WithdrawRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::ExecuteRequest& request, Draft& draft, const Context& context);
// The server tells what came of an announcement's command.
absl::Status Decide(const store::v1::AdvanceAnnouncement& command, Draft& draft,
                    const Context& context);
// One entity as it was at a position.
absl::Status Decide(const store::v1::ResolvedRestoreTo& restore, Draft& draft,
                    const Context& context);
// What the server sends itself when a moment comes; see timer.h and expiry.h.
absl::Status Decide(const store::v1::Fire& fire, Draft& draft, const Context& context);
absl::Status Decide(const store::v1::AnnounceExpiry& command, Draft& draft, const Context& context);
// What people are told; see notification.h, delivery.h, recipient.h and follower.h.
absl::Status Decide(const v1::MarkMyNotificationsRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::RetryDeliveryRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::ResolveHeldDeliveriesRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::PauseFollowerRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::ResolveParkedEventRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::SuppressContactPointRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const store::v1::ResolvedPreferences& command, Draft& draft,
                    const Context& context);
absl::Status Decide(const store::v1::ChooseForContactPoint& command, Draft& draft,
                    const Context& context);
absl::Status Decide(const store::v1::AddressNotification& command, Draft& draft,
                    const Context& context);
absl::Status Decide(const store::v1::RecordAttempt& attempt, Draft& draft, const Context& context);
absl::Status Decide(const store::v1::AdvanceFollower& command, Draft& draft,
                    const Context& context);
absl::Status Decide(const store::v1::Tell& command, Draft& draft, const Context& context);
// Webhooks; the server itself disables one whose endpoint takes nothing.
absl::Status Decide(const v1::CreateWebhookRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UpdateWebhookRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::RotateSecretRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::PauseWebhookRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::ResumeWebhookRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::TestWebhookRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::DeleteWebhookRequest& request, Draft& draft, const Context& context);
absl::Status Decide(const v1::UndeleteWebhookRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const v1::RedeliverWebhookRequest& request, Draft& draft,
                    const Context& context);
absl::Status Decide(const store::v1::DisableWebhook& command, Draft& draft, const Context& context);
// What the server itself records in tenant `system`.
absl::Status Decide(const store::v1::EpochBegan& event, Draft& draft, const Context& context);
absl::Status Decide(const store::v1::AdministrativeActDone& event, Draft& draft,
                    const Context& context);

// What takes a decider long and depends on little more than the request, done ahead on another
// thread, so that other tenants do not wait while a batch is decided: the result is remembered
// where the decider looks for it. Never changes what is decided. Those that are worth it have an
// overload.
void Prepare(const v1::BatchCreateCustomersRequest& request, const View& view);
void Prepare(const v1::BatchCreateRecordsRequest& request, const View& view);

// What a change set must be for this actor's command to join it: open, of the actor, not past its
// time, and of no operation but the one, by id, whose command it is. OK for 0.
absl::Status CheckChangeSet(Position change_set, const std::string& operation, const View& view,
                            const CommitHeader& header);

}  // namespace retrace::domain
