// Announcements as the API shows them.
#include <algorithm>
#include <string>
#include <string_view>

#include "domain/decider.h"
#include "domain/plan.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "server/announcing.h"

namespace retrace::server {
namespace {

using google::protobuf::util::TimeUtil;
using store::v1::AnnouncementRow;
using v1::Plan;

// What everybody may know of a plan.
Plan CountsOf(const Plan& plan) {
  Plan counts = plan;
  counts.clear_samples();
  counts.clear_losses();
  counts.clear_sums();
  counts.clear_people();
  counts.clear_warnings();
  counts.clear_notes();
  return counts;
}

bool MayRead(const Principal& caller, std::string_view collection) {
  return caller.Has(fmt::format("{}.read", collection));
}

// Everything that the plan touches, and so what a sentence may be about.
bool MayReadAll(const Principal& caller, const Plan& plan) {
  return std::all_of(plan.counts().begin(), plan.counts().end(),
                     [&](const Plan::Count& count) { return MayRead(caller, count.kind()); });
}

template <typename Entries>
void KeepReadable(const Principal& caller, Entries& entries) {
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [&](const auto& entry) {
                                 const auto name = domain::ParseName(entry.name(), "name");
                                 return !name.ok() || !MayRead(caller, name->collection);
                               }),
                entries.end());
}

Plan ReadableOf(const Plan& whole, const Principal& caller) {
  Plan plan = whole;
  KeepReadable(caller, *plan.mutable_samples());
  KeepReadable(caller, *plan.mutable_losses());
  KeepReadable(caller, *plan.mutable_people());
  auto& sums = *plan.mutable_sums();
  sums.erase(std::remove_if(sums.begin(), sums.end(),
                            [&](const Plan::Sum& sum) { return !MayRead(caller, sum.kind()); }),
             sums.end());
  if (!MayReadAll(caller, whole)) {
    plan.clear_notes();
    plan.clear_warnings();
  }
  return plan;
}

// `NAME: what differs`; where something else stands in front it may be about anything.
bool IsReadable(const std::string& difference, const Plan& plan, const Principal& caller) {
  const auto name = domain::ParseName(difference.substr(0, difference.find(": ")), "name");
  return name.ok() ? MayRead(caller, name->collection) : MayReadAll(caller, plan);
}

bool MayGive(const Principal& caller, const AnnouncementRow& row) {
  const v1::Announcement& shown = row.shown();
  return caller.id == shown.asker() || caller.id == row.asker_principal() ||
         caller.id == shown.planner() ||
         std::all_of(shown.permissions().begin(), shown.permissions().end(),
                     [&](const std::string& one) { return caller.Has(one); });
}

}  // namespace

v1::Announcement ShowAnnouncement(const std::string& tenant, const std::string& id,
                                  const domain::Row& row) {
  const auto& announcement = row.As<AnnouncementRow>();
  v1::Announcement shown = announcement.shown();
  shown.clear_taken_out();
  if (shown.has_result()) {
    shown.mutable_result()->clear_differences();
  }
  shown.set_name(domain::NameOf(tenant, {domain::KindNumber::kAnnouncement, id}));
  shown.set_etag(domain::EtagOf(row));
  *shown.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(row.head.create_time_us());
  *shown.mutable_update_time() = TimeUtil::MicrosecondsToTimestamp(row.head.update_time_us());
  if (announcement.has_planned()) {
    *shown.mutable_plan() = CountsOf(announcement.planned().plan());
  }
  return shown;
}

absl::Status AddDetails(const Principal& caller, const domain::Row& row, const domain::View& view,
                        v1::Announcement& shown) {
  const auto& announcement = row.As<AnnouncementRow>();
  if (announcement.has_command() && MayGive(caller, announcement)) {
    *shown.mutable_command() = announcement.command();
  }
  for (const std::string& name : announcement.shown().taken_out()) {
    if (MayRead(caller, domain::ParseName(name, "name")->collection)) {
      shown.add_taken_out(name);
    }
  }
  for (const std::string& difference : announcement.shown().result().differences()) {
    if (IsReadable(difference, announcement.planned().plan(), caller)) {
      shown.mutable_result()->add_differences(difference);
    }
  }
  if (!announcement.has_planned()) {
    return absl::OkStatus();
  }
  *shown.mutable_plan() = ReadableOf(announcement.planned().plan(), caller);
  return domain::FillTitles(view, *shown.mutable_plan());
}

}  // namespace retrace::server
