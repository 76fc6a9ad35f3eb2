#include "server/submit.h"

#include <utility>

#include "absl/synchronization/notification.h"

namespace retrace::server {

CommandResult SubmitAndAwait(Sequencer& sequencer, Command command) {
  absl::Notification answered;
  CommandResult answer;
  command.done = [&](CommandResult result) {
    answer = std::move(result);
    answered.Notify();
  };
  sequencer.Submit(std::move(command));
  answered.WaitForNotification();
  return answer;
}

}  // namespace retrace::server
