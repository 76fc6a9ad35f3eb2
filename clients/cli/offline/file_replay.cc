#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/exit_codes.h"
#include "clients/cli/history_streams.h"
#include "clients/cli/moment.h"
#include "clients/cli/nouns.h"
#include "clients/cli/time_text.h"
#include "server/export_replay.h"
#include "server/status.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

struct FileReplayFlags {
  std::string file, keys, until;
  std::string get;
  server::ExportList list;
  int64_t limit = 50;
};

// Refusals read as the server's do; all else is about the file.
absl::Status Told(const absl::Status& status) {
  if (status.ok()) return status;
  if (!server::IsServerFault(status)) {
    return client::ToAbslStatus(server::ToGrpcStatus(status));
  }
  return FileError(std::string(status.message()));
}

absl::Status FillUntil(const FileReplayFlags& flags, v1::AsOf& until) {
  if (flags.until.empty()) return absl::OkStatus();
  // Without a server there is no tenant's zone.
  absl::StatusOr<Moment> moment = ParseMoment(
      flags.until, [] { return absl::StatusOr<absl::TimeZone>(absl::UTCTimeZone()); }, "--until");
  if (!moment.ok()) return moment.status();
  until = moment->as_of;
  return absl::OkStatus();
}

// As `retrace history digest` prints it.
absl::Status PrintDigest(Session& session, const server::ExportReplay& replay,
                         const OutputStyle& style) {
  const absl::StatusOr<server::ContentDigest> digest = replay.Digest();
  if (!digest.ok()) return Told(digest.status());
  v1::GetDigestResponse response;
  response.set_content_digest(server::ShowDigest(digest->digest));
  response.set_entity_count(digest->entities);
  response.mutable_answered()->set_position(static_cast<int64_t>(replay.position()));
  response.mutable_answered()->set_epoch(replay.epoch());
  *response.mutable_answered()->mutable_commit_time() = ToTimestamp(replay.commit_time());
  PrintMessage(response, style, session.out());
  return absl::OkStatus();
}

const EntityNoun* NounOf(const std::string& collection) {
  for (const EntityNoun* noun : {&CustomerNoun(), &RecordNoun(), &MemberNoun()}) {
    if (noun->collection == collection) return noun;
  }
  return nullptr;
}

absl::Status PrintList(Session& session, const server::ExportReplay& replay,
                       const FileReplayFlags& flags, const OutputStyle& style) {
  const EntityNoun* noun = NounOf(flags.list.collection);
  const Message* type = server::ExportReplay::TypeOf(flags.list.collection);
  if (type == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--list: there is no list of `", flags.list.collection, "`; e.g. customers, records"));
  }
  RowOutput rows(style, noun != nullptr ? noun->columns : AllColumns(*type->GetDescriptor()),
                 *type->GetDescriptor(), session.out());
  bool more = false;
  const absl::Status status = replay.List(flags.list, [&](const Message& entity) {
    more = rows.rows() >= flags.limit;
    if (!more) rows.Add(entity);
    return !more;
  });
  if (!status.ok()) return Told(status);
  rows.Finish();
  if (more) session.err() << "there are more: --limit N\n";
  return absl::OkStatus();
}

absl::Status RunFileReplay(Session& session, const FileReplayFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (!flags.get.empty() && !flags.list.collection.empty()) {
    return absl::InvalidArgumentError("--get or --list, not both");
  }
  server::ExportReplayOptions options{.file = flags.file, .key_file = flags.keys};
  if (absl::Status s = FillUntil(flags, options.until); !s.ok()) return s;
  if (const char* temporary = std::getenv("TMPDIR"); temporary != nullptr && *temporary != '\0') {
    options.scratch = temporary;
  }
  options.remove_when_killed = true;
  const auto replay = server::ExportReplay::Open(options);
  if (!replay.ok()) return Told(replay.status());
  session.err() << "tenant " << (*replay)->header().tenant() << ", commits 1 to "
                << (*replay)->header().position() << ", asked at position " << (*replay)->position()
                << '\n'
                << "history hash " << server::ShowDigest((*replay)->history_hash()) << '\n';
  if (const int64_t left_out = (*replay)->left_out(); left_out > 0) {
    session.err() << "left out as purged since: " << left_out
                  << (left_out == 1 ? " entity\n" : " entities\n");
  }
  if (!flags.list.collection.empty()) return PrintList(session, **replay, flags, *style);
  if (flags.get.empty()) return PrintDigest(session, **replay, *style);
  const absl::StatusOr<std::unique_ptr<Message>> entity = (*replay)->Get(flags.get);
  if (!entity.ok()) return Told(entity.status());
  PrintMessage(**entity, *style, session.out());
  return absl::OkStatus();
}

}  // namespace

void AddFileReplay(CLI::App& noun, Session& session) {
  noun.footer(
      "Reads the whole file, checks it, and rebuilds the rows; prints their digest, which equals "
      "that of `retrace history digest --as-of` at the same position. What was purged until the "
      "file was made is left out, as on the server; after a later purge the server tells another "
      "digest, and a new export has it, too.\n\n"
      "Example:\n  retrace replay acme.retrace --keys acme.keys --until 812\n"
      "  retrace replay acme.retrace --keys acme.keys --list customers --filter 'level = "
      "\"gold\"'\n"
      "  retrace replay acme.retrace --keys acme.keys --get customers/01jd8e6x2k");
  auto flags = std::make_shared<FileReplayFlags>();
  noun.add_option("file", flags->file, "as `retrace history export` wrote it")
      ->option_text("FILE")
      ->required();
  noun.add_option("--keys", flags->keys, "the file with the keys that open personal fields")
      ->option_text("FILE");
  noun.add_option("--until", flags->until, "position, or time (the file's end)")
      ->option_text("MOMENT");
  noun.add_option("--get", flags->get, "show one entity, e.g. customers/ID")->option_text("NAME");
  noun.add_option("--list", flags->list.collection, "list a collection, e.g. customers")
      ->option_text("KIND");
  noun.add_option("--filter", flags->list.filter, "AIP-160 filter of the list")
      ->option_text("FILTER");
  noun.add_option("--order-by", flags->list.order_by, "field, or field desc")->option_text("ORDER");
  noun.add_option("--query", flags->list.query, "words to search for")->option_text("WORDS");
  noun.add_option("--limit", flags->limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
  noun.add_flag("--show-inactive", flags->list.show_inactive, "inactive ones, too");
  noun.add_flag("--show-deleted", flags->list.show_deleted, "deleted ones, too");
  noun.callback([&session, flags] {
    session.Choose([&session, flags] { return RunFileReplay(session, *flags); });
  });
}

}  // namespace retrace::cli
