// Deciders under test: given what was done before, when a command comes, then events or a refusal.
//
//   TestTenant acme;
//   acme.Must(Parse<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme" ...)pb"));
//   auto reply = acme.Do(request);
//   EXPECT_THAT(reply.events, ElementsAre("customers/01 Deactivated"));
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "domain/commands.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "domain/fields.h"
#include "domain/refusal.h"
#include "google/protobuf/message.h"
#include "retrace/store/v1/undo.pb.h"
#include "retrace/v1/common.pb.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/history.pb.h"
#include "retrace/v1/holds.pb.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/records.pb.h"
#include "retrace/v1/recycle_bin.pb.h"
#include "retrace/v1/tenants.pb.h"
#include "tests/support/memory_view.h"

namespace retrace::testing {

// A message from text format; ends the test program when the text is wrong.
void ParseInto(std::string_view text, google::protobuf::Message& message);
template <typename Message>
Message Parse(std::string_view text) {
  Message message;
  ParseInto(text, message);
  return message;
}

// What came of a command.
struct Reply {
  absl::Status status;
  // `customers/ID CustomerUpdated {...}`, the message on one line; without braces when it is empty.
  std::vector<std::string> events;
  std::vector<domain::EntityRef> targets;
  std::vector<std::string> notes;
  domain::Position position = 0;  // 0: no commit was made
  size_t keys = 0;                // that the commit wrote

  bool ok() const { return status.ok(); }
  v1::ErrorReason reason() const { return domain::ReasonOf(status); }
  // Id of the first target.
  const std::string& id() const { return targets.at(0).id; }
};

// The field paths of a BadRequest, in order.
std::vector<std::string> FaultyFields(const absl::Status& status);
// `subject: description` of each violation of a PreconditionFailure.
std::vector<std::string> Unmet(const absl::Status& status);
// One value of ErrorInfo.metadata; empty when there is none.
std::string Metadata(const absl::Status& status, const std::string& key);

// One tenant whose commands run as in the server: validate, decide, check, seal, project, apply.
// Keeps the log, so that its rows can be built again.
class TestTenant {
 public:
  explicit TestTenant(std::string id = "acme") : id_(std::move(id)) {}

  // Who calls from now on, and which permissions they have (`*`: all).
  void ActAs(std::string actor, std::set<std::string> permissions = {"*"}) {
    actor_ = std::move(actor);
    permissions_ = std::move(permissions);
  }
  // Commands are those of an operation from now on: only they join its change set.
  void ActFor(std::string operation) { operation_ = std::move(operation); }
  // The clock goes on by a second with every command; this lets more time pass.
  void Pass(int64_t microseconds) { time_us_ += microseconds; }

  template <typename Request>
  Reply Do(const Request& request) {
    return Run(request, request.options(),
               [&](domain::Draft& draft, const domain::Context& context) {
                 return domain::Decide(request, draft, context);
               });
  }
  // The same from text.
  template <typename Request>
  Reply Do(std::string_view text) {
    return Do(Parse<Request>(text));
  }
  // A command that has to succeed.
  template <typename Request>
  Reply Must(std::string_view text) {
    Reply reply = Do<Request>(text);
    CheckOk(reply);
    return reply;
  }
  // An event that the server decides itself.
  template <typename Event>
  Reply Record(const Event& event) {
    return Run(event, {}, [&](domain::Draft& draft, const domain::Context& context) {
      return domain::Decide(event, draft, context);
    });
  }

  // A command of a kind that only tests have.
  template <typename Request, typename Decide>
  Reply DoWith(const Request& request, Decide decide) {
    return Run(request, request.options(),
               [&](domain::Draft& draft, const domain::Context& context) {
                 return decide(request, draft, context);
               });
  }
  // Takes back the change sets and commits that the request names, found in the log as the server
  // finds them.
  Reply Undo(const v1::UndoRequest& request) {
    const store::v1::ResolvedUndo undo = Resolve(request);
    return Run(request, request.options(),
               [&](domain::Draft& draft, const domain::Context& context) {
                 return domain::Decide(undo, draft, context);
               });
  }
  // Restores an entity to a position.
  Reply RestoreTo(const v1::RestoreToRequest& request);
  // An undo of one commit.
  Reply UndoCommit(domain::Position position, v1::UndoMode mode = v1::STRICT);
  store::v1::ResolvedUndo Resolve(const v1::UndoRequest& request) const;

  const std::string& id() const { return id_; }
  domain::Position head() const { return log_.size(); }
  // The clock as it is, microseconds since 1970.
  int64_t time_us() const { return time_us_; }
  const MemoryRows& rows() const { return rows_; }
  MemoryView view(domain::Position as_of = domain::kLatest) const {
    return MemoryView(rows_, as_of);
  }
  domain::RowPtr RowOf(const domain::EntityRef& entity) const;
  // The resource as the API shows it.
  template <typename Resource>
  Resource Show(const domain::EntityRef& entity) const {
    Resource resource;
    ShowInto(entity, resource);
    return resource;
  }
  v1::Customer Customer(const std::string& id) const {
    return Show<v1::Customer>({domain::KindNumber::kCustomer, id});
  }
  v1::Record RecordOf(const std::string& id) const {
    return Show<v1::Record>({domain::KindNumber::kRecord, id});
  }
  v1::Member Member(const std::string& id) const {
    return Show<v1::Member>({domain::KindNumber::kMember, id});
  }
  // The counters row of an owner, as `kind/subkind/state/stage/currency=count,sum`.
  std::vector<std::string> Counters(const std::string& owner = "") const;
  // Digest form of everything that the content digest covers.
  std::string Content() const;

  // The keys that purges destroyed.
  std::set<std::string> DestroyedKeys() const;
  // Rows built anew from the log, without the personal content that destroyed keys would open.
  absl::StatusOr<MemoryRows> Replay() const;

 private:
  // A stored event: bytes, as in the log.
  struct LoggedEvent {
    domain::EntityRef entity;
    uint64_t revision;
    std::string type;
    std::string bytes;
    std::string subject;
    std::string key;  // under which it is sealed; empty: it is not
  };
  struct LoggedCommit {
    domain::CommitHeader header;
    std::vector<LoggedEvent> events;
  };
  using Decider = std::function<absl::Status(domain::Draft&, const domain::Context&)>;

  static void CheckOk(const Reply& reply);
  void ShowInto(const domain::EntityRef& entity, google::protobuf::Message& resource) const;
  domain::CommitHeader NextHeader(const google::protobuf::Message& request,
                                  const v1::CommandOptions& options);
  Reply Run(const google::protobuf::Message& request, const v1::CommandOptions& options,
            const Decider& decide);
  absl::Status Commit(domain::Draft& draft, Reply& reply);
  // The key that the subject's events are sealed under: a known one, or a fresh one. The first is
  // `key of customers/ID`, the next `key 2 of customers/ID`.
  absl::StatusOr<std::string> KeyOf(const std::string& subject, const domain::Row& row,
                                    const domain::Draft& draft);

  std::string id_;
  std::string actor_ = "ann";
  std::string operation_;
  std::set<std::string> permissions_ = {"*"};
  int64_t time_us_ = 1'700'000'000'000'000;
  uint64_t last_id_ = 0;
  MemoryRows rows_;
  std::vector<LoggedCommit> log_;
  std::map<std::string, int> keys_made_;  // by subject
};

}  // namespace retrace::testing
