#include "domain/normalise.h"

#include <array>
#include <set>

#include "absl/strings/ascii.h"
#include "domain/decider.h"
#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/phone.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using google::protobuf::RepeatedPtrField;

// In UTF-8: no-break space, ideographic space, byte order mark.
constexpr std::array<std::string_view, 3> kWideSpaces = {"\xC2\xA0", "\xE3\x80\x80",
                                                         "\xEF\xBB\xBF"};

std::string_view Trimmed(std::string_view text) {
  for (bool cut = true; cut;) {
    const size_t size = text.size();
    while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.front()))) {
      text.remove_prefix(1);
    }
    while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.back()))) {
      text.remove_suffix(1);
    }
    for (std::string_view space : kWideSpaces) {
      if (text.starts_with(space)) {
        text.remove_prefix(space.size());
      }
      if (text.ends_with(space)) {
        text.remove_suffix(space.size());
      }
    }
    cut = text.size() != size;
  }
  return text;
}

}  // namespace

void FieldFaults::Add(std::string_view field, std::string_view description) {
  faults_.emplace_back(prefix_.empty() ? std::string(field) : fmt::format("{}.{}", prefix_, field),
                       description);
}

absl::Status FieldFaults::ToStatus() const {
  if (faults_.empty()) {
    return absl::OkStatus();
  }
  std::string message = fmt::format("{}: {}", faults_[0].first, faults_[0].second);
  if (faults_.size() > 1) {
    message += fmt::format(" And {} more.", faults_.size() - 1);
  }
  Refusal refusal(v1::INVALID_FIELD, std::move(message));
  for (const auto& [field, description] : faults_) {
    std::move(refusal).Field(field, description);
  }
  return refusal;
}

void Trim(std::string& text) {
  const std::string_view trimmed = Trimmed(text);
  if (trimmed.size() != text.size()) {
    text = std::string(trimmed);
  }
}

bool IsBlank(std::string_view text) { return Trimmed(text).empty(); }

void NormaliseTags(RepeatedPtrField<std::string>& tags, FieldFaults& faults) {
  std::set<std::string> seen;
  RepeatedPtrField<std::string> kept;
  for (int i = 0; i < tags.size(); ++i) {
    Trim(tags[i]);
    if (tags[i].empty()) {
      faults.Add(fmt::format("tags[{}]", i), "A tag is not blank.");
    } else if (seen.insert(tags[i]).second) {
      *kept.Add() = tags[i];
    }
  }
  tags.Swap(&kept);
}

void NormaliseEmails(RepeatedPtrField<std::string>& emails, FieldFaults& faults) {
  std::set<std::string> seen;
  RepeatedPtrField<std::string> kept;
  for (int i = 0; i < emails.size(); ++i) {
    Trim(emails[i]);
    if (!IsEmail(emails[i])) {
      faults.Add(fmt::format("emails[{}]", i), "Is no e-mail address; it looks like name@host.");
    } else if (seen.insert(FoldCaseless(emails[i])).second) {
      *kept.Add() = emails[i];
    }
  }
  emails.Swap(&kept);
}

void NormaliseAddresses(RepeatedPtrField<v1::Address>& addresses, FieldFaults& faults) {
  std::set<std::string> labels;
  for (int i = 0; i < addresses.size(); ++i) {
    v1::Address& address = addresses[i];
    for (std::string* text : {address.mutable_region_code(), address.mutable_postal_code(),
                              address.mutable_administrative_area(), address.mutable_locality(),
                              address.mutable_label()}) {
      Trim(*text);
    }
    if (std::string code = RegionCode(address.region_code()); !code.empty()) {
      address.set_region_code(std::move(code));
    }
    if (!labels.insert(address.label()).second) {
      faults.Add(fmt::format("addresses[{}].label", i),
                 "Another address has this label; give each its own.");
    }
  }
}

void NormalisePhones(std::string_view region, RepeatedPtrField<v1::Phone>& phones,
                     FieldFaults& faults) {
  std::set<std::string> seen;
  RepeatedPtrField<v1::Phone> kept;
  for (int i = 0; i < phones.size(); ++i) {
    Trim(*phones[i].mutable_label());
    if (IsBlank(phones[i].raw())) {
      faults.Add(fmt::format("phones[{}].raw", i), "A telephone number is not blank.");
    } else if (seen.insert(phones[i].raw()).second) {
      NormalisePhone(region, phones[i]);
      *kept.Add() = phones[i];
    }
  }
  phones.Swap(&kept);
}

void ReadPhonesAhead(std::string_view region, const RepeatedPtrField<v1::Phone>& phones) {
  for (const v1::Phone& phone : phones) {
    v1::Phone read;
    read.set_raw(phone.raw());
    NormalisePhone(region, read);
  }
}

void NormaliseCurrency(std::string& code, std::string_view field, FieldFaults& faults) {
  Trim(code);
  absl::AsciiStrToUpper(&code);
  if (!IsCurrency(code)) {
    faults.Add(field, "Is no currency of ISO 4217; it looks like EUR.");
  }
}

absl::Status CheckReference(std::string_view name, KindNumber number, std::string_view field,
                            const View& view, const Context& context) {
  if (name.empty()) {
    return absl::OkStatus();
  }
  const Kind& kind = KindOf(number);
  RETRACE_ASSIGN(ResourceName parsed, ParseName(name, field));
  if (parsed.collection != kind.collection) {
    return Refusal(v1::INVALID_FIELD, fmt::format("{} is no name of a {}.", field, kind.singular))
        .Field(field, fmt::format("Give a name like `tenants/{}/{}/...`, or leave it empty.",
                                  context.header.tenant, kind.collection));
  }
  RowPtr row;
  if (parsed.tenant == context.header.tenant) {
    RETRACE_ASSIGN(row, view.Get({number, parsed.id}));
  }
  if (row != nullptr && row->live()) {
    const bool engaged =
        row->head.has_engaged() && row->head.engaged().change_set() != context.header.change_set;
    return engaged ? Busy({number, parsed.id}, *row, context.header.tenant) : absl::OkStatus();
  }
  const std::string shown(name);
  std::string_view what = "does not exist";
  std::string next = "Name one that exists, or leave it empty.";
  std::string message = fmt::format("{}: there is no {} `{}`.", field, kind.singular, shown);
  if (row != nullptr && row->merged()) {
    RETRACE_ASSIGN(const EntityRef survivor, SurvivorOf({number, parsed.id}, view));
    const std::string lives_on = NameOf(context.header.tenant, survivor);
    what = "was merged";
    message = fmt::format("{}: the {} `{}` was merged and lives on in `{}`.", field, kind.singular,
                          shown, lives_on);
    next = fmt::format("Name `{}`, or leave it empty.", lives_on);
  } else if (row != nullptr && row->purged()) {
    what = "was purged";
    message = fmt::format("{}: the {} `{}` was purged.", field, kind.singular, shown);
    next = "Name another, or leave it empty.";
  } else if (row != nullptr) {
    what = "is deleted";
    message = fmt::format("{}: the {} `{}` is in the recycle bin.", field, kind.singular, shown);
    next = fmt::format("Undelete the {} first, name another, or leave it empty.", kind.singular);
  }
  return Refusal(v1::REFERENCE_BROKEN, std::move(message))
      .With("field", field)
      .About(kind.singular, shown)
      .Unmet("REFERENCE", shown, what)
      .Next(std::move(next));
}

}  // namespace retrace::domain
