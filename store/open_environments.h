// Which environments this process has open. Two reasons to keep a list: opening one environment
// twice in a process silently drops its locks (POSIX locks are per process), and a forked child
// must be told that none of them is its own.

#ifndef BATONSTORE_STORE_OPEN_ENVIRONMENTS_H_
#define BATONSTORE_STORE_OPEN_ENVIRONMENTS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace batonstore {

// Holds a directory's place in the list until it is destroyed.
class OpenEnvironment {
 public:
  // NOT_OWNER, naming this process, when it has the directory open already, under whatever path.
  // `in_forked_child` runs in each child that this process forks meanwhile, before fork() returns
  // there: it may store to atomics and close descriptors, and nothing else (no lock, no memory).
  static absl::StatusOr<std::unique_ptr<OpenEnvironment>> Register(
      const std::string& directory, std::function<void()> in_forked_child);

  // In a forked child this does nothing: the list there is as the parent left it.
  ~OpenEnvironment();
  OpenEnvironment(const OpenEnvironment&) = delete;
  OpenEnvironment& operator=(const OpenEnvironment&) = delete;

 private:
  OpenEnvironment() = default;
};

// While there is one, fork() waits: for descriptors that are not marked close-on-exec yet. It does
// not keep posix_spawn and vfork out, which ask nobody. One at a time in a thread.
class ForkBarrier {
 public:
  ForkBarrier();
  ~ForkBarrier();
  ForkBarrier(const ForkBarrier&) = delete;
  ForkBarrier& operator=(const ForkBarrier&) = delete;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_OPEN_ENVIRONMENTS_H_
