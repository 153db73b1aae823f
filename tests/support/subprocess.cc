#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

extern char** environ;

namespace batonstore::testing {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Starts a program whose descriptors 0, 1 and 2 are the given ones; -1 leaves ours.
pid_t Spawn(std::vector<std::string> arguments, std::vector<std::string> variables,
            const std::array<int, 3>& descriptors) {
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int i = 0; i < 3; ++i) {
    const int descriptor = descriptors[static_cast<size_t>(i)];
    if (descriptor >= 0) posix_spawn_file_actions_adddup2(&actions, descriptor, i);
  }
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments[0].c_str(), &actions, nullptr,
                                Pointers(arguments).data(), Pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << "cannot start " << arguments[0];
  if (error != 0) std::abort();
  return pid;
}

int StatusOf(pid_t pid) {
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::string Runfile(const std::string& path) {
  return std::string(std::getenv("TEST_SRCDIR")) + "/" + std::getenv("TEST_WORKSPACE") + "/" + path;
}

Finished RunProgram(const std::vector<std::string>& arguments, const std::string& input,
                    const std::vector<std::string>& variables) {
  // Files rather than pipes: nothing can block, however much is said.
  const TempDir folder;
  std::ofstream(folder / "in", std::ios::binary) << input;
  const int in = open((folder / "in").c_str(), O_RDONLY | O_CLOEXEC);
  const int out = open((folder / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const int err = open((folder / "err").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const pid_t pid = Spawn(arguments, variables, {in, out, err});
  for (const int fd : {in, out, err}) close(fd);
  const int status = StatusOf(pid);
  return {status, Contents(folder / "out"), Contents(folder / "err")};
}

Conversation::Conversation(const std::vector<std::string>& arguments) {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) std::abort();
  pid_ = Spawn(arguments, {}, {in[0], out[1], -1});
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  from_ = out[0];
}

Conversation::~Conversation() {
  close(to_);
  close(from_);
  StatusOf(pid_);
}

std::string Conversation::Ask(const std::string& line) {
  const std::string text = line + "\n";
  EXPECT_EQ(write(to_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  return Listen();
}

std::string Conversation::Listen() {
  std::string line;
  for (char c = 0; read(from_, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

}  // namespace batonstore::testing
