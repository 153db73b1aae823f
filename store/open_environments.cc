#include "batonstore/store/open_environments.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/mutex.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

using FileId = std::pair<dev_t, ino_t>;

struct Entry {
  const OpenEnvironment* holder;
  std::function<void()> in_forked_child;
};

struct List {
  Mutex mu;
  std::map<FileId, Entry> entries ABSL_GUARDED_BY(mu);
};

// fork() must find the list whole, so it waits for the lock. The locks are taken and released in
// different functions, which the analysis cannot follow.
void BeforeFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
void AfterForkInParent() ABSL_NO_THREAD_SAFETY_ANALYSIS;
void AfterForkInChild() ABSL_NO_THREAD_SAFETY_ANALYSIS;

List& TheList() {
  static List* const list = [] {
    auto* created = new List;
    pthread_atfork(&BeforeFork, &AfterForkInParent, &AfterForkInChild);
    return created;
  }();
  return *list;
}

void BeforeFork() { TheList().mu.Lock(); }

void AfterForkInParent() { TheList().mu.Unlock(); }

void AfterForkInChild() {
  for (const auto& [id, entry] : TheList().entries) entry.in_forked_child();
  // The child starts with an empty list of its own: it may open another store, or this one again
  // once the parent has let go. What the parent's entries own is leaked on purpose.
  new (&TheList().entries) std::map<FileId, Entry>();
  TheList().mu.Unlock();
}

}  // namespace

absl::StatusOr<std::unique_ptr<OpenEnvironment>> OpenEnvironment::Register(
    const std::string& directory, std::function<void()> in_forked_child) {
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) {
    return SystemError(errno, absl::StrCat("stat ", directory));
  }
  auto holder = std::unique_ptr<OpenEnvironment>(new OpenEnvironment);
  List& list = TheList();
  MutexLock lock(list.mu);
  const bool inserted =
      list.entries
          .try_emplace({info.st_dev, info.st_ino}, Entry{holder.get(), std::move(in_forked_child)})
          .second;
  if (!inserted) {
    return Refuse(Verdict::kNotOwner, absl::StrCat("this process, pid ", getpid(), ", has ",
                                                   directory, " open already; share that handle"));
  }
  return holder;
}

ForkBarrier::ForkBarrier() ABSL_NO_THREAD_SAFETY_ANALYSIS { TheList().mu.Lock(); }
ForkBarrier::~ForkBarrier() ABSL_NO_THREAD_SAFETY_ANALYSIS { TheList().mu.Unlock(); }

OpenEnvironment::~OpenEnvironment() {
  List& list = TheList();
  MutexLock lock(list.mu);
  for (auto entry = list.entries.begin(); entry != list.entries.end(); ++entry) {
    if (entry->second.holder != this) continue;
    list.entries.erase(entry);
    return;
  }
}

}  // namespace batonstore
