#include "clients/cli/import/importer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "clients/cpp/error_details.h"

namespace retrace::cli {
namespace {

// True for a refusal that other rows need not share. Everything else stops the import.
bool IsAboutRows(const absl::Status& status) {
  if (!client::IsFromServer(status)) return false;
  const std::string reason = client::DetailsOf(status).reason;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return true;
    case absl::StatusCode::kNotFound:
      return reason != "TENANT_NOT_FOUND";
    case absl::StatusCode::kFailedPrecondition:
      return reason != "CHANGE_SET_CLOSED" && reason != "EPOCH_CHANGED" && reason != "CLOCK_JUMPED";
    case absl::StatusCode::kResourceExhausted:
      // A message that gRPC found too large has no reason: halves may fit.
      return reason.empty();
    default:
      return false;
  }
}

// Of one row's refusal; where it stood in the batch says nothing to the reader of the file.
std::string ReasonText(const absl::Status& status) {
  const client::ErrorDetails details = client::DetailsOf(status);
  std::string text(status.message());
  if (const size_t place = text.find("]: "); text.starts_with("requests[") && place != text.npos) {
    text.erase(0, place + 3);
  }
  for (const auto& field : details.fields) {
    if (absl::StrContains(text, field.description)) continue;
    absl::StrAppend(&text, "; ", field.field, ": ", field.description);
  }
  if (!details.resource_name.empty() && !absl::StrContains(text, details.resource_name)) {
    absl::StrAppend(&text, "; see ", details.resource_name);
  }
  return text;
}

}  // namespace

Importer::Importer(Session& session, ImportTarget& target, ImporterOptions options)
    : session_(session),
      target_(target),
      options_(std::move(options)),
      change_set_(session, options_.title) {}

absl::Status Importer::Run(const Source& source, const std::function<void()>& on_progress) {
  absl::Status stopped;
  std::vector<ImportRow> batch;
  const auto flush = [&] {
    std::vector<ImportRow> rows = std::exchange(batch, {});
    if (stopped.ok()) {
      stopped = RunBatch(std::move(rows));
    } else {
      for (const ImportRow& row : rows) {
        Reject(row, absl::StrCat("not reached: the import stopped: ", stopped.message()));
      }
    }
    on_progress();
  };
  constexpr size_t kRead = 200;
  while (std::optional<ImportRow> row = source()) {
    batch.push_back(*std::move(row));
    if (batch.size() == kRead) flush();
  }
  flush();
  const absl::Status ended = change_set_.End();
  return stopped.ok() ? ended : stopped;
}

void Importer::Reject(const ImportRow& row, const std::string& reason) {
  report_.Add(row.line, row.key, RowResult::kRejected, row.fault.empty() ? reason : row.fault);
}

void Importer::NameAnonymous(ImportRow& row) {
  if (!row.key.empty()) return;
  const int times = ++anonymous_[row.hash];
  row.key = absl::StrCat("import:", row.hash, times == 1 ? "" : absl::StrCat(":", times));
}

bool Importer::IsRepeat(const ImportRow& row) {
  const auto [entry, fresh] = seen_.try_emplace(row.key, row.line, row.hash);
  if (fresh) return false;
  const auto& [line, hash] = entry->second;
  if (hash == row.hash) {
    report_.Add(row.line, row.key, RowResult::kSkipped, absl::StrCat("the same as line ", line));
  } else {
    Reject(row, absl::StrCat("the id is on line ", line, " already, with other values"));
  }
  return true;
}

absl::Status Importer::RunBatch(std::vector<ImportRow> rows) {
  // Whatever happens on the way, a row that has no result at the end gets one.
  absl::Status status = target_.Complete(rows);
  std::vector<ImportRow*> fresh;
  std::vector<std::string> keys;
  for (ImportRow& row : rows) {
    if (!status.ok() || !row.fault.empty()) {
      Reject(row, absl::StrCat("the import stopped: ", status.message()));
      continue;
    }
    NameAnonymous(row);
    if (IsRepeat(row)) continue;
    keys.push_back(row.key);
    fresh.push_back(&row);
  }
  if (!status.ok() || fresh.empty()) return status;
  absl::StatusOr<std::map<std::string, ImportTarget::Found>> found = target_.Find(keys);
  status = found.status();
  std::vector<const ImportRow*> creates;
  for (ImportRow* row : fresh) {
    if (!status.ok()) {
      Reject(*row, absl::StrCat("the import stopped: ", status.message()));
      continue;
    }
    const auto entity = found->find(row->key);
    const bool anew =
        entity == found->end() || (entity->second.deleted && options_.recreate_deleted);
    if (anew) {
      creates.push_back(row);
    } else {
      status = Settle(*row, entity->second);
    }
  }
  for (size_t begin = 0; begin < creates.size(); begin += target_.batch_rows()) {
    const size_t end = std::min(creates.size(), begin + target_.batch_rows());
    const std::vector<const ImportRow*> part(creates.begin() + begin, creates.begin() + end);
    if (status.ok()) {
      status = Create(part);
    } else {
      for (const ImportRow* row : part) {
        Reject(*row, absl::StrCat("the import stopped: ", status.message()));
      }
    }
  }
  return status;
}

absl::Status Importer::Settle(ImportRow& row, const ImportTarget::Found& found) {
  const std::string name = GetText(*found.entity, "name");
  if (found.deleted) {
    report_.Add(row.line, row.key, RowResult::kSkipped,
                absl::StrCat(name,
                             " lies in the recycle bin; undelete it, or say "
                             "--recreate-deleted"));
    return absl::OkStatus();
  }
  if (found.hash == row.hash) {
    report_.Add(row.line, row.key, RowResult::kUnchanged, row.note);
    return absl::OkStatus();
  }
  switch (options_.on_existing) {
    case OnExisting::kSkip:
      report_.Add(row.line, row.key, RowResult::kSkipped,
                  absl::StrCat(name,
                               " exists with other values; --on-existing update writes "
                               "these over them"));
      return absl::OkStatus();
    case OnExisting::kError:
      Reject(row, absl::StrCat(name, " exists with other values"));
      return absl::OkStatus();
    case OnExisting::kUpdate:
      break;
  }
  absl::Status status;
  if (!options_.dry_run) {
    status = Send([&](int64_t change_set) { return target_.Update(row, found, change_set); });
  }
  if (status.ok()) {
    report_.Add(row.line, row.key, RowResult::kUpdated, row.note);
    return absl::OkStatus();
  }
  Reject(row, ReasonText(status));
  return IsAboutRows(status) ? absl::OkStatus() : status;
}

absl::Status Importer::Create(const std::vector<const ImportRow*>& rows) {
  absl::Status status;
  if (!options_.dry_run) {
    status = Send([&](int64_t change_set) { return target_.Create(rows, change_set); });
  }
  if (status.ok()) {
    for (const ImportRow* row : rows) {
      report_.Add(row->line, row->key, RowResult::kCreated, row->note);
    }
    return absl::OkStatus();
  }
  if (!IsAboutRows(status)) {
    for (const ImportRow* row : rows) {
      Reject(*row, absl::StrCat("the import stopped: ", ReasonText(status)));
    }
    return status;
  }
  if (rows.size() == 1) {
    Reject(*rows.front(), ReasonText(status));
    return absl::OkStatus();
  }
  const auto middle = rows.begin() + static_cast<ptrdiff_t>(rows.size() / 2);
  status = Create({rows.begin(), middle});
  if (status.ok()) return Create({middle, rows.end()});
  for (auto row = middle; row != rows.end(); ++row) {
    Reject(**row, absl::StrCat("the import stopped: ", status.message()));
  }
  return status;
}

absl::Status Importer::Send(const std::function<absl::Status(int64_t change_set)>& send) {
  constexpr int kPatience = 60;
  for (int waits = 0;; ++waits) {
    absl::StatusOr<int64_t> change_set = change_set_.Number();
    if (!change_set.ok()) return change_set.status();
    const absl::Status status = send(*change_set);
    const client::ErrorDetails details = client::DetailsOf(status);
    if (details.reason == "CHANGE_SET_CLOSED" && change_set_.Replace()) continue;
    // An import has time: it comes back when the server says that it may.
    if (details.reason != "QUEUE_FULL" || waits >= kPatience) return status;
    absl::SleepFor(std::clamp(details.retry_after.value_or(absl::Seconds(1)),
                              absl::Milliseconds(50), absl::Seconds(10)));
  }
}

}  // namespace retrace::cli
