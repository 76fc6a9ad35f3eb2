#include "server/maintenance.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/security/credentials.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "domain/status_macros.h"
#include "eventstore/backup.h"
#include "eventstore/key_store.h"
#include "eventstore/rocks_commit_log.h"
#include "grpc/health/v1/health.pb.h"
#include "server/ledger.h"
#include "server/principals.h"
#include "server/sequencer.h"
#include "server/system_log.h"

namespace retrace::server {
namespace {

namespace fs = std::filesystem;

constexpr int kHealthSeconds = 2;

ExitCode Report(const absl::Status& status, const Config& config) {
  if (status.ok()) {
    return ExitCode::kOk;
  }
  fmt::print(stderr, "retraced: {}\n", std::string(status.message()));
  return ExitCodeOf(status, PlacesOf(config));
}

// For errors that no part of the storage has to do with.
ExitCode ReportUsage(const absl::Status& status) {
  if (status.ok()) {
    return ExitCode::kOk;
  }
  fmt::print(stderr, "retraced: {}\n", std::string(status.message()));
  return ExitCode::kUsage;
}

absl::Status MakeDirectory(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error) {
    fs::permissions(directory, fs::perms::owner_all, error);
  }
  return error ? absl::FailedPreconditionError(
                     fmt::format("{} cannot be made: {}", directory, error.message()))
               : absl::OkStatus();
}

absl::Status WritePrivateFile(const std::string& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd) == 0;
  const int reason = errno;
  if (fd >= 0) {
    ::close(fd);
  }
  return written ? absl::OkStatus()
                 : absl::FailedPreconditionError(
                       fmt::format("{} cannot be written: {}", file, std::strerror(reason)));
}

// The token file with its first principal.
absl::Status MakeRoot(const std::string& directory) {
  TokenEntry root;
  root.principal = "root";
  root.display_name = "Root";
  root.tenants = {"*"};
  root.roles = {"administrator", "operator"};
  RETRACE_ASSIGN(const std::string token, AddToken(directory + "/tokens.toml", root));
  RETRACE_RETURN_IF_ERROR(WritePrivateFile(directory + "/root.token", token + "\n"));
  fmt::print(
      "The token of `root`, who may do everything in every tenant (also in {}/root.token):\n"
      "{}\n",
      directory, token);
  return absl::OkStatus();
}

absl::Status RefusePresent(const std::string& directory,
                           std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const std::string path = fmt::format("{}/{}", directory, name);
    if (fs::exists(path)) {
      return absl::AlreadyExistsError(
          fmt::format("{} is there already; name a directory without data", path));
    }
  }
  return absl::OkStatus();
}

// Opens what a command left behind as a daemon would, and records the epoch that it began.
absl::Status OpenAndRecord(const Config& config, std::string_view cause,
                           const std::string& description) {
  LedgerOptions options;
  options.data_directory = config.data_dir;
  options.witness_directory = config.witness_dir;
  options.master_key_file = config.master_key_file;
  options.on_failure = [&config](const absl::Status& status) {
    const ExitCode code = Report(status, config);
    std::fflush(stderr);
    _exit(static_cast<int>(code));
  };
  RETRACE_ASSIGN(const std::unique_ptr<Ledger> ledger, Ledger::Open(options));
  {
    Sequencer sequencer(ledger->log(), ledger->keys(), ledger->rows(), ledger->tenants(), {});
    RETRACE_ASSIGN(const bool recorded, RecordEpoch(*ledger, sequencer, cause, description));
    static_cast<void>(recorded);
    sequencer.Drain();
  }
  RETRACE_RETURN_IF_ERROR(ledger->rows().Flush());
  fmt::print("The log is in epoch {:016x}. Rows: {}.\n", ledger->log().epoch(),
             ledger->rows_origin());
  for (const Tenant* tenant : ledger->tenants().All()) {
    fmt::print("  tenant {} stands at position {}\n", tenant->id, tenant->visible.load());
  }
  return absl::OkStatus();
}

absl::Status CopyDirectory(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive, error);
  if (!error) {
    fs::permissions(to, fs::perms::owner_all, error);
  }
  return error ? absl::FailedPreconditionError(
                     fmt::format("{} cannot be copied to {}: {}", from, to, error.message()))
               : absl::OkStatus();
}

absl::Status CopyMasterKey(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy_file(from, to, error);
  if (!error) {
    fs::permissions(to, fs::perms::owner_read | fs::perms::owner_write, error);
  }
  return error ? absl::FailedPreconditionError(fmt::format(
                     "the master key {} cannot be copied: {}; name the one that the keys were "
                     "made with by --master-key",
                     from, error.message()))
               : absl::OkStatus();
}

// Before anything is made: what is half made stands in the way of the next try.
absl::Status CheckRecover(const RecoverArguments& arguments, const Config& config) {
  RETRACE_RETURN_IF_ERROR(
      RefusePresent(config.data_dir, {"log", "witness", "keys", "rows", "master.key"}));
  if (!fs::is_directory(arguments.keys)) {
    return absl::FailedPreconditionError(
        fmt::format("{} is no directory with a backup of the keys", arguments.keys));
  }
  if (!fs::is_regular_file(arguments.master_key_file)) {
    return absl::FailedPreconditionError(
        fmt::format("there is no master key {}; name the one that the keys were made with by "
                    "--master-key",
                    arguments.master_key_file));
  }
  return absl::OkStatus();
}

absl::Status RecoverInto(const RecoverArguments& arguments, const Config& config) {
  RETRACE_RETURN_IF_ERROR(MakeDirectory(config.data_dir));
  RETRACE_ASSIGN(const eventstore::Recovered recovered,
                 eventstore::Recover({.from = arguments.from,
                                      .log_directory = config.data_dir + "/log",
                                      .witness_directory = config.witness_dir}));
  RETRACE_RETURN_IF_ERROR(CopyDirectory(arguments.keys, config.data_dir + "/keys"));
  RETRACE_RETURN_IF_ERROR(CopyMasterKey(arguments.master_key_file, config.master_key_file));
  fmt::print("Recovered the backup of {} from {}.\n", recovered.manifest.time(), arguments.from);
  RETRACE_RETURN_IF_ERROR(
      OpenAndRecord(config, "RECOVERED",
                    fmt::format("From the backup of {} in {}, batch {}, chain hash {}.",
                                recovered.manifest.time(), arguments.from,
                                recovered.manifest.batch(), recovered.manifest.chain_hash())));
  return fs::exists(config.token_file) ? absl::OkStatus() : MakeRoot(config.data_dir);
}

}  // namespace

ExitCode InitDirectory(const std::string& directory) {
  const auto init = [&]() -> absl::Status {
    RETRACE_RETURN_IF_ERROR(
        RefusePresent(directory, {"master.key", "tokens.toml", "root.token", "log"}));
    RETRACE_RETURN_IF_ERROR(MakeDirectory(directory));
    RETRACE_RETURN_IF_ERROR(eventstore::KeyStore::MakeMasterKey(directory + "/master.key"));
    RETRACE_RETURN_IF_ERROR(MakeRoot(directory));
    fmt::print("Serve it with: retraced serve --data {}\n", directory);
    return absl::OkStatus();
  };
  return ReportUsage(init());
}

ExitCode AcceptLoss(const Config& config) {
  eventstore::RocksCommitLogOptions options;
  options.directory = config.data_dir + "/log";
  options.witness_directory = config.witness_dir;
  options.on_failure = [](const absl::Status&) {};
  const auto accept = [&]() -> absl::Status {
    RETRACE_ASSIGN(const std::optional<eventstore::WitnessDifference> difference,
                   eventstore::RocksCommitLog::AcceptLoss(options));
    if (!difference.has_value()) {
      fmt::print("There is no loss to accept: the commit log in {} agrees with its head witness.\n",
                 options.directory);
      return absl::OkStatus();
    }
    fmt::print("Accepted: {}.\n", difference->description);
    return OpenAndRecord(config, "ACCEPTED_LOSS", difference->description + ".");
  };
  return Report(accept(), config);
}

ExitCode Recover(const RecoverArguments& arguments) {
  Config config;
  config.data_dir = arguments.to;
  config.Complete();
  if (const absl::Status status = CheckRecover(arguments, config); !status.ok()) {
    return ReportUsage(status);
  }
  return Report(RecoverInto(arguments, config), config);
}

ExitCode CheckHealth(const Config& config) {
  if (config.socket.empty() && config.listen.empty()) {
    return ReportUsage(absl::InvalidArgumentError("there is no address to ask"));
  }
  const std::string target =
      config.socket.empty() ? config.listen.front() : "unix:" + config.socket;
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(kHealthSeconds));
  grpc::health::v1::HealthCheckResponse reply;
  const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                         grpc::internal::RpcMethod::NORMAL_RPC, channel);
  const grpc::Status status = grpc::internal::BlockingUnaryCall(
      channel.get(), method, &context, grpc::health::v1::HealthCheckRequest(), &reply);
  if (!status.ok()) {
    fmt::print("no answer at {}: {}\n", target, status.error_message());
    return ExitCode::kFailed;
  }
  fmt::print("{}\n", grpc::health::v1::HealthCheckResponse::ServingStatus_Name(reply.status()));
  return reply.status() == grpc::health::v1::HealthCheckResponse::SERVING ? ExitCode::kOk
                                                                          : ExitCode::kFailed;
}

}  // namespace retrace::server
