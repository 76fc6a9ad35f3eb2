#include <unistd.h>

#include <atomic>
#include <fstream>
#include <memory>

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/text_excerpt.h"
#include "eventstore/disk_space.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/v1/admin.pb.h"
#include "server/backup_schedule.h"
#include "server/backups.h"
#include "server/logging.h"
#include "server/moment.h"
#include "server/release.h"
#include "server/services.h"
#include "server/system_log.h"
#include "server/verification.h"

namespace retrace::server {
namespace {

using google::protobuf::util::TimeUtil;

// Progress of a verification is sent this often.
constexpr absl::Duration kProgressEvery = absl::Milliseconds(250);

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

absl::StatusOr<int64_t> CommitsInLog(Ledger& ledger) {
  RETRACE_ASSIGN(const std::vector<eventstore::TenantNumber> tenants, ledger.log().Tenants());
  int64_t commits = 0;
  for (const eventstore::TenantNumber tenant : tenants) {
    RETRACE_ASSIGN(const eventstore::Head head, ledger.log().HeadOf(tenant));
    commits += static_cast<int64_t>(head.position);
  }
  return commits;
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

void ShowSchedule(const BackupSchedule& schedule, v1::BackupStatus& shown) {
  const BackupState state = schedule.state();
  shown.set_scheduled(state.scheduled);
  if (!state.scheduled) {
    return;
  }
  if (!state.last_id.empty()) {
    shown.set_last_backup(state.last_id);
    *shown.mutable_last_time() = ToTimestamp(state.since);
    shown.mutable_age()->set_seconds(absl::ToInt64Seconds(schedule.AgeOf(state)));
    shown.set_bytes(state.bytes);
  }
  if (state.next != absl::InfiniteFuture()) {
    *shown.mutable_next_time() = ToTimestamp(state.next);
  }
  if (!state.fault.empty()) {
    shown.set_fault(state.fault);
    *shown.mutable_fault_time() = ToTimestamp(state.fault_time);
  }
  shown.set_kept(static_cast<int32_t>(state.kept.size()));
  *shown.mutable_damaged() = {state.damaged.begin(), state.damaged.end()};
}

absl::StatusOr<v1::GetStatusResponse> GetStatus(Backend& backend) {
  Ledger& ledger = *backend.ledger;
  v1::GetStatusResponse reply;
  RETRACE_ASSIGN(const eventstore::DiskSpace space,
                 eventstore::FreeSpace(ledger.options().data_directory));
  RETRACE_ASSIGN(const int64_t commits, CommitsInLog(ledger));
  reply.set_release(std::string(Release()));
  reply.set_epoch(ShowEpoch(ledger.log().epoch()));
  reply.mutable_start_time()->set_seconds(absl::ToUnixSeconds(backend.start_time));
  reply.set_tenants(static_cast<int64_t>(ledger.tenants().All().size()));
  reply.set_commits(commits);
  reply.set_free_bytes(static_cast<int64_t>(space.free_bytes));
  reply.set_reserve_bytes(static_cast<int64_t>(space.reserve_bytes));
  reply.set_disk_full(space.BelowReserve());
  reply.set_rows_memory_bytes(static_cast<int64_t>(ledger.rows().MemoryBytes()));
  reply.set_resident_bytes(ResidentBytes());
  reply.set_queued_commands(static_cast<int64_t>(backend.sequencer->queued()));
  reply.set_rows_origin(ledger.rows_origin());
  reply.set_test_clock(backend.clock != nullptr && backend.clock->is_test());
  if (backend.backup_schedule != nullptr) {
    ShowSchedule(*backend.backup_schedule, *reply.mutable_backup());
  }
  return reply;
}

absl::StatusOr<std::string> BackupId(const v1::BackupRequest& request) {
  if (request.backup_id().empty()) {
    return absl::StrCat(
        absl::FormatTime("backup-%Y%m%dt%H%M%Sz-", absl::Now(), absl::UTCTimeZone()),
        absl::BytesToHexString(eventstore::RandomBytes(2)));
  }
  if (!domain::IsId(request.backup_id())) {
    return domain::Refusal(v1::INVALID_FIELD, "The backup's name is malformed.")
        .Field("backup_id", "must match [a-z0-9][a-z0-9-]{0,62}");
  }
  if (IsReservedId(request.backup_id())) {
    return domain::Refusal(v1::INVALID_FIELD, "Such names are the schedule's, which removes them.")
        .Field("backup_id", "must not begin with scheduled-");
  }
  return request.backup_id();
}

absl::StatusOr<v1::BackupResponse> Backup(Backend& backend, const QueryCall& call,
                                          const v1::BackupRequest& request) {
  RETRACE_ASSIGN(const std::string id, BackupId(request));
  v1::BackupResponse reply;
  reply.set_directory(absl::StrCat(backend.backups.log, "/", id));
  reply.set_key_directory(absl::StrCat(backend.backups.keys, "/", id));
  RETRACE_ASSIGN(const store::v1::BackupManifest manifest,
                 MakeBackup(*backend.ledger, backend.backups, id, absl::Now()));
  reply.set_epoch(ShowEpoch(manifest.epoch()));
  for (const store::v1::BackupHead& head : manifest.heads()) {
    const Tenant* tenant = backend.ledger->tenants().Find(head.tenant());
    v1::TenantHead* shown = reply.add_heads();
    shown->set_tenant(absl::StrCat("tenants/", tenant == nullptr ? "" : tenant->id));
    shown->set_position(static_cast<int64_t>(head.position()));
  }
  reply.set_bytes(BytesOf(manifest));
  const auto recorded = RecordAct(*backend.sequencer, backend.ledger->tenants(), call.principal,
                                  call.method, "BACKUP", DescribeBackup(id, manifest));
  if (!recorded.ok()) {
    // It is there and good, whatever is said of it.
    const std::string fault(recorded.status().message());
    Log(LogLevel::kWarn, "a backup is not recorded", {{"backup", id}, {"fault", fault}});
  }
  return reply;
}

absl::StatusOr<v1::GetBackupsResponse> GetBackups(Backend& backend) {
  v1::GetBackupsResponse reply;
  RETRACE_ASSIGN(const std::vector<FoundBackup> found, FindBackups(backend.backups));
  for (const FoundBackup& one : found) {
    v1::BackupSummary& shown = *reply.add_backups();
    const std::string& place = one.has_log ? backend.backups.log : backend.backups.keys;
    shown.set_backup_id(domain::WholeUtf8(one.id, one.id.size()));
    shown.set_directory(absl::StrCat(place, "/", shown.backup_id()));
    shown.set_scheduled(IsReservedId(one.id));
    shown.set_has_keys(one.has_keys);
    shown.set_under_way(one.under_way);
    if (one.under_way) {
      continue;
    }
    if (!one.manifest.ok()) {
      const std::string fault(one.manifest.status().message());
      shown.set_fault(domain::WholeUtf8(fault, fault.size()));
      continue;
    }
    *shown.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(one.manifest->time_us());
    shown.set_epoch(ShowEpoch(one.manifest->epoch()));
    shown.set_bytes(BytesOf(*one.manifest));
  }
  if (backend.backup_schedule != nullptr) {
    const BackupState state = backend.backup_schedule->state();
    for (v1::BackupSummary& shown : *reply.mutable_backups()) {
      if (shown.fault().empty() && absl::c_linear_search(state.damaged, shown.directory())) {
        shown.set_fault("It is damaged.");
      }
    }
  }
  return reply;
}

absl::Status SendResult(const Verification& found, StreamWriter& writer) {
  v1::VerifyResponse message;
  message.mutable_result()->set_ok(found.differences.empty());
  message.mutable_result()->set_commits(static_cast<int64_t>(found.commits));
  for (const std::string& difference : found.differences) {
    message.mutable_result()->add_differences(difference);
  }
  return writer.Write(message);
}

absl::Status Verify(Backend& backend, const QueryCall& call, StreamWriter& writer) {
  absl::Time last = absl::InfinitePast();
  const VerificationProgress progress = [&](uint64_t done, uint64_t total) {
    if (const absl::Time now = absl::Now(); now - last >= kProgressEvery) {
      last = now;
      v1::VerifyResponse message;
      message.mutable_progress()->set_commits(static_cast<int64_t>(done));
      message.mutable_progress()->set_total_commits(static_cast<int64_t>(total));
      return writer.Write(message);
    }
    return absl::OkStatus();
  };
  RETRACE_ASSIGN(
      const Verification found,
      VerifyRows(*backend.ledger, backend.ledger->options().data_directory + "/scratch", progress));
  RETRACE_ASSIGN(
      const v1::Outcome recorded,
      RecordAct(
          *backend.sequencer, backend.ledger->tenants(), call.principal, call.method, "VERIFY",
          absl::StrCat(found.commits, " commits, ", found.differences.size(), " differences")));
  static_cast<void>(recorded);
  return SendResult(found, writer);
}

// One verification at a time: each rebuilds everything.
absl::Status VerifyAlone(Backend& backend, std::atomic<bool>& running, const QueryCall& call,
                         StreamWriter& writer) {
  if (running.exchange(true)) {
    return domain::Refusal(v1::QUEUE_FULL, "A verification is running already.")
        .Next("Wait for it to end.")
        .RetryAfter(absl::Seconds(10));
  }
  const absl::Status status = Verify(backend, call, writer);
  running = false;
  return status;
}

constexpr int64_t kMostAdvancedSeconds = 10LL * 366 * 24 * 3600;

absl::StatusOr<v1::AdvanceClockResponse> AdvanceClock(Backend& backend, const QueryCall& call,
                                                      const v1::AdvanceClockRequest& request) {
  if (backend.clock == nullptr || !backend.clock->is_test()) {
    return domain::Refusal(v1::STATE_REFUSED, "This server goes by the system's clock.")
        .Next("Serve a new data directory with --test-clock.");
  }
  const int64_t seconds = request.by().seconds();
  const int64_t by_us = TimeUtil::DurationToMicroseconds(request.by());
  if (by_us <= 0 || seconds > kMostAdvancedSeconds) {
    return domain::Refusal(v1::INVALID_FIELD, "A clock is advanced by more than nothing.")
        .Field("by", "Must be more than 0 and at most 10 years.");
  }
  RETRACE_RETURN_IF_ERROR(backend.clock->Advance(by_us));
  RETRACE_RETURN_IF_ERROR(backend.timers->CatchUp());
  if (backend.follower != nullptr) {
    RETRACE_RETURN_IF_ERROR(backend.follower->CatchUp());
  }
  backend.backup_schedule->CatchUp();
  v1::AdvanceClockResponse reply;
  *reply.mutable_time() = TimeUtil::MicrosecondsToTimestamp(backend.clock->WallMicros());
  RETRACE_ASSIGN(const v1::Outcome recorded,
                 RecordAct(*backend.sequencer, backend.ledger->tenants(), call.principal,
                           call.method, "ADVANCE_CLOCK", absl::StrCat("by ", seconds, " seconds")));
  static_cast<void>(recorded);
  return reply;
}

}  // namespace

void AddAdminService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Admin");
  service.Query<v1::GetStatusRequest, v1::GetStatusResponse>(
      "GetStatus",
      [&backend](const QueryCall&, const v1::GetStatusRequest&) { return GetStatus(backend); });
  service.Query<v1::BackupRequest, v1::BackupResponse>(
      "Backup",
      [&backend](const QueryCall& call, const v1::BackupRequest& request) {
        return Backup(backend, call, request);
      },
      Lane::kSlow);
  service.Query<v1::GetBackupsRequest, v1::GetBackupsResponse>(
      "GetBackups",
      [&backend](const QueryCall&, const v1::GetBackupsRequest&) { return GetBackups(backend); },
      Lane::kSlow);
  service.Query<v1::AdvanceClockRequest, v1::AdvanceClockResponse>(
      "AdvanceClock",
      [&backend](const QueryCall& call, const v1::AdvanceClockRequest& request) {
        return AdvanceClock(backend, call, request);
      },
      Lane::kSlow);
  auto running = std::make_shared<std::atomic<bool>>(false);
  service.Stream<v1::VerifyRequest, v1::VerifyResponse>(
      "Verify",
      [&backend, running](const QueryCall& call, const v1::VerifyRequest&, StreamWriter& writer) {
        return VerifyAlone(backend, *running, call, writer);
      });
}

}  // namespace retrace::server
