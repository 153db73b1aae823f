#include "benchmarks/peers/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <thread>
#include <utility>

#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Ends {
  int read = -1;
  int write = -1;
};

// A pair of sockets, and not a pipe, so that writing to who has ended is an error and no signal.
Ends Channel() {
  std::array<int, 2> ends{};
  CheckThat(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0,
            "there is a channel to a program");
  return {ends[0], ends[1]};
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In the child: becomes the program.
[[noreturn]] void Become(char* const* arguments, int input, int output, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool parent_lives = getppid() == parent;
  if (parent_lives && dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0) {
    execv(arguments[0], arguments);
  }
  _exit(127);
}

}  // namespace

Program::Program(std::vector<std::string> arguments) {
  const std::vector<char*> pointers = Pointers(arguments);
  const Ends input = Channel();
  const Ends output = Channel();
  const pid_t parent = getpid();
  pid_ = fork();
  CheckThat(pid_ >= 0, "there is room for a program");
  if (pid_ == 0) Become(pointers.data(), input.read, output.write, parent);
  close(input.read);
  close(output.write);
  to_ = input.write;
  from_ = output.read;
}

Program::~Program() {
  constexpr std::chrono::seconds kPatience{10};
  close(to_);
  const auto until = SteadyClock::now() + kPatience;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (SteadyClock::now() >= until) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  close(from_);
}

std::optional<std::string> Program::ReadLine(double seconds) {
  const auto until = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(
                                              std::chrono::duration<double>(seconds));
  for (;;) {
    const size_t end = unread_.find('\n');
    if (end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - SteadyClock::now()).count();
    if (left <= 0) return std::nullopt;
    pollfd ready{from_, POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(left)) < 0 && errno == EINTR) continue;
    if (ready.revents == 0) continue;
    std::array<char, 4096> bytes;
    const ssize_t size = read(from_, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return std::nullopt;
    unread_.append(bytes.data(), static_cast<size_t>(size));
  }
}

std::optional<std::string> Program::Ask(const std::string& line, double seconds) {
  const std::string text = line + "\n";
  if (send(to_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    return std::nullopt;
  }
  return ReadLine(seconds);
}

}  // namespace batonstore::benchmarks
