#include "domain/policy.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "domain/commands.h"
#include "domain/normalise.h"
#include "domain/phone.h"
#include "domain/resource.h"
#include "domain/retention.h"
#include "domain/standard.h"
#include "domain/unique_keys.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {
namespace {

constexpr std::string_view kNoKeys = "none";
constexpr int32_t kAcknowledgeAboveHumans = 100;
constexpr int32_t kAcknowledgeAboveServices = 10'000;
constexpr int32_t kHoldNotificationsAbove = 50;
constexpr int32_t kHoldNotificationsSeconds = 60;
constexpr int32_t kLongestHoldSeconds = 24 * 3600;

// One value of the policy: trimmed; a fault unless empty or good.
template <typename Good>
void NormaliseText(std::string& text, std::string_view field, std::string_view description,
                   FieldFaults& faults, Good good) {
  Trim(text);
  if (!text.empty() && !good(text)) {
    faults.Add(field, description);
  }
}

void NormaliseKeys(v1::Policy& policy, FieldFaults& faults) {
  const std::vector<std::string> declared = DeclaredKeys();
  std::set<std::string> kept;
  for (int i = 0; i < policy.unique_keys_size(); ++i) {
    const std::string& key = policy.unique_keys(i);
    if (key == kNoKeys && policy.unique_keys_size() > 1) {
      faults.Add(fmt::format("unique_keys[{}]", i), "`none` stands alone.");
    } else if (key != kNoKeys &&
               std::find(declared.begin(), declared.end(), key) == declared.end()) {
      faults.Add(fmt::format("unique_keys[{}]", i),
                 fmt::format("Is none of {}, none.", absl::StrJoin(declared, ", ")));
    }
    kept.insert(key);
  }
  policy.mutable_unique_keys()->Assign(kept.begin(), kept.end());
}

absl::Status Normalise(const v1::Policy& before, const std::vector<std::string>& paths,
                       int64_t now_us, v1::Policy& policy) {
  FieldFaults faults("policy");
  if (Names(paths, "region_code")) {
    absl::AsciiStrToUpper(policy.mutable_region_code());
    NormaliseText(*policy.mutable_region_code(), "region_code",
                  "Is no country of ISO 3166-1; it looks like NO.", faults,
                  [](const std::string& text) { return RegionCode(text) == text; });
  }
  if (Names(paths, "time_zone")) {
    NormaliseText(*policy.mutable_time_zone(), "time_zone",
                  "Is no IANA time zone; it looks like Europe/Oslo.", faults,
                  [](const std::string& text) { return IsTimeZone(text); });
  }
  if (Names(paths, "language")) {
    NormaliseText(*policy.mutable_language(), "language",
                  "Is no language of BCP 47; it looks like zh-CN.", faults,
                  [](const std::string& text) { return IsLanguage(text); });
  }
  if (Names(paths, "currency_code")) {
    absl::AsciiStrToUpper(policy.mutable_currency_code());
    NormaliseText(*policy.mutable_currency_code(), "currency_code",
                  "Is no currency of ISO 4217; it looks like EUR.", faults,
                  [](const std::string& text) { return IsCurrency(text); });
  }
  if (Names(paths, "unique_keys")) {
    NormaliseKeys(policy, faults);
  }
  if (policy.acknowledge_above_humans() < 0) {
    faults.Add("acknowledge_above_humans", "Is negative; 0 stands for the default.");
  }
  if (policy.acknowledge_above_services() < 0) {
    faults.Add("acknowledge_above_services", "Is negative; 0 stands for the default.");
  }
  if (policy.hold_notifications_above() < 0) {
    faults.Add("hold_notifications_above", "Is negative; 0 stands for the default.");
  }
  if (policy.hold_notifications_seconds() < 0 ||
      policy.hold_notifications_seconds() > kLongestHoldSeconds) {
    faults.Add("hold_notifications_seconds", "Is not from 0, for the default, to 86400.");
  }
  if (Names(paths, "retentions")) {
    NormaliseRetentions(before, now_us, policy, faults);
  }
  return faults.ToStatus();
}

std::vector<std::string> KeysOf(v1::Policy policy) {
  FillPolicyDefaults(policy);
  if (policy.unique_keys_size() == 1 && policy.unique_keys(0) == kNoKeys) {
    return {};
  }
  return {policy.unique_keys().begin(), policy.unique_keys().end()};
}

absl::Status CheckPolicy(const EntityRef& /*entity*/, const Row* before, const Row& after,
                         const View& view, const Context& context) {
  if (!after.live()) {
    return Refusal(v1::STATE_REFUSED, "A tenant always has a policy.");
  }
  const auto& keys = after.As<v1::Policy>().unique_keys();
  if (keys.size() > 1 && std::find(keys.begin(), keys.end(), kNoKeys) != keys.end()) {
    return Refusal(v1::STATE_REFUSED, "The policy's unique keys would be `none` and others.")
        .Next("Set `policy.unique_keys` to what it shall be.");
  }
  const v1::Policy old = before == nullptr ? v1::Policy() : before->As<v1::Policy>();
  RETRACE_RETURN_IF_ERROR(CheckNotice(old, after.As<v1::Policy>(), context.header.time_us));
  const std::vector<std::string> was = KeysOf(old);
  for (const std::string& key : KeysOf(after.As<v1::Policy>())) {
    if (std::find(was.begin(), was.end(), key) == was.end()) {
      RETRACE_RETURN_IF_ERROR(CheckNoDuplicates(key, view, context));
    }
  }
  return absl::OkStatus();
}

}  // namespace

EntityRef PolicyRef() { return {KindNumber::kPolicy, "policy"}; }

Kind PolicyKind() {
  Kind kind;
  kind.number = KindNumber::kPolicy;
  kind.singular = "policy";
  kind.collection = "policy";
  kind.resource = &v1::Policy::default_instance();
  kind.events = {&store::v1::PolicyUpdated::default_instance()};
  kind.content = true;
  kind.permanent = true;
  kind.apply = ApplyResourceEvent;
  kind.check = CheckPolicy;
  return kind;
}

void FillPolicyDefaults(v1::Policy& policy) {
  if (policy.region_code().empty()) policy.set_region_code("US");
  if (policy.time_zone().empty()) policy.set_time_zone("UTC");
  if (policy.language().empty()) policy.set_language("en");
  if (policy.currency_code().empty()) policy.set_currency_code("USD");
  if (policy.unique_keys().empty()) {
    policy.add_unique_keys("customers.external_id");
    policy.add_unique_keys("records.external_id");
  }
  if (policy.require_reason() == v1::Policy::REQUIRE_REASON_UNSPECIFIED) {
    policy.set_require_reason(v1::Policy::HUMANS);
  }
  if (policy.acknowledge_above_humans() == 0) {
    policy.set_acknowledge_above_humans(kAcknowledgeAboveHumans);
  }
  if (policy.acknowledge_above_services() == 0) {
    policy.set_acknowledge_above_services(kAcknowledgeAboveServices);
  }
  if (policy.hold_notifications_above() == 0) {
    policy.set_hold_notifications_above(kHoldNotificationsAbove);
  }
  if (policy.hold_notifications_seconds() == 0) {
    policy.set_hold_notifications_seconds(kHoldNotificationsSeconds);
  }
}

bool NeedsReason(const v1::Policy& policy, bool human) {
  switch (policy.require_reason()) {
    case v1::Policy::ALL:
      return true;
    case v1::Policy::NOBODY:
      return false;
    default:
      return human;
  }
}

int64_t AcknowledgeAbove(const v1::Policy& policy, bool human) {
  const int64_t set =
      human ? policy.acknowledge_above_humans() : policy.acknowledge_above_services();
  const int64_t standard = human ? kAcknowledgeAboveHumans : kAcknowledgeAboveServices;
  return set == 0 ? standard : set;
}

absl::StatusOr<v1::Policy> PolicyOf(const View& view) {
  RETRACE_ASSIGN(const RowPtr row, view.Get(PolicyRef()));
  v1::Policy policy = row == nullptr ? v1::Policy() : row->As<v1::Policy>();
  FillPolicyDefaults(policy);
  return policy;
}

absl::StatusOr<std::vector<std::string>> KeysInForce(const View& view) {
  RETRACE_ASSIGN(const RowPtr row, view.Get(PolicyRef()));
  return KeysOf(row == nullptr ? v1::Policy() : row->As<v1::Policy>());
}

absl::Status Decide(const v1::UpdatePolicyRequest& request, Draft& draft, const Context& context) {
  const v1::Policy& given = request.policy();
  const std::string name = NameOf(context.header.tenant, PolicyRef());
  if (given.name() != name) {
    return Refusal(v1::INVALID_FIELD, "policy.name is not that of the tenant that is called.")
        .Field("policy.name", fmt::format("Must be `{}`.", name));
  }
  // Until somebody sets one there is the default policy, with the etag of a row that never was.
  RETRACE_ASSIGN(RowPtr row, draft.Get(PolicyRef()));
  const std::string etag = EtagOf(row == nullptr ? Row() : *row);
  if (!request.options().etag().empty() && request.options().etag() != etag) {
    return Refusal(v1::ETAG_MISMATCH, "The policy changed since you read it.")
        .With("etag", etag)
        .About("policy", name)
        .Next("Read it again and repeat the command with the new etag.");
  }
  draft.Target(PolicyRef());
  RETRACE_ASSIGN(std::vector<std::string> paths, UpdatePaths(request.update_mask(), given));
  v1::Policy wanted = given;
  ClearOutputOnly(wanted);
  const v1::Policy before = row == nullptr ? v1::Policy() : row->As<v1::Policy>();
  v1::Policy after = before;
  CopyPaths(paths, wanted, after);
  RETRACE_RETURN_IF_ERROR(Normalise(before, paths, context.header.time_us, after));
  return EmitUpdate<store::v1::PolicyUpdated>(PolicyRef(), before, after, paths, draft);
}

}  // namespace retrace::domain
