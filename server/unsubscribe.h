// Unsubscribing without signing in: the address in a mail's List-Unsubscribe header (RFC 8058).
//
// A token names a contact point and a kind of notification that can be switched off; it holds
// whatever became of the mail that brought it, of the notification and of the log. GET and HEAD
// show a page with one button and change nothing, since scanners follow every link; a POST switches
// the kind off for that person, or on again, as events with evidence, before it is answered. Ten
// POSTs are one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "retrace/store/v1/unsubscribe_token.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "server/http/unsubscribe.h"
#include "server/ledger.h"
#include "server/principals.h"
#include "server/query_pool.h"
#include "server/sequencer.h"

namespace retrace::server {

// The token for whom a delivery goes to, and its kind.
absl::StatusOr<std::string> UnsubscribeToken(Ledger& ledger, const Tenant& tenant,
                                             const v1::Delivery& delivery);

// Thread-safe.
class Unsubscribe {
 public:
  // All must outlive the last answer.
  Unsubscribe(Ledger& ledger, const Principals& principals, Sequencer& sequencer, QueryPool& pool)
      : ledger_(ledger), principals_(principals), sequencer_(sequencer), pool_(pool) {}

  // As http::UnsubscribeHandler. 404 for a token that is none of ours, 400 for a POST that asks for
  // nothing known, 503 when commands are refused for now.
  void Handle(const http::UnsubscribeCall& call,
              std::function<void(http::UnsubscribeAnswer)> done) const;

 private:
  // What a token names, as of now.
  struct Named {
    Tenant* tenant = nullptr;
    store::v1::UnsubscribeToken token;
    bool off = false;
    bool suppressed = false;             // nothing goes there in any case
    std::vector<std::string> languages;  // that the recipient reads, best first
  };
  // Nothing when the token is none of ours, or of a kind that cannot be switched off any more.
  absl::StatusOr<std::optional<Named>> Open(std::string_view token) const;
  http::UnsubscribeAnswer Show(const http::UnsubscribeCall& call) const;
  void Act(const http::UnsubscribeCall& call,
           std::function<void(http::UnsubscribeAnswer)> done) const;

  Ledger& ledger_;
  const Principals& principals_;
  Sequencer& sequencer_;
  QueryPool& pool_;
};

}  // namespace retrace::server
