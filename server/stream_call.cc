#include "server/stream_call.h"

#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/call_log.h"
#include "server/rpc.h"
#include "server/status.h"
#include "server/wire.h"

namespace retrace::server {
namespace {

// What waits to be sent on one stream at most.
constexpr size_t kMaxQueuedBytes = 256u << 10;
constexpr size_t kMaxQueuedMessages = 64;
// How often a waiting stream asks whether it may go on.
constexpr absl::Duration kLook = absl::Seconds(1);

absl::Status TooManyStreams(std::string_view whose, size_t bound) {
  return domain::Refusal(
             v1::QUEUE_FULL,
             fmt::format("{} already has the {} streams that it may have open.", whose, bound))
      .Next("End one of yours, or try again later.")
      .RetryAfter(absl::Seconds(5));
}

size_t CountOf(const std::string& owner, const std::map<std::string, size_t>& counts) {
  const auto count = counts.find(owner);
  return count == counts.end() ? 0 : count->second;
}

void TakeOne(const std::string& owner, std::map<std::string, size_t>& counts) {
  const auto count = counts.find(owner);
  if (--count->second == 0) {
    counts.erase(count);
  }
}

}  // namespace

StreamThreads::~StreamThreads() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &StreamThreads::NoneRuns));
}

absl::Status StreamThreads::Run(const std::string& tenant, const std::string& principal,
                                std::function<void()> work) {
  {
    absl::MutexLock lock(&mutex_);
    if (running_ >= bounds_.all) {
      return TooManyStreams("The server", bounds_.all);
    }
    if (CountOf(tenant, of_tenant_) >= bounds_.of_tenant) {
      return TooManyStreams("The tenant", bounds_.of_tenant);
    }
    if (CountOf(principal, of_principal_) >= bounds_.of_principal) {
      return TooManyStreams("The principal", bounds_.of_principal);
    }
    ++running_;
    ++of_tenant_[tenant];
    ++of_principal_[principal];
  }
  std::thread([this, tenant, principal, work = std::move(work)]() mutable {
    work();
    work = nullptr;  // before the destructor may go on
    absl::MutexLock lock(&mutex_);
    --running_;
    TakeOne(tenant, of_tenant_);
    TakeOne(principal, of_principal_);
  }).detach();
  return absl::OkStatus();
}

size_t StreamThreads::running() const {
  absl::MutexLock lock(&mutex_);
  return running_;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamCall::Begin(Rpc& rpc, const Endpoint& endpoint,
                                                              grpc::CallbackServerContext& context,
                                                              const grpc::ByteBuffer& bytes) {
  std::shared_ptr<StreamCall> call(new StreamCall(rpc, endpoint, context));
  call->self_ = call;
  call->Start(bytes);
  return call.get();
}

StreamCall::StreamCall(Rpc& rpc, const Endpoint& endpoint, grpc::CallbackServerContext& context)
    : rpc_(rpc),
      endpoint_(endpoint),
      context_(context),
      start_(absl::Now()),
      cancelled_(std::make_shared<std::atomic<bool>>(false)) {}

void StreamCall::OnDone() { self_.reset(); }

void StreamCall::OnCancel() {
  cancelled_->store(true, std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  gone_ = true;
}

void StreamCall::Start(const grpc::ByteBuffer& bytes) {
  request_bytes_ = bytes.Length();
  absl::Status status = Admit(bytes);
  if (status.ok()) {
    const std::shared_ptr<StreamCall> self = self_;
    status =
        rpc_.streams().Run(tenant_->id, caller_.principal->id, [self] { self->RunHandler(self); });
    if (status.ok()) {
      return;
    }
  }
  End(status);
}

absl::Status StreamCall::Admit(const grpc::ByteBuffer& bytes) {
  const Serving* serving = rpc_.serving();
  if (serving == nullptr) {
    return NotServing();
  }
  deadline_ = rpc_.StreamDeadlineOf(context_);
  RETRACE_ASSIGN(caller_, Authenticate(context_, rpc_.principals()));
  RETRACE_RETURN_IF_ERROR(CheckPermission(endpoint_.method, *caller_.principal));
  request_.reset(endpoint_.method.request->New());
  RETRACE_RETURN_IF_ERROR(ParseRequest(bytes, *request_));
  RETRACE_ASSIGN(tenant_,
                 FindTenant(endpoint_.method, *request_, *caller_.principal, *serving->tenants));
  return CheckRequest(endpoint_.method, *request_, *caller_.principal);
}

void StreamCall::RunHandler(const std::shared_ptr<StreamCall>& self) {
  QueryCall call;
  call.principal = caller_.principal;
  call.tenant = tenant_;
  call.method = endpoint_.method.name;
  call.start = start_;
  call.deadline = deadline_;
  call.cancelled = cancelled_;
  self->End(endpoint_.stream(call, *request_, *this));
}

absl::Status StreamCall::Alive() const {
  if (cancelled_->load(std::memory_order_relaxed)) {
    return absl::CancelledError();
  }
  if (rpc_.serving() == nullptr) {
    return NotServing();
  }
  const PrincipalPtr now = rpc_.principals().FindByHash(caller_.token_hash);
  if (now == nullptr) {
    return domain::Refusal(v1::TOKEN_UNKNOWN, "The stream's token is not known any more.");
  }
  RETRACE_RETURN_IF_ERROR(CheckPermission(endpoint_.method, *now));
  const bool may_enter = endpoint_.method.tenant_path.empty() || now->MayEnter(tenant_->id);
  return may_enter ? absl::OkStatus() : TenantNotFound(tenant_->id);
}

bool StreamCall::HasRoom() const {
  return gone_ || (queue_.size() < kMaxQueuedMessages && queued_bytes_ < kMaxQueuedBytes);
}

bool StreamCall::IsSent() const { return !writing_ && (gone_ || queue_.empty()); }

absl::Status StreamCall::Write(const Message& message) {
  RETRACE_RETURN_IF_ERROR(Alive());
  grpc::ByteBuffer bytes = Serialize(message);
  const size_t size = bytes.Length();
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(this, &StreamCall::HasRoom), kLook)) {
    mutex_.Unlock();
    const absl::Status alive = Alive();
    mutex_.Lock();
    RETRACE_RETURN_IF_ERROR(alive);
  }
  if (gone_) {
    return absl::CancelledError();
  }
  queue_.push_back(std::move(bytes));
  queued_bytes_ += size;
  if (!writing_) {
    writing_ = true;
    StartWrite(&queue_.front());
  }
  return absl::OkStatus();
}

void StreamCall::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  const size_t size = queue_.front().Length();
  queued_bytes_ -= size;
  sent_bytes_ += ok ? size : 0;
  queue_.pop_front();
  gone_ = gone_ || !ok;
  writing_ = !gone_ && !queue_.empty();
  if (writing_) {
    StartWrite(&queue_.front());
  }
}

void StreamCall::End(const absl::Status& status) {
  CallRecord record;
  {
    absl::MutexLock lock(&mutex_);
    while (!mutex_.AwaitWithTimeout(absl::Condition(this, &StreamCall::IsSent), kLook)) {
      mutex_.Unlock();
      const bool stay = Alive().ok();
      mutex_.Lock();
      if (!stay && !gone_) {
        // It does not read and may not stay: what waits to be sent is given up.
        gone_ = true;
        context_.TryCancel();
      }
    }
    record.reply_bytes = sent_bytes_;
  }
  record.tenant = tenant_ == nullptr ? std::string_view() : tenant_->id;
  record.principal = caller_.principal == nullptr ? std::string_view() : caller_.principal->id;
  record.duration = absl::Now() - start_;
  record.request_bytes = request_bytes_;
  RecordCall(endpoint_, status, record);
  Finish(ToGrpcStatus(status));
}

}  // namespace retrace::server
