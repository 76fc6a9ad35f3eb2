#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "clients/cli/config_file.h"
#include "clients/cli/reflection.h"
#include "clients/cli/row_output.h"
#include "clients/cpp/client.h"
#include "retrace/v1/common.pb.h"

namespace retrace::cli {

// The flags that every command understands.
struct GlobalFlags {
  std::string output = "table";
  std::string as_of;
  std::string reason;
  int64_t change_set = 0;
  std::string request_id;
  std::string on_behalf_of;
  std::string correlation_id;
  std::string timeout = "30s";
  std::string connect_timeout = "3s";
  std::string endpoint;
  std::string tenant;
  std::string token;
  std::string token_file;
  std::string context;
  bool no_color = false;
};

// One run of the tool: its flags, its connection, and where it prints. Results go to `out`, all
// that is said about them to `err`. Not thread-safe.
class Session {
 public:
  // Where the tool connects when nothing says otherwise.
  static constexpr char kDefaultEndpoint[] = "127.0.0.1:7233";

  Session(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

  GlobalFlags flags;

  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  // True when standard input, `out` or `err` is a terminal; set by main.
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  // Columns of the terminal; 0 when there is none.
  int terminal_width = 0;

  // The command that the command line chose; run once all flags are read.
  void Choose(std::function<absl::Status()> action) { action_ = std::move(action); }
  const std::function<absl::Status()>& action() const { return action_; }

  // The connection, made at first use from flags, environment and configuration. A server that is
  // not there shows here, after --connect-timeout; one that goes away later is waited for.
  absl::StatusOr<client::Client*> Client();
  // Uses a client that is there already (tests).
  void UseClient(std::unique_ptr<client::Client> client) { client_ = std::move(client); }

  // `tenants/{tenant}`, from flag, environment or context.
  absl::StatusOr<std::string> Tenant();
  // What is used after flags, environment and context are put together.
  absl::StatusOr<ContextSettings> Settings();

  // Fills what the flags say into the request (command options, as_of), calls, and notes on `err`
  // at which position a question about the past was answered. Options that the request already
  // sets are left alone.
  absl::Status Run(Exchange& exchange, const client::CallOptions& call = {});

  // The same for a typed reply.
  template <typename Response, typename Request>
  absl::StatusOr<Response> Ask(absl::string_view method, const Request& request) {
    Exchange exchange = NewExchange(method);
    exchange.request->CopyFrom(request);
    if (absl::Status status = Run(exchange); !status.ok()) return status;
    return static_cast<const Response&>(*exchange.response);
  }

  // The moment of --as-of; unset without the flag.
  absl::StatusOr<v1::AsOf> AsOf();
  // Everything asked from now on is answered as of this position.
  void PinTo(int64_t position);

  absl::StatusOr<absl::TimeZone> TenantZone();
  // The tenant's currency for amounts that name none.
  absl::StatusOr<std::string> TenantCurrency();

  absl::StatusOr<OutputStyle> Style() const;
  // True when there is a person to ask.
  bool can_ask() const { return in_is_terminal && err_is_terminal; }
  bool color_out() const;
  bool color_err() const;

  // Says what a command did, on `err`: its position and change set, and the server's notes.
  void NoteOutcome(const v1::Outcome& outcome);

 private:
  absl::Status LoadPolicy();
  absl::Status Fill(google::protobuf::Message& request);
  void NoteAnswered(const google::protobuf::Message& response);
  void NoteRetry(const absl::Status& failure);

  std::ostream& out_;
  std::ostream& err_;
  std::function<absl::Status()> action_;
  std::unique_ptr<client::Client> client_;
  std::optional<ContextSettings> settings_;
  std::optional<v1::AsOf> moment_;
  bool answered_noted_ = false;
  bool retry_noted_ = false;
  bool policy_loaded_ = false;
  std::string time_zone_;
  std::string currency_;
};

}  // namespace retrace::cli
