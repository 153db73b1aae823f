#include "tests/support/killed_at.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace batonstore::testing {
namespace {

constexpr int kMayNotTrace = 99;
constexpr int kSystemCallStop = SIGTRAP | 0x80;  // with PTRACE_O_TRACESYSGOOD

// The child's next stop that is not the delivery of a signal; its status once it has ended.
int GoOn(pid_t child) {
  for (int signal = 0;;) {
    ptrace(PTRACE_SYSCALL, child, nullptr, signal);
    int status = 0;
    if (waitpid(child, &status, 0) != child) std::abort();
    if (!WIFSTOPPED(status) || WSTOPSIG(status) == kSystemCallStop) return status;
    signal = WSTOPSIG(status);
  }
}

}  // namespace

std::optional<bool> RunUntilKilledAt(int call, const std::function<void()>& body) {
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(kMayNotTrace);
    raise(SIGSTOP);  // until the parent is ready
    body();
    _exit(EXIT_SUCCESS);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) return std::nullopt;
  ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  status = GoOn(child);  // raise()'s own return
  for (int entered = 0; !WIFEXITED(status); ++entered) {
    status = GoOn(child);
    if (!WIFSTOPPED(status)) break;
    if (entered == call) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return true;
    }
    status = GoOn(child);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) std::abort();
  return false;
}

}  // namespace batonstore::testing
