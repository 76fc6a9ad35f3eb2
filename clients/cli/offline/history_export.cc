#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/exit_codes.h"
#include "clients/cli/history_streams.h"
#include "server/export_file.h"

namespace retrace::cli {
namespace {

struct ExportFlags {
  std::string until, file, keys;
};

// What goes wrong with a local file has an exit code of its own.
absl::Status OfFile(const absl::Status& status) {
  return status.ok() ? status : FileError(std::string(status.message()));
}

absl::Status ExportKeysTo(Session& session, const std::string& tenant, int64_t position,
                          const std::string& path) {
  v1::ExportKeysRequest request;
  request.set_parent(tenant);
  request.mutable_until()->set_position(position);
  server::ExportedKeys keys;
  const absl::Status read = ForEachMessage<v1::ExportKeysRequest, v1::ExportKeysResponse>(
      session, &v1::History::Stub::ExportKeys, request,
      [&keys](const v1::ExportKeysResponse& message) { return server::AddKeys(message, keys); });
  if (!read.ok()) return read;
  const absl::Status written = server::WriteKeyFile(path, tenant, keys);
  if (!written.ok()) return OfFile(written);
  session.err() << keys.keys.size() << " keys in " << path
                << ": keep it apart from the export, and not for long\n";
  return absl::OkStatus();
}

absl::Status RunExport(Session& session, const ExportFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ExportCommitsRequest request;
  request.set_parent(*tenant);
  absl::Status status = FillMoment(session, flags.until, "--until", request.mutable_until());
  if (!status.ok()) return status;
  server::ExportWriter writer(flags.file);
  status = ForEachMessage<v1::ExportCommitsRequest, v1::ExportCommitsResponse>(
      session, &v1::History::Stub::ExportCommits, request,
      [&writer](const v1::ExportCommitsResponse& message) { return OfFile(writer.Add(message)); });
  if (!status.ok()) return status;
  const int64_t position = static_cast<int64_t>(writer.header().position());
  // Before the export itself: it is of no use where its keys may not be had.
  if (!flags.keys.empty()) {
    status = ExportKeysTo(session, *tenant, position, flags.keys);
    if (!status.ok()) return status;
  }
  status = OfFile(writer.Finish());
  if (!status.ok()) return status;
  session.err() << "commits 1 to " << position << " in " << flags.file << '\n'
                << "history hash " << writer.history().text() << '\n';
  return absl::OkStatus();
}

}  // namespace

void AddHistoryExport(CLI::App& noun, Session& session) {
  CLI::App* verb =
      AddVerb(noun, "export", "write the stored commits to a file, for `retrace replay`",
              "retrace history export --until 2026-03-31 --file acme.retrace --keys acme.keys");
  auto flags = std::make_shared<ExportFlags>();
  verb->add_option("--until", flags->until, "last position, or time (now)")->option_text("MOMENT");
  verb->add_option("--file", flags->file, "where to write")->option_text("FILE")->required();
  verb->add_option("--keys", flags->keys,
                   "where to write the keys that open personal fields; mode 0600, needs the "
                   "permission history.export-keys")
      ->option_text("FILE");
  verb->callback([&session, flags] {
    session.Choose([&session, flags] { return RunExport(session, *flags); });
  });
}

}  // namespace retrace::cli
