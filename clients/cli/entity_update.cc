#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "clients/cli/app.h"
#include "clients/cli/entity_change.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/operation_start.h"
#include "clients/cpp/error_details.h"
#include "google/api/resource.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "retrace/v1/common.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

std::string MethodOf(const EntityNoun& entity, absl::string_view verb) {
  return absl::StrCat(entity.service, ".", verb, entity.title);
}

struct CreateFlags {
  std::string id;
  std::vector<std::string> settings;
  // Field and value of the flags that stand for one field each.
  std::vector<std::pair<std::string, std::shared_ptr<std::string>>> fields;
};

// A customer that a field refers to may be given by external id or number.
absl::Status ResolveReference(Session& session, const google::protobuf::Descriptor& type,
                              const std::string& field, std::string& value) {
  const auto* descriptor = type.FindFieldByName(field);
  if (descriptor == nullptr) return absl::OkStatus();
  const std::string& refers =
      descriptor->options().GetExtension(google::api::resource_reference).type();
  const bool by_key = absl::StartsWith(value, "ext:") || absl::StartsWith(value, "#");
  if (refers != "retrace.v1/Customer" || !by_key) return absl::OkStatus();
  absl::StatusOr<std::string> name = ResolveName(session, CustomerNoun(), value);
  if (name.ok()) value = *name;
  return name.status();
}

const google::protobuf::Descriptor& ResourceOf(const EntityNoun& entity) {
  const Exchange example = NewExchange(MethodOf(entity, "Get"));
  return *FieldOf(*example.response, entity.field)->message_type();
}

absl::Status RunCreate(Session& session, const EntityNoun& entity, const CreateFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& [field, value] : flags.fields) {
    if (!value->empty()) values.emplace_back(field, *value);
  }
  for (const std::string& setting : flags.settings) {
    absl::StatusOr<std::pair<std::string, std::string>> split = SplitSetting(setting);
    if (!split.ok()) return split.status();
    values.push_back(*std::move(split));
  }
  std::vector<std::string> paths;
  for (auto& [field, value] : values) {
    paths.push_back(field);
    absl::Status status = ResolveReference(session, ResourceOf(entity), field, value);
    if (!status.ok()) return status;
  }
  absl::StatusOr<ValueRules> rules = RulesFor(session, paths, entity);
  if (!rules.ok()) return rules.status();
  Exchange exchange = NewExchange(MethodOf(entity, "Create"));
  SetText(*exchange.request, "parent", *tenant);
  if (!flags.id.empty()) SetText(*exchange.request, "member_id", flags.id);
  Message& resource = *MutableSub(*exchange.request, entity.field);
  for (const auto& [field, value] : values) {
    if (absl::Status status = SetField(resource, field, value, *rules); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(field, ": ", status.message()));
    }
  }
  if (absl::Status status = session.Run(exchange); !status.ok()) return status;
  return PrintCommandReply(session, entity, *exchange.response);
}

struct UpdateFlags {
  std::string id;
  std::string etag;
  EntityChange change;
  PlanFlags plan;
  TargetFlags targets;
};

// The same change of many. What depends on the values that each has is no such change.
absl::Status UpdateTargets(Session& session, const EntityNoun& entity, const UpdateFlags& flags,
                           const ValueRules& rules) {
  if (!flags.etag.empty()) return absl::InvalidArgumentError("--etag is of one entity");
  if (flags.change.NeedsCurrent()) {
    return absl::InvalidArgumentError(
        "of many at once only whole fields are set or cleared: not single tags, attributes or "
        "parts of a field");
  }
  Exchange update = NewExchange(MethodOf(entity, "Update"));
  google::protobuf::FieldMask mask;
  Message& resource = *MutableSub(*update.request, entity.field);
  if (absl::Status status = flags.change.Apply(resource, rules, mask); !status.ok()) return status;
  MutableSub(*update.request, "update_mask")->CopyFrom(mask);
  return RunOnTargets(session, entity, *update.request, "", flags.targets, flags.plan);
}

absl::Status UpdateOne(Session& session, const EntityNoun& entity, const UpdateFlags& flags,
                       const ValueRules& rules) {
  const EntityChange& change = flags.change;
  absl::StatusOr<std::string> name = ResolveName(session, entity, flags.id);
  if (!name.ok()) return name.status();
  // What adds to or takes from a list replaces the list as it was read, guarded by the etag; read
  // again when somebody was faster.
  constexpr int kTries = 5;
  for (int tries = 1;; ++tries) {
    Exchange update = NewExchange(MethodOf(entity, "Update"));
    Message& resource = *MutableSub(*update.request, entity.field);
    auto& options = static_cast<v1::CommandOptions&>(*MutableSub(*update.request, "options"));
    options.set_etag(flags.etag);
    if (change.NeedsCurrent()) {
      Exchange get = NewExchange(MethodOf(entity, "Get"));
      SetText(*get.request, "name", *name);
      if (absl::Status status = session.Run(get); !status.ok()) return status;
      resource.CopyFrom(Sub(*get.response, entity.field));
      if (flags.etag.empty()) options.set_etag(GetText(resource, "etag"));
    }
    google::protobuf::FieldMask mask;
    if (absl::Status status = change.Apply(resource, rules, mask); !status.ok()) return status;
    SetText(resource, "name", *name);
    MutableSub(*update.request, "update_mask")->CopyFrom(mask);
    const absl::StatusOr<bool> done = RunCommand(session, update, flags.plan);
    if (done.ok()) return PrintCommandReply(session, entity, *update.response);
    const bool raced = change.NeedsCurrent() && flags.etag.empty() && tries < kTries &&
                       client::DetailsOf(done.status()).reason == "ETAG_MISMATCH";
    if (!raced) return done.status();
  }
}

absl::Status RunUpdate(Session& session, const EntityNoun& entity, UpdateFlags flags) {
  if (absl::Status status = CheckTargets(flags.id, flags.targets); !status.ok()) return status;
  for (std::string& setting : flags.change.set) {
    auto split = SplitSetting(setting);
    if (!split.ok()) return split.status();
    const absl::Status status =
        ResolveReference(session, ResourceOf(entity), split->first, split->second);
    if (!status.ok()) return status;
    setting = absl::StrCat(split->first, "=", split->second);
  }
  absl::StatusOr<ValueRules> rules = RulesFor(session, flags.change.Paths(), entity);
  if (!rules.ok()) return rules.status();
  return flags.targets.given() ? UpdateTargets(session, entity, flags, *rules)
                               : UpdateOne(session, entity, flags, *rules);
}

}  // namespace

absl::StatusOr<std::pair<std::string, std::string>> SplitSetting(const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == setting.npos || equals == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", setting, "` is not of the form FIELD=VALUE"));
  }
  return std::make_pair(setting.substr(0, equals), setting.substr(equals + 1));
}

absl::StatusOr<ValueRules> RulesFor(Session& session, const std::vector<std::string>& paths,
                                    const EntityNoun& entity) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  ValueRules rules{.tenant = *tenant};
  for (const std::string& path : paths) {
    const auto* field = ResourceOf(entity).FindFieldByName(MaskPath(path));
    if (field == nullptr) continue;
    if (field->message_type() == v1::Money::descriptor() && rules.currency.empty()) {
      absl::StatusOr<std::string> currency = session.TenantCurrency();
      if (!currency.ok()) return currency.status();
      rules.currency = *currency;
    }
    if (absl::EndsWith(field->name(), "_time")) {
      absl::StatusOr<absl::TimeZone> zone = session.TenantZone();
      if (!zone.ok()) return zone.status();
      rules.zone = *zone;
    }
  }
  return rules;
}

void AddCreateVerb(CLI::App& noun, Session& session, const EntityNoun& entity) {
  const bool is_member = entity.collection == "members";
  CLI::App* verb = AddVerb(noun, "create", absl::StrCat("create a ", entity.field),
                           absl::StrCat("retrace ", entity.collection, " create ",
                                        is_member ? "anna-snelling " : "", entity.example_set));
  auto flags = std::make_shared<CreateFlags>();
  if (is_member) {
    verb->add_option("id", flags->id, "its id: small letters, digits and -")
        ->required()
        ->option_text("ID");
  }
  const auto& type = ResourceOf(entity);
  for (const std::string& field : SettableFields(type)) {
    const auto* descriptor = type.FindFieldByName(field);
    // Maps and addresses have parts: --set names them.
    if (descriptor->is_map() || field == "addresses") continue;
    auto value = std::make_shared<std::string>();
    std::string names = absl::StrCat("--", absl::StrReplaceAll(field, {{"_", "-"}}));
    // `--email` for one, `--emails` for several: the same flag.
    if (descriptor->is_repeated()) absl::StrAppend(&names, ",", names.substr(0, names.size() - 1));
    verb->add_option(names, *value, descriptor->is_repeated() ? "several are separated by ;" : "")
        ->option_text(absl::EndsWith(field, "_time") ? "TIME" : "TEXT")
        ->group("Fields");
    flags->fields.emplace_back(field, value);
  }
  verb->add_option("--set", flags->settings,
                   "any field, e.g. addresses.locality=Berlin or attributes.sector=retail; may be "
                   "repeated")
      ->option_text("FIELD=VALUE")
      ->expected(1)
      ->take_all()
      ->group("Fields");
  verb->callback([&session, &entity, flags] {
    session.Choose([&session, &entity, flags] { return RunCreate(session, entity, *flags); });
  });
}

void AddUpdateVerb(CLI::App& noun, Session& session, const EntityNoun& entity) {
  const bool is_member = entity.collection == "members";
  const std::string command = absl::StrCat("retrace ", entity.collection, " update ");
  CLI::App* verb = AddVerb(
      noun, "update", absl::StrCat("change fields of a ", entity.field, ", or of many"),
      absl::StrCat(command,
                   is_member ? "anna-snelling --set team=West"
                             : "01jd8e6x2k --set external_id=A-17 --add-tag vip",
                   " --reason \"asked by phone\"\n  ", command, "--filter '", entity.example_filter,
                   "' --set ", is_member ? "team=West" : "owner=anna-snelling"));
  auto flags = std::make_shared<UpdateFlags>();
  EntityChange& change = flags->change;
  verb->add_option("id", flags->id, "id, full name, ext:EXTERNAL_ID or '#NUMBER'")
      ->option_text("ID");
  const auto repeated = [verb](const char* flag, std::vector<std::string>& values,
                               const char* about, const char* text) {
    verb->add_option(flag, values, absl::StrCat(about, "; may be repeated"))
        ->option_text(text)
        ->expected(1)
        ->take_all();
  };
  repeated("--set", change.set, "new value of a field", "FIELD=VALUE");
  repeated("--clear", change.clear, "empty a field, or one entry of attributes", "FIELD");
  if (!is_member) {
    repeated("--add-tag", change.add_tags, "add a label", "TAG");
    repeated("--remove-tag", change.remove_tags, "take a label off", "TAG");
    repeated("--attribute", change.attributes, "set one entry of attributes", "KEY=VALUE");
  }
  verb->add_option("--etag", flags->etag, "only if it still has this etag")->option_text("ETAG");
  AddPlanFlags(*verb, flags->plan);
  AddTargetFlags(*verb, flags->targets);
  verb->callback([&session, &entity, flags] {
    session.Choose([&session, &entity, flags] { return RunUpdate(session, entity, *flags); });
  });
}

}  // namespace retrace::cli
