// Tells ThreadSanitizer about absl::Mutex and absl::CondVar. Debian's library is not instrumented,
// so without this everything that a mutex protects is reported as a race. The linker sends the
// calls of our code here (--wrap, in tests/CMakeLists.txt); each does what the library does and
// says which memory the lock hands over. Only in builds with RETRACE_SANITIZE=thread.

#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

// The library evaluates conditions of other threads under the lock that it is about to hand on:
// no race, but nothing that ThreadSanitizer could see.
class IgnoredConditions {
 public:
  IgnoredConditions() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoredConditions() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

template <typename Call>
auto Unlocking(void* mutex, Call call) {
  __tsan_release(mutex);
  const IgnoredConditions ignored;
  return call();
}

// Locks, or lets go of the lock for a while and has it again.
template <typename Call>
void Locking(void* mutex, Call call) {
  __tsan_release(mutex);
  {
    const IgnoredConditions ignored;
    call();
  }
  __tsan_acquire(mutex);
}

template <typename Call>
bool LockingUntil(void* mutex, Call call) {
  bool result = false;
  Locking(mutex, [&] { result = call(); });
  return result;
}

}  // namespace

// NOLINTBEGIN: the names are the library's, mangled; `debian3` is the inline namespace of
// Debian 12.
#define WRAP(name) __wrap__ZN4absl7debian3##name
#define REAL(name) __real__ZN4absl7debian3##name

#define WRAP_LOCK(name)                             \
  void REAL(name)(void* mutex);                     \
  void WRAP(name)(void* mutex) {                    \
    Locking(mutex, [mutex] { REAL(name)(mutex); }); \
  }
#define WRAP_UNLOCK(name)                             \
  void REAL(name)(void* mutex);                       \
  void WRAP(name)(void* mutex) {                      \
    Unlocking(mutex, [mutex] { REAL(name)(mutex); }); \
  }
#define WRAP_TRY(name)                                                 \
  bool REAL(name)(void* mutex);                                        \
  bool WRAP(name)(void* mutex) {                                       \
    return LockingUntil(mutex, [mutex] { return REAL(name)(mutex); }); \
  }
#define WRAP_WHEN(name)                                          \
  void REAL(name)(void* mutex, const absl::Condition& when);     \
  void WRAP(name)(void* mutex, const absl::Condition& when) {    \
    Locking(mutex, [mutex, &when] { REAL(name)(mutex, when); }); \
  }
#define WRAP_WHEN_UNTIL(name, Limit)                                            \
  bool REAL(name)(void* mutex, const absl::Condition& when, Limit limit);       \
  bool WRAP(name)(void* mutex, const absl::Condition& when, Limit limit) {      \
    return LockingUntil(mutex, [&] { return REAL(name)(mutex, when, limit); }); \
  }
#define WRAP_WAIT_UNTIL(name, Limit)                                                 \
  bool REAL(name)(void* condition, void* mutex, Limit limit);                        \
  bool WRAP(name)(void* condition, void* mutex, Limit limit) {                       \
    return LockingUntil(mutex, [&] { return REAL(name)(condition, mutex, limit); }); \
  }

extern "C" {
WRAP_LOCK(5Mutex4LockEv)
WRAP_LOCK(5Mutex10ReaderLockEv)
WRAP_UNLOCK(5Mutex6UnlockEv)
WRAP_UNLOCK(5Mutex12ReaderUnlockEv)
WRAP_TRY(5Mutex7TryLockEv)
WRAP_TRY(5Mutex13ReaderTryLockEv)
WRAP_WHEN(5Mutex8LockWhenERKNS0_9ConditionE)
WRAP_WHEN(5Mutex14ReaderLockWhenERKNS0_9ConditionE)
WRAP_WHEN(5Mutex5AwaitERKNS0_9ConditionE)
WRAP_WHEN_UNTIL(5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE, absl::Duration)
WRAP_WHEN_UNTIL(5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE, absl::Time)
WRAP_WHEN_UNTIL(5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE, absl::Duration)
WRAP_WHEN_UNTIL(5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE, absl::Time)
WRAP_WAIT_UNTIL(7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE, absl::Duration)
WRAP_WAIT_UNTIL(7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE, absl::Time)

void REAL(7CondVar4WaitEPNS0_5MutexE)(void* condition, void* mutex);
void WRAP(7CondVar4WaitEPNS0_5MutexE)(void* condition, void* mutex) {
  Locking(mutex, [=] { REAL(7CondVar4WaitEPNS0_5MutexE)(condition, mutex); });
}
}
// NOLINTEND
