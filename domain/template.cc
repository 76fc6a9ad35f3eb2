#include "domain/template.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "domain/commands.h"
#include "domain/lifecycle.h"
#include "domain/normalise.h"
#include "domain/notification_kinds.h"
#include "domain/phone.h"
#include "domain/resource.h"
#include "domain/standard.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"
#include "retrace/store/v1/templates.pb.h"

namespace retrace::domain {
namespace {

constexpr uint8_t kKeyIndex = 1;
constexpr int kMostIds = 100;
// Of one key: the one that is live, and those in the bin.
constexpr size_t kMostHits = 1000;

std::string KeyOf(std::string_view kind, std::string_view language) {
  std::string key = fmt::format("{}/{}", kind, absl::AsciiStrToLower(std::string(language)));
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

absl::Status Broken(const std::vector<FieldFault>& faults) {
  const FieldFault& first = faults.front();
  Refusal refusal(
      v1::TEMPLATE_BROKEN,
      fmt::format("The template cannot be used: {}, line {}, column {}: {}", first.field,
                  first.fault.line, first.fault.column, first.fault.problem));
  std::move(refusal)
      .With("field", first.field)
      .With("line", fmt::format("{}", first.fault.line))
      .With("column", fmt::format("{}", first.fault.column));
  if (!first.fault.nearest.empty()) {
    std::move(refusal).With("nearest", first.fault.nearest);
  }
  for (const FieldFault& each : faults) {
    std::move(refusal).Field(fmt::format("template.{}", each.field),
                             fmt::format("Line {}, column {}: {}", each.fault.line,
                                         each.fault.column, each.fault.problem));
  }
  return std::move(refusal).Next("`retrace templates names` lists what a template can name.");
}

// Checks the texts that `wanted(field)` names.
template <typename Wanted>
absl::Status CheckTexts(const v1::Template& given, Wanted wanted) {
  std::vector<FieldFault> faults = FaultsOf(given.subject(), given.text(), given.html());
  std::erase_if(faults, [&](const FieldFault& fault) { return !wanted(fault.field); });
  return faults.empty() ? absl::OkStatus() : Broken(faults);
}

absl::Status CheckTemplate(const EntityRef& entity, const Row* before, const Row& after,
                           const View& view, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckMove(entity, before, after, context));
  if (!after.live() || (before != nullptr && before->live())) {
    return absl::OkStatus();
  }
  const auto& held = after.As<v1::Template>();
  const std::string& key = held.key();
  RETRACE_ASSIGN(const std::vector<IndexHit> hits,
                 view.Find({KindNumber::kTemplate, kKeyIndex, key, key + '\0'}, kMostHits));
  const auto holder = std::find_if(hits.begin(), hits.end(), [&entity](const IndexHit& hit) {
    return hit.mark == Mark::kLive && hit.id != entity.id;
  });
  if (holder == hits.end()) {
    return absl::OkStatus();
  }
  const std::string name = NameOf(context.header.tenant, {KindNumber::kTemplate, holder->id});
  return Refusal(v1::KEY_TAKEN, fmt::format("{} has a template in the language {} already, `{}`.",
                                            held.kind(), held.language(), name))
      .With("key", "templates.key")
      .With("value", key)
      .With("holder", name)
      .About("template", name)
      .Next("Update that one, or delete it first.");
}

void ContributeTemplate(const Row& /*row*/, std::vector<Contribution>& contributions) {
  contributions.emplace_back();
}

// The live template with a key from `lower` to below `upper`, when there is exactly one.
absl::StatusOr<Found> FindOnly(const std::string& lower, const std::string& upper,
                               const View& view) {
  RETRACE_ASSIGN(std::vector<IndexHit> hits,
                 view.Find({KindNumber::kTemplate, kKeyIndex, lower, upper}, kMostHits));
  std::erase_if(hits, [](const IndexHit& hit) { return hit.mark != Mark::kLive; });
  if (hits.size() != 1) {
    return Found{};
  }
  Found found{{KindNumber::kTemplate, hits.front().id}, nullptr};
  RETRACE_ASSIGN(found.row, view.Get(found.entity));
  return found;
}

// `customers-deleted-zh`, or with a number behind it when that was used before.
absl::StatusOr<EntityRef> NewTemplateRef(const std::string& key, const View& view) {
  std::string base = key;
  std::replace_if(
      base.begin(), base.end(), [](char c) { return c == '.' || c == '/' || c == '_'; }, '-');
  for (int number = 1; number <= kMostIds; ++number) {
    EntityRef entity{KindNumber::kTemplate,
                     number == 1 ? base : fmt::format("{}-{}", base, number)};
    if (!IsChosenId(entity.id)) {
      break;
    }
    RETRACE_ASSIGN(const RowPtr row, view.Get(entity));
    if (row == nullptr) {
      return entity;
    }
  }
  return Refusal(v1::LIMIT_REACHED, fmt::format("There were {} templates of {}.", kMostIds, key))
      .With("limit", fmt::format("{}", kMostIds))
      .Next("Undelete one of them and update it.");
}

absl::Status CheckGiven(const v1::Template& given) {
  FieldFaults faults("template");
  if (FindNotificationKind(given.kind()) == nullptr) {
    faults.Add("kind", fmt::format("There is no kind of notification {}; `retrace templates kinds` "
                                   "lists them.",
                                   QuotedExcerpt(given.kind())));
  }
  if (!IsLanguage(given.language())) {
    faults.Add("language", "Is no language of BCP 47; it looks like zh-CN.");
  }
  if (IsBlank(given.subject())) {
    faults.Add("subject", "A template needs a subject that is not blank.");
  }
  if (IsBlank(given.text())) {
    faults.Add("text", "A template needs a text that is not blank.");
  }
  return faults.ToStatus();
}

}  // namespace

Kind TemplatesKind() {
  Kind kind;
  kind.number = KindNumber::kTemplate;
  kind.singular = "template";
  kind.collection = "templates";
  kind.resource = &v1::Template::default_instance();
  kind.events = {&store::v1::TemplateCreated::default_instance(),
                 &store::v1::TemplateUpdated::default_instance()};
  kind.indexes = {{.number = kKeyIndex,
                   .name = "key",
                   .fields = {"key"},
                   .normaliser = Normaliser::kExact,
                   .orders = true}};
  kind.content = true;
  kind.apply = ApplyResourceEvent;
  kind.check = CheckTemplate;
  kind.contribute = ContributeTemplate;
  return kind;
}

absl::StatusOr<Found> FindTemplate(std::string_view kind, std::string_view language,
                                   const View& view) {
  const std::string key = KeyOf(kind, language);
  return FindOnly(key, key + '\0', view);
}

absl::StatusOr<Found> FindOnlyVariant(std::string_view kind, std::string_view primary,
                                      const View& view) {
  const std::string key = KeyOf(kind, primary);
  return FindOnly(key + '-', key + static_cast<char>('-' + 1), view);
}

std::vector<FieldFault> FaultsOf(std::string_view subject, std::string_view text,
                                 std::string_view html) {
  std::vector<FieldFault> faults;
  for (const auto& [field, given, form] : {std::tuple("subject", subject, TemplateForm::kSubject),
                                           {"text", text, TemplateForm::kText},
                                           {"html", html, TemplateForm::kHtml}}) {
    const TemplateText read(given, form);
    if (read.fault()) {
      faults.push_back({field, *read.fault()});
    }
  }
  return faults;
}

bool MayBeEmpty(std::string_view subject) {
  TemplateValues known;
  known.texts = {{"count", "0"}, {"kind", "any"}, {"tenant", "any"}, {"time", "any"}};
  const auto shown = TemplateText(subject, TemplateForm::kSubject).Render(known, kMostSubjectBytes);
  return shown.has_value() && shown->empty();
}

absl::Status Decide(const v1::CreateTemplateRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  v1::Template given = request.template_();
  ClearOutputOnly(given);
  Trim(*given.mutable_kind());
  Trim(*given.mutable_language());
  RETRACE_RETURN_IF_ERROR(CheckGiven(given));
  RETRACE_RETURN_IF_ERROR(CheckTexts(given, [](std::string_view) { return true; }));
  if (MayBeEmpty(given.subject())) {
    draft.Note(std::string(kMayBeEmpty));
  }
  given.set_key(KeyOf(given.kind(), given.language()));
  RETRACE_ASSIGN(const EntityRef entity, NewTemplateRef(given.key(), draft));
  return CreateEntity<store::v1::TemplateCreated>(entity, std::move(given), draft);
}

absl::Status Decide(const v1::UpdateTemplateRequest& request, Draft& draft,
                    const Context& context) {
  return UpdateEntity<store::v1::TemplateUpdated>(
      KindNumber::kTemplate, request.template_(), request.update_mask(), request.options(), draft,
      context, [&draft](const v1::Template&, v1::Template& after, std::vector<std::string>& paths) {
        FieldFaults faults("template");
        if (IsBlank(after.subject())) {
          faults.Add("subject", "A template needs a subject that is not blank.");
        }
        if (IsBlank(after.text())) {
          faults.Add("text", "A template needs a text that is not blank.");
        }
        RETRACE_RETURN_IF_ERROR(faults.ToStatus());
        if (Names(paths, "subject") && MayBeEmpty(after.subject())) {
          draft.Note(std::string(kMayBeEmpty));
        }
        return CheckTexts(after, [&](std::string_view field) { return Names(paths, field); });
      });
}

absl::Status Decide(const v1::DeleteTemplateRequest& request, Draft& draft,
                    const Context& context) {
  return DecideDelete(KindNumber::kTemplate, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::UndeleteTemplateRequest& request, Draft& draft,
                    const Context& context) {
  return DecideUndelete(KindNumber::kTemplate, request.name(), request.options(), draft, context);
}

}  // namespace retrace::domain
