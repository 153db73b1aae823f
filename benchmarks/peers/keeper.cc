#include "benchmarks/peers/keeper.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

volatile sig_atomic_t worker = 0;

void EndWorker(int) {
  if (worker > 0) kill(static_cast<pid_t>(worker), SIGTERM);
}

void PassSignalsOn() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, EndWorker);
}

// Orphans of the worker become children of this process.
std::vector<pid_t> Children() {
  std::ifstream file(absl::StrCat("/proc/self/task/", gettid(), "/children"));
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

// Asks the children to end, and when they have not after some seconds, ends them.
void EndChildren() {
  constexpr std::chrono::seconds kPatience{10};
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (const pid_t child : Children()) kill(child, SIGTERM);
  for (;;) {
    const pid_t ended = waitpid(-1, nullptr, WNOHANG);
    if (ended < 0) return;  // none is left
    if (ended > 0) continue;
    if (std::chrono::steady_clock::now() >= until) {
      for (const pid_t child : Children()) kill(child, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

int StatusOfWorker(pid_t pid) {
  for (;;) {
    int status = 0;
    const pid_t ended = wait(&status);
    if (ended == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    if (ended < 0 && errno != EINTR) return 1;
  }
}

}  // namespace

int RunAndCleanUp(const std::string& place,
                  absl::FunctionRef<int(const std::string& folder)> work) {
  std::string folder = place + "/batonstore-peers-XXXXXX";
  CheckThat(mkdtemp(folder.data()) != nullptr,
            absl::StrCat("there is room for a folder in ", place));
  CheckThat(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "orphans can be taken in");
  PassSignalsOn();
  const pid_t keeper = getpid();
  const pid_t pid = fork();
  CheckThat(pid >= 0, "there is room for a process");
  if (pid == 0) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    std::exit(getppid() == keeper ? work(folder) : 1);
  }
  worker = pid;
  const int status = StatusOfWorker(pid);
  EndChildren();
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (error) std::cerr << "could not remove " << folder << ": " << error.message() << "\n";
  return status;
}

}  // namespace batonstore::benchmarks
