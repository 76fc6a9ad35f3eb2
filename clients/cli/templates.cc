#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "clients/cli/app.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/field_values.h"
#include "clients/cli/import/csv_reader.h"
#include "clients/cli/listing.h"
#include "clients/cli/nouns.h"
#include "retrace/v1/templates.pb.h"

namespace retrace::cli {
namespace {

// The texts of a template, from flags and files.
struct TextFlags {
  std::string subject, text, text_file, html, html_file;
  bool no_html = false;
  // What was said of each, be it empty.
  std::vector<const CLI::Option*> subject_options, text_options, html_options;

  bool gives_subject() const { return Given(subject_options); }
  bool gives_text() const { return Given(text_options); }
  bool gives_html() const { return no_html || Given(html_options); }

 private:
  static bool Given(const std::vector<const CLI::Option*>& options) {
    return std::any_of(options.begin(), options.end(),
                       [](const CLI::Option* option) { return option->count() > 0; });
  }
};

struct TemplateFlags {
  std::string id, kind, language, notification, etag;
  TextFlags texts;
  bool built_in = false;
  bool correction = false;
  bool as_html = false;
  int64_t count = 0;
};

void AddTextFlags(CLI::App& verb, TextFlags& flags) {
  const auto add = [&verb](const char* name, std::string& value, const char* what,
                           const char* operand) {
    return verb.add_option(name, value, what)->option_text(operand)->group("Texts");
  };
  flags.subject_options = {add("--subject", flags.subject, "one line", "TEXT")};
  CLI::Option* text = add("--text", flags.text, "the message as plain text", "TEXT");
  CLI::Option* text_file = add("--text-file", flags.text_file, "the same from a file", "FILE");
  text_file->excludes(text);
  flags.text_options = {text, text_file};
  CLI::Option* html = add("--html", flags.html, "the message as HTML", "TEXT");
  CLI::Option* html_file = add("--html-file", flags.html_file, "the same from a file", "FILE");
  html_file->excludes(html);
  flags.html_options = {html, html_file};
}

// What flags and files say, into what the request calls subject, text and html.
template <typename Texts>
absl::Status FillTexts(const TextFlags& flags, Texts& texts) {
  if (!flags.subject.empty()) texts.set_subject(flags.subject);
  if (!flags.text.empty()) texts.set_text(flags.text);
  if (!flags.html.empty()) texts.set_html(flags.html);
  if (!flags.text_file.empty()) {
    absl::StatusOr<std::string> content = ReadFile(flags.text_file);
    if (!content.ok()) return content.status();
    texts.set_text(*std::move(content));
  }
  if (!flags.html_file.empty()) {
    absl::StatusOr<std::string> content = ReadFile(flags.html_file);
    if (!content.ok()) return content.status();
    texts.set_html(*std::move(content));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::DescribeTemplatesResponse> Describe(Session& session, const std::string& kind) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::DescribeTemplatesRequest request;
  request.set_parent(*tenant);
  request.set_kind(kind);
  return session.Ask<v1::DescribeTemplatesResponse>("Templates.DescribeTemplates", request);
}

// The shipped text of the kind in the language, or in English.
absl::StatusOr<v1::Template> BuiltIn(Session& session, const std::string& kind,
                                     const std::string& language) {
  const auto reply = Describe(session, kind);
  if (!reply.ok()) return reply.status();
  v1::Template found;
  for (const v1::Template& each : reply->built_in()) {
    const bool chinese = absl::StartsWithIgnoreCase(language, "zh");
    if (each.language() == (chinese ? "zh" : "en")) found = each;
  }
  return found;
}

absl::Status RunCreate(Session& session, const TemplateFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  Exchange exchange = NewExchange("Templates.CreateTemplate");
  auto& request = static_cast<v1::CreateTemplateRequest&>(*exchange.request);
  request.set_parent(*tenant);
  if (flags.built_in) {
    absl::StatusOr<v1::Template> shipped = BuiltIn(session, flags.kind, flags.language);
    if (!shipped.ok()) return shipped.status();
    *request.mutable_template_() = *std::move(shipped);
  }
  request.mutable_template_()->set_kind(flags.kind);
  request.mutable_template_()->set_language(flags.language);
  if (absl::Status status = FillTexts(flags.texts, *request.mutable_template_()); !status.ok()) {
    return status;
  }
  if (absl::Status status = session.Run(exchange); !status.ok()) return status;
  return PrintCommandReply(session, TemplateNoun(), *exchange.response);
}

absl::Status RunUpdate(Session& session, const TemplateFlags& flags) {
  const TextFlags& texts = flags.texts;
  if (!texts.gives_subject() && !texts.gives_text() && !texts.gives_html()) {
    return absl::InvalidArgumentError("change what? Say --subject, --text, --html or --no-html");
  }
  absl::StatusOr<std::string> name = ResolveName(session, TemplateNoun(), flags.id);
  if (!name.ok()) return name.status();
  Exchange exchange = NewExchange("Templates.UpdateTemplate");
  auto& request = static_cast<v1::UpdateTemplateRequest&>(*exchange.request);
  v1::Template& changed = *request.mutable_template_();
  changed.set_name(*std::move(name));
  request.mutable_options()->set_etag(flags.etag);
  if (absl::Status status = FillTexts(texts, changed); !status.ok()) return status;
  if (texts.gives_subject()) request.mutable_update_mask()->add_paths("subject");
  if (texts.gives_text()) request.mutable_update_mask()->add_paths("text");
  if (texts.gives_html()) request.mutable_update_mask()->add_paths("html");
  if (absl::Status status = session.Run(exchange); !status.ok()) return status;
  return PrintCommandReply(session, TemplateNoun(), *exchange.response);
}

absl::Status RunPreview(Session& session, const TemplateFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::PreviewTemplateRequest request;
  request.set_parent(*tenant);
  if (!flags.id.empty()) {
    absl::StatusOr<std::string> name = ResolveName(session, TemplateNoun(), flags.id);
    if (!name.ok()) return name.status();
    request.set_name(*std::move(name));
  }
  request.set_kind(flags.kind);
  request.set_language(flags.language);
  if (absl::Status status = FillTexts(flags.texts, request); !status.ok()) return status;
  if (!flags.notification.empty()) {
    request.set_notification(FullName(*tenant, "notifications", flags.notification));
  }
  request.set_count(flags.count);
  request.set_correction(flags.correction);
  const auto reply = session.Ask<v1::PreviewTemplateResponse>("Templates.PreviewTemplate", request);
  if (!reply.ok()) return reply.status();
  if (style->format != OutputFormat::kTable) {
    PrintMessage(*reply, *style, session.out());
  } else if (flags.as_html) {
    session.out() << reply->html();
  } else {
    session.out() << reply->subject() << "\n\n" << reply->text();
    if (!absl::EndsWith(reply->text(), "\n")) session.out() << '\n';
  }
  for (const std::string& warning : reply->warnings()) session.err() << warning << '\n';
  if (reply->faults().empty()) return absl::OkStatus();
  for (const v1::TemplateFault& fault : reply->faults()) {
    if (!fault.field().empty()) {
      session.err() << fault.field() << ", line " << fault.line() << ", column " << fault.column()
                    << ": ";
    }
    session.err() << fault.problem() << '\n';
  }
  return PartialError("the template cannot be used: this is the shipped text, sent instead");
}

absl::Status RunBuiltIn(Session& session, const TemplateFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<v1::Template> shipped = BuiltIn(session, flags.kind, flags.language);
  if (!shipped.ok()) return shipped.status();
  if (style->format != OutputFormat::kTable) {
    PrintMessage(*shipped, *style, session.out());
  } else if (flags.as_html) {
    session.out() << shipped->html();
  } else {
    session.out() << shipped->subject() << "\n\n" << shipped->text();
  }
  return absl::OkStatus();
}

absl::Status RunKinds(Session& session, const TemplateFlags&) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const auto reply = Describe(session, "");
  if (!reply.ok()) return reply.status();
  RowOutput rows(
      *style,
      {{"KIND", "name"}, {"ALWAYS SENT", "transactional"}, {"WHAT IT TELLS", "description"}},
      *v1::DescribeTemplatesResponse::Kind::descriptor(), session.out());
  for (const auto& kind : reply->kinds()) rows.Add(kind);
  rows.Finish();
  return absl::OkStatus();
}

absl::Status RunNames(Session& session, const TemplateFlags&) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const auto reply = Describe(session, "");
  if (!reply.ok()) return reply.status();
  RowOutput rows(*style, {{"NAME", "name"}, {"USE", "use"}, {"MEANING", "meaning"}},
                 *v1::DescribeTemplatesResponse::Name::descriptor(), session.out());
  for (const auto& name : reply->names()) rows.Add(name);
  rows.Finish();
  return absl::OkStatus();
}

void AddChanging(CLI::App& noun, Session& session) {
  CLI::App* create = AddVerb(
      noun, "create", "word a kind of notification in a language",
      "retrace templates create customers.deleted zh --built-in --subject \"客户已删除\"\n  "
      "retrace templates create customers.deleted de --subject \"{{count}} Kunden sind weg\" "
      "--text-file weg.txt");
  auto flags = BeginVerb(create, session, RunCreate);
  create->add_option("kind", flags->kind, "e.g. customers.deleted; `kinds` lists them")
      ->required()
      ->option_text("KIND");
  create->add_option("language", flags->language, "e.g. zh or zh-CN")
      ->required()
      ->option_text("LANGUAGE");
  create->add_flag("--built-in", flags->built_in, "begin with the shipped text");
  AddTextFlags(*create, flags->texts);
  CLI::App* update = AddVerb(
      noun, "update", "change its texts",
      "retrace templates update customers-deleted-zh --html-file mail.html\n  "
      "retrace templates update customers-deleted-zh --no-html --reason \"plain is nicer\"");
  flags = BeginVerb(update, session, RunUpdate);
  update->add_option("id", flags->id, "id or full name")->required()->option_text("ID");
  AddTextFlags(*update, flags->texts);
  update->add_flag("--no-html", flags->texts.no_html, "the text as paragraphs")->group("Texts");
  update->add_option("--etag", flags->etag, "only if it still has this etag")->option_text("ETAG");
}

void AddPreview(CLI::App& noun, Session& session) {
  CLI::App* preview = AddVerb(
      noun, "preview", "what a recipient would read, and what is wrong with a template",
      "retrace templates preview customers-deleted-zh --count 12\n  "
      "retrace templates preview --kind customers.deleted --language zh --subject \"{{titel}}\"\n  "
      "retrace templates preview --kind customers.deleted --text-file new.txt --notification "
      "01jd8e6x2k");
  auto flags = BeginVerb(preview, session, RunPreview);
  preview->add_option("id", flags->id, "a stored one: id or full name")->option_text("[ID]");
  preview->add_option("--kind", flags->kind, "of a draft, or of what is sent today")
      ->option_text("KIND");
  preview->add_option("--language", flags->language, "the same (en)")->option_text("LANGUAGE");
  AddTextFlags(*preview, flags->texts);
  preview->add_option("--notification", flags->notification, "with the values of this one")
      ->option_text("ID");
  preview->add_option("--count", flags->count, "with made-up values: how many entities (1)")
      ->option_text("N")
      ->check(AtLeastOne());
  preview->add_flag("--correction", flags->correction, "with made-up values: as a correction");
  preview->add_flag("--as-html", flags->as_html, "print the HTML");
}

}  // namespace

const EntityNoun& TemplateNoun() {
  static const auto* const kNoun = new EntityNoun{.collection = "templates",
                                                  .title = "Template",
                                                  .field = "template",
                                                  .service = "Templates",
                                                  .columns = {{"ID", "name"},
                                                              {"KIND", "kind"},
                                                              {"LANGUAGE", "language"},
                                                              {"SUBJECT", "subject"},
                                                              {"CHANGED", "update_time"},
                                                              {"STATE", "state"}},
                                                  .example_set = "",
                                                  .example_filter = "language = \"zh\"",
                                                  .example_id = "customers-deleted-zh"};
  return *kNoun;
}

void AddTemplateVerbs(CLI::App& noun, Session& session) {
  AddReadingVerbs(noun, session, TemplateNoun());
  AddChanging(noun, session);
  AddKeepingVerbs(noun, session, TemplateNoun());
  AddPreview(noun, session);
  CLI::App* built_in = AddVerb(noun, "built-in", "the text that Retrace ships, to begin with",
                               "retrace templates built-in customers.deleted --language zh");
  auto flags = BeginVerb(built_in, session, RunBuiltIn);
  built_in->add_option("kind", flags->kind, "e.g. customers.deleted")
      ->required()
      ->option_text("KIND");
  built_in->add_option("--language", flags->language, "en or zh (en)")->option_text("LANGUAGE");
  built_in->add_flag("--as-html", flags->as_html, "print the HTML");
  BeginVerb(AddVerb(noun, "kinds", "the kinds of notifications", "retrace templates kinds"),
            session, RunKinds);
  BeginVerb(AddVerb(noun, "names", "what a template can name", "retrace templates names"), session,
            RunNames);
}

}  // namespace retrace::cli
