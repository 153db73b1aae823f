// Other programs as tests run them.

#ifndef BATONSTORE_TESTS_SUPPORT_SUBPROCESS_H_
#define BATONSTORE_TESTS_SUPPORT_SUBPROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace batonstore::testing {

// The path of a file among the test's data: "tools/batonstore".
std::string Runfile(const std::string& path);

struct Finished {
  int status = 0;  // the exit status, or 128 and the signal
  std::string out;
  std::string err;
};

// Runs a program to its end. `variables` ("NAME=value") are added to the environment.
Finished RunProgram(const std::vector<std::string>& arguments, const std::string& input = "",
                    const std::vector<std::string>& variables = {});

// A program that is spoken with, line by line.
class Conversation {
 public:
  explicit Conversation(const std::vector<std::string>& arguments);

  // Ends its input, stops listening and waits for its end.
  ~Conversation();
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  // Gives it a line; its next one.
  std::string Ask(const std::string& line);

  // Its next line, without the newline; empty when the program has ended.
  std::string Listen();

  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int to_ = -1;
  int from_ = -1;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_SUBPROCESS_H_
