// A program that is spoken with, a line at a time.

#ifndef BATONSTORE_BENCHMARKS_PEERS_PROGRAM_H_
#define BATONSTORE_BENCHMARKS_PEERS_PROGRAM_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace batonstore::benchmarks {

// Not thread-safe. REQUIRES: made by a thread that lives as long, with which the program is killed.
class Program {
 public:
  // The first argument is the program's path. One that cannot be started has ended at once.
  explicit Program(std::vector<std::string> arguments);

  // Ends its input, gives it some seconds to end by itself, and then kills it.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Its next line, without the newline; nothing once it has ended, or after so many seconds.
  std::optional<std::string> ReadLine(double seconds);

  // Gives it a line, and reads its next one.
  std::optional<std::string> Ask(const std::string& line, double seconds);

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string unread_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_PROGRAM_H_
