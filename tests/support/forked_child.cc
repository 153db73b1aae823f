#include "tests/support/forked_child.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace batonstore::testing {

Channel::~Channel() { close(fd_); }

void Channel::Send(const std::string& message) {
  const std::string line = message + "\n";
  (void)send(fd_, line.data(), line.size(), MSG_NOSIGNAL);
}

std::string Channel::Receive() {
  std::string line;
  char next = 0;
  while (recv(fd_, &next, 1, 0) == 1 && next != '\n') line += next;
  return line;
}

ForkedChild::ForkedChild(const std::function<std::string(Channel& parent)>& body) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  pid_ = fork();
  if (pid_ < 0) std::abort();
  if (pid_ == 0) {
    close(ends[0]);
    Channel parent(ends[1]);
    const std::string problem = body(parent);
    if (!problem.empty()) parent.Send(problem);
    _exit(problem.empty() ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  close(ends[1]);
  channel_.emplace(ends[0]);
}

ForkedChild::~ForkedChild() { Kill(); }

bool ForkedChild::Kill() {
  if (pid_ < 0) return false;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

bool ForkedChild::HasEnded() const {
  siginfo_t info{};  // its pid stays 0 while there is nothing to tell
  return pid_ < 0 ||
         waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid != 0;
}

std::string ForkedChild::Join() {
  int status = 0;
  if (pid_ < 0 || waitpid(pid_, &status, 0) != pid_) return "the child is gone";
  pid_ = -1;
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  if (WEXITSTATUS(status) == EXIT_SUCCESS) return "";
  const std::string problem = channel_->Receive();
  return problem.empty() ? "exit status " + std::to_string(WEXITSTATUS(status)) : problem;
}

}  // namespace batonstore::testing
