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
  // Sentences may be about any of them.
  if (!std::all_of(plan.counts().begin(), plan.counts().end(),
                   [&](const Plan::Count& count) { return MayRead(caller, count.kind()); })) {
    plan.clear_notes();
    plan.clear_warnings();
  }
  return plan;
}

bool MayGive(const Principal& caller, const v1::Announcement& shown) {
  return caller.id == shown.asker() || caller.id == shown.planner() ||
         std::all_of(shown.permissions().begin(), shown.permissions().end(),
                     [&](const std::string& one) { return caller.Has(one); });
}

}  // namespace

v1::Announcement ShowAnnouncement(const std::string& tenant, const std::string& id,
                                  const domain::Row& row) {
  const auto& announcement = row.As<AnnouncementRow>();
  v1::Announcement shown = announcement.shown();
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
  if (MayGive(caller, announcement.shown())) {
    *shown.mutable_command() = announcement.command();
  }
  if (!announcement.has_planned()) {
    return absl::OkStatus();
  }
  *shown.mutable_plan() = ReadableOf(announcement.planned().plan(), caller);
  return domain::FillTitles(view, *shown.mutable_plan());
}

}  // namespace retrace::server
