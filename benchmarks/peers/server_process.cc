#include "benchmarks/peers/server_process.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/scratch.h"
#include "nlohmann/json.hpp"

namespace batonstore::benchmarks {
namespace {

bool Become(const Account& account) {
  return setgroups(0, nullptr) == 0 &&
         setresgid(account.group, account.group, account.group) == 0 &&
         setresuid(account.user, account.user, account.user) == 0;
}

constexpr int kFolderOfCommandDescriptor = 3;

int OpenFolder(const std::string& folder) {
  const int opened = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  CheckThat(opened >= 0, absl::StrCat(folder, " can be opened"));
  return opened;
}

// As a descriptor that the program inherits. The folder that we are in may be closed to it.
bool HandOnFolder(const std::string& folder) {
  const int opened = open(folder.c_str(), O_PATH | O_DIRECTORY);
  if (opened < 0 || chdir("/") != 0) return false;
  return opened == kFolderOfCommandDescriptor || dup2(opened, kFolderOfCommandDescriptor) >= 0;
}

// Standard input and output are for the driver, and not for the command.
bool Redirect(bool quiet) {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  return nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
         dup2(quiet ? nothing : STDERR_FILENO, STDOUT_FILENO) >= 0;
}

// In the child, which has one thread.
[[noreturn]] void Execute(const Command& command, char* const* argv, pid_t parent) {
  // The signal is asked for after the change of account, which would clear it.
  if (Redirect(command.quiet) && HandOnFolder(command.folder) &&
      (!command.account.has_value() || Become(*command.account)) &&
      prctl(PR_SET_PDEATHSIG, command.signal_to_end) == 0 && getppid() == parent) {
    execv(argv[0], argv);
  }
  std::perror(argv[0]);
  _exit(127);
}

pid_t Start(Command& command) {
  std::vector<char*> argv;
  for (std::string& argument : command.arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  CheckThat(pid >= 0, "a process can be started");
  if (pid == 0) Execute(command, argv.data(), parent);
  return pid;
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) CheckThat(errno == EINTR, "a process can be waited for");
  return status;
}

}  // namespace

ServerProcess::ServerProcess(Command command)
    : signal_to_end_(command.signal_to_end),
      folder_(OpenFolder(command.folder)),
      pid_(Start(command)) {}

ServerProcess::~ServerProcess() {
  kill(pid_, signal_to_end_);
  WaitFor(pid_);
  close(folder_);
}

std::string ServerProcess::folder() const { return absl::StrCat("/proc/self/fd/", folder_); }

void ServerProcess::CheckRunning() {
  CheckThat(waitpid(pid_, nullptr, WNOHANG) == 0, "the server is running");
}

double ServerProcess::CpuSeconds() const {
  double seconds = CpuSecondsOf(pid_);
  std::ifstream children(absl::StrCat("/proc/", pid_, "/task/", pid_, "/children"));
  CheckThat(children.is_open(), "the system tells a server's processes");
  for (int child = 0; children >> child;) seconds += CpuSecondsOf(child);
  return seconds;
}

void RunToEnd(Command command) {
  const std::string program = command.arguments[0];
  CheckThat(WaitFor(Start(command)) == 0, absl::StrCat(program, " succeeds"));
}

void EndMissing(absl::string_view peer, absl::string_view packages) {
  const nlohmann::ordered_json answer = {
      {"ready", false}, {"peer", std::string(peer)}, {"missing", std::string(packages)}};
  std::cout << answer.dump() << std::endl;
  std::exit(0);
}

}  // namespace batonstore::benchmarks
