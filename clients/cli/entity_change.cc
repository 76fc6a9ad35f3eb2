#include "clients/cli/entity_change.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/reflection.h"

namespace retrace::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// True for a path below a list or map, whose other parts stay.
bool IsPart(absl::string_view path) { return absl::StrContains(path, '.'); }

absl::Status Clear(Message& resource, const std::string& path) {
  const FieldDescriptor* field = FieldOf(resource, MaskPath(path));
  if (field == nullptr || IsOutputOnly(*field)) {
    return absl::InvalidArgumentError(absl::StrCat("--clear: there is no field `", path, "`"));
  }
  if (!IsPart(path)) {
    resource.GetReflection()->ClearField(&resource, field);
    return absl::OkStatus();
  }
  if (!field->is_map()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--clear: only fields and entries of attributes can be cleared, not `", path,
                     "`; --set ", path, "= empties it"));
  }
  const std::string key = path.substr(path.find('.') + 1);
  const auto* reflection = resource.GetReflection();
  for (int i = reflection->FieldSize(resource, field) - 1; i >= 0; --i) {
    if (GetText(reflection->GetRepeatedMessage(resource, field, i), "key") != key) continue;
    reflection->SwapElements(&resource, field, i, reflection->FieldSize(resource, field) - 1);
    reflection->RemoveLast(&resource, field);
  }
  return absl::OkStatus();
}

std::vector<std::string> Tags(const Message& resource) {
  const FieldDescriptor* field = FieldOf(resource, "tags");
  std::vector<std::string> tags;
  for (int i = 0; i < resource.GetReflection()->FieldSize(resource, field); ++i) {
    tags.push_back(resource.GetReflection()->GetRepeatedString(resource, field, i));
  }
  return tags;
}

void ChangeTags(Message& resource, const std::vector<std::string>& add,
                const std::vector<std::string>& remove) {
  std::vector<std::string> tags = Tags(resource);
  for (const std::string& tag : remove) {
    tags.erase(std::remove(tags.begin(), tags.end(), tag), tags.end());
  }
  for (const std::string& tag : add) {
    if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  }
  const FieldDescriptor* field = FieldOf(resource, "tags");
  resource.GetReflection()->ClearField(&resource, field);
  for (const std::string& tag : tags) resource.GetReflection()->AddString(&resource, field, tag);
}

}  // namespace

std::vector<std::string> EntityChange::Paths() const {
  std::vector<std::string> paths;
  for (const std::string& setting : set) paths.push_back(setting.substr(0, setting.find('=')));
  return paths;
}

bool EntityChange::NeedsCurrent() const {
  const std::vector<std::string> paths = Paths();
  return !add_tags.empty() || !remove_tags.empty() || !attributes.empty() ||
         std::any_of(paths.begin(), paths.end(), IsPart) ||
         std::any_of(clear.begin(), clear.end(), IsPart);
}

absl::Status EntityChange::Apply(Message& resource, const ValueRules& rules,
                                 google::protobuf::FieldMask& mask) const {
  std::set<std::string> touched;
  for (const std::string& path : clear) {
    if (absl::Status status = Clear(resource, path); !status.ok()) return status;
    touched.insert(MaskPath(path));
  }
  std::vector<std::string> settings = set;
  for (const std::string& attribute : attributes) {
    settings.push_back(absl::StrCat("attributes.", attribute));
  }
  for (const std::string& setting : settings) {
    const auto split = SplitSetting(setting);
    if (!split.ok()) return split.status();
    const absl::Status status = IsPart(split->first)
                                    ? SetField(resource, split->first, split->second, rules)
                                    : ReplaceField(resource, split->first, split->second, rules);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(split->first, ": ", status.message()));
    }
    touched.insert(MaskPath(split->first));
  }
  if (!add_tags.empty() || !remove_tags.empty()) {
    ChangeTags(resource, add_tags, remove_tags);
    touched.insert("tags");
  }
  if (touched.empty()) {
    return absl::InvalidArgumentError("nothing to change: say --set FIELD=VALUE or --clear FIELD");
  }
  for (const std::string& path : touched) mask.add_paths(path);
  return absl::OkStatus();
}

}  // namespace retrace::cli
