#include "batonstore/tools/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"

extern char** environ;

namespace batonstore::tools {
namespace {

constexpr char kThisProgram[] = "/proc/self/exe";

// 0 or an errno.
int Spawn(std::vector<std::string> arguments, int output, pid_t& pid) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  if (const int error = posix_spawn_file_actions_init(&actions); error != 0) return error;
  const absl::Cleanup destroying = [&actions] { posix_spawn_file_actions_destroy(&actions); };
  const int error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (error != 0) return error;
  return posix_spawn(&pid, kThisProgram, &actions, nullptr, argv.data(), environ);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::vector<std::string>& arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return SystemError(errno, "make a pipe");
  std::vector<std::string> argv = {"batonstore"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  pid_t pid = 0;
  const int error = Spawn(std::move(argv), ends[1], pid);
  close(ends[1]);
  if (error == 0) return std::unique_ptr<ChildProcess>(new ChildProcess(pid, ends[0]));
  close(ends[0]);
  return SystemError(error, "start a second process of this program");
}

ChildProcess::~ChildProcess() {
  Kill();
  (void)Wait();
  close(output_);
}

std::optional<std::string> ChildProcess::ReadLine() {
  for (;;) {
    const size_t newline = unread_.find('\n', read_to_);
    if (newline != std::string::npos) {
      std::string line = unread_.substr(read_to_, newline - read_to_);
      read_to_ = newline + 1;
      return line;
    }
    unread_.erase(0, std::exchange(read_to_, 0));
    char buffer[1 << 14];
    const ssize_t size = read(output_, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return std::nullopt;
    unread_.append(buffer, static_cast<size_t>(size));
  }
}

void ChildProcess::Kill() {
  if (!ended_) kill(pid_, SIGKILL);
}

std::optional<std::string> ChildProcess::Wait() {
  int status = 0;
  pid_t ended = 0;
  while (!ended_ && (ended = waitpid(pid_, &status, 0)) < 0 && errno == EINTR) {
  }
  ended_ = true;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return std::nullopt;
  return WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status))
                             : absl::StrCat("exit status ", WEXITSTATUS(status));
}

absl::Status ReadUntilKilled(ChildProcess& child, absl::Duration delay,
                             absl::FunctionRef<bool()> goes_on,
                             absl::FunctionRef<absl::Status(const std::string& line)> read) {
  std::optional<std::string> line;
  while (goes_on() && (line = child.ReadLine()).has_value()) {
    BATONSTORE_RETURN_IF_ERROR(read(*line));
  }
  absl::SleepFor(delay);
  child.Kill();
  while ((line = child.ReadLine()).has_value()) BATONSTORE_RETURN_IF_ERROR(read(*line));
  if (const std::optional<std::string> other_end = child.Wait()) {
    return Refuse(Verdict::kIo, absl::StrCat("the worker ended by itself: ", *other_end));
  }
  return absl::OkStatus();
}

}  // namespace batonstore::tools
