// Announced plans: a command with the plan of it, told to people beforehand.
//
// An announcement is an entity, and each step of it is an event:
//
//   REQUESTED -> OPEN -> EXECUTING -> EXECUTED | FAILED;  REQUESTED, OPEN -> WITHDRAWN | EXPIRED
//
// What happens at a moment (the execution, the end) is a timer, see timer.h. Deciding an execution
// only moves it to EXECUTING; the server then sends the command itself (server/announcement_job.h)
// and tells what came of it. Commands are declared in commands.h.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "domain/context.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "domain/kind.h"
#include "retrace/store/v1/announcements.pb.h"

namespace retrace::domain {

inline constexpr int64_t kLongestAnnouncementUs = 30LL * 24 * 3600 * 1'000'000;
inline constexpr int kMostTakenOut = 500;
inline constexpr int kMostObjectionsEach = 5;
// The index that holds those that are EXECUTING, with this value.
inline constexpr uint8_t kExecutingIndex = 1;
inline constexpr char kExecuting[] = "yes";
// All of them, and those that are not over, the newest first.
inline constexpr uint8_t kNewestAnnouncementIndex = 3;
inline constexpr uint8_t kOpenAnnouncementIndex = 4;
// By the change set that did what was announced, and by those that undid it.
inline constexpr uint8_t kAnnouncedChangeSetIndex = 5;
inline constexpr uint8_t kAnnouncedUndoIndex = 6;
// Withdraw what others announced.
inline constexpr char kWithdrawAny[] = "plans.withdraw-any";

Kind AnnouncementKind();

// For whom somebody acts: who calls, or on whose behalf a service does.
const std::string& PersonOf(const CommitHeader& header);
// Whether who acts may be who announced or planned it, and so is no second person.
bool IsAsker(const store::v1::AnnouncementRow& row, const CommitHeader& header);
// Whether who acts is who announced or planned it, beyond doubt, and so may take back what they
// said.
bool MaySpeakAsAsker(const store::v1::AnnouncementRow& row, const CommitHeader& header);
// Whether somebody approved it who is not who announced it.
bool HasSecondPerson(const store::v1::AnnouncementRow& row);

// Whether it can still be approved, answered, executed or withdrawn, its time apart.
bool IsOpen(v1::Announcement::State state);
// Refuses an announcement that is not (ANNOUNCEMENT_CLOSED), judged by its state and the time.
absl::Status CheckOpen(const Found& announcement, const Context& context);
// Refuses who lacks one of the command's permissions (PERMISSION_MISSING).
absl::Status CheckMayGive(const store::v1::AnnouncementRow& row, const Context& context);

// Why it is not executed: it is a request (PLAN_REQUIRED), has objections that nobody acknowledged
// (OBJECTIONS_EXIST), or the policy asks for a second person (SECOND_PERSON_REQUIRED). OK when
// nothing stands in the way.
absl::Status CheckMayExecute(const Found& announcement, const View& view, const Context& context);

// When the draft takes back something of the change set of an announcement, by an undo or by
// restoring it from the recycle bin, or something of such an undo: records it, and tells everybody,
// once for each undoing change set. After decide, for every command.
absl::Status NoteUndone(Draft& draft, const Context& context);

// What a plan does, in a line.
std::string SummaryOf(const v1::Plan& plan);
// A plan as announcements keep it: without what must not outlive entities, and without its token.
void DropTitlesAndToken(v1::Plan& plan);

// Who is told what; each asks for notifications in the draft.
absl::Status TellAudience(const Found& announcement, std::string_view kind, std::string message,
                          Draft& draft, const Context& context);
// The audience, the askers and who objected, but for who acts; of a request also those who hold the
// command's permission.
absl::Status TellEverybody(const Found& announcement, std::string_view kind, std::string message,
                           Draft& draft, const Context& context);
// The asker, who planned it and who approved it, but for who acts.
absl::Status TellAskers(const Found& announcement, std::string_view kind, std::string message,
                        Draft& draft, const Context& context);

// That there is one; of a request also those who hold the command's permission.
absl::Status TellBeginning(const Found& announcement, std::string message, Draft& draft,
                           const Context& context);
// What came of it, to everybody.
absl::Status TellEnd(const Found& announcement, Draft& draft, const Context& context);

}  // namespace retrace::domain
