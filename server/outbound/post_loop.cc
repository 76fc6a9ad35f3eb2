#include "server/outbound/post_loop.h"

#include <utility>

#include "server/outbound/post_transfer.h"

namespace retrace::server {
namespace {

constexpr int kPollMilliseconds = 1000;
constexpr long kIdleConnections = 64;

}  // namespace

PostLoop::PostLoop(OutboxOptions options)
    : options_(std::move(options)), multi_(curl_multi_init()) {
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnections);
  thread_ = std::thread([this] { Run(); });
}

PostLoop::~PostLoop() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  curl_multi_wakeup(multi_);
  thread_.join();
  curl_multi_cleanup(multi_);
}

void PostLoop::Send(OutgoingPost post, SendDone done) {
  auto transfer = std::make_unique<PostTransfer>(std::move(post), std::move(done));
  {
    const absl::MutexLock lock(&mutex_);
    incoming_.push_back(std::move(transfer));
  }
  curl_multi_wakeup(multi_);
}

void PostLoop::Run() {
  while (TakeIncoming()) {
    StartWhatMayStart();
    int running = 0;
    curl_multi_perform(multi_, &running);
    if (!TakeEnded()) {
      curl_multi_poll(multi_, nullptr, 0, kPollMilliseconds, nullptr);
    }
  }
  Stop();
}

bool PostLoop::TakeIncoming() {
  std::vector<Transfer> incoming;
  {
    const absl::MutexLock lock(&mutex_);
    if (stopping_) return false;
    incoming.swap(incoming_);
  }
  for (Transfer& transfer : incoming) Queue(std::move(transfer));
  return true;
}

void PostLoop::Queue(Transfer transfer) {
  if (transfer->host().empty()) {
    transfer->Done({.kind = SendResult::kRefused, .detail = "not sent: no such address"});
    return;
  }
  waiting_.push_back(std::move(transfer));
}

void PostLoop::StartWhatMayStart() {
  while (!waiting_.empty() && under_way_.size() < options_.posts_at_once) {
    Transfer transfer = std::move(waiting_.front());
    waiting_.pop_front();
    CURL* handle = transfer->Open(options_);
    curl_multi_add_handle(multi_, handle);
    under_way_.emplace(handle, std::move(transfer));
  }
}

bool PostLoop::TakeEnded() {
  bool any = false;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    any = true;
    const CURLcode code = message->data.result;
    const auto ended = under_way_.find(message->easy_handle);
    const Transfer transfer = std::move(ended->second);
    under_way_.erase(ended);
    const SendResult result = transfer->Judge(code);
    curl_multi_remove_handle(multi_, message->easy_handle);
    transfer->Done(result);
  }
  return any;
}

void PostLoop::Stop() {
  for (auto& [handle, transfer] : under_way_) {
    const SendResult result = transfer->BrokenOff();
    curl_multi_remove_handle(multi_, handle);
    transfer->Done(result);
  }
  under_way_.clear();
  for (const Transfer& transfer : waiting_) transfer->Done(transfer->BrokenOff());
  waiting_.clear();
  std::vector<Transfer> incoming;
  {
    const absl::MutexLock lock(&mutex_);
    incoming.swap(incoming_);
  }
  for (const Transfer& transfer : incoming) transfer->Done(transfer->BrokenOff());
}

}  // namespace retrace::server
