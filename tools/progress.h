// A progress bar on standard error, for long work that a person is waiting for.

#ifndef BATONSTORE_TOOLS_PROGRESS_H_
#define BATONSTORE_TOOLS_PROGRESS_H_

#include <unistd.h>

#include <cstdint>
#include <string>

namespace batonstore::tools {

// Draws only on a terminal, and only when the percentage has changed. Not thread-safe.
class Progress {
 public:
  Progress(std::string what, uint64_t total, int fd = STDERR_FILENO);

  // Wipes the bar.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Advance(uint64_t steps = 1);

 private:
  void Draw(uint64_t percent);
  void Write(const std::string& text);

  const std::string what_;
  const uint64_t total_;
  const int fd_;
  const bool visible_;
  uint64_t done_ = 0;
  uint64_t drawn_percent_ = 0;
};

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_PROGRESS_H_
