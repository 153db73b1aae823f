// A second process of this program, to be read from and killed.

#ifndef BATONSTORE_TOOLS_CHILD_PROCESS_H_
#define BATONSTORE_TOOLS_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace batonstore::tools {

// Not thread-safe.
class ChildProcess {
 public:
  // Starts this program with `arguments`. Its standard output is a pipe to ReadLine().
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const std::vector<std::string>& arguments);

  // Kills it, if that has not been done.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  // The next line, without its newline; waits for it. Nothing when the pipe has ended: what came
  // after the last newline is no line.
  std::optional<std::string> ReadLine();

  void Kill();  // SIGKILL; what it wrote before can still be read

  // Waits for the end. Nothing if it was killed by Kill(), else how it ended: "exit status 1".
  std::optional<std::string> Wait();

 private:
  ChildProcess(pid_t pid, int output) : pid_(pid), output_(output) {}

  pid_t pid_;
  int output_;
  bool ended_ = false;
  std::string unread_;
  size_t read_to_ = 0;  // in unread_
};

// Hands the lines of `child` to `read` for as long as `goes_on` says so, kills it `delay` later,
// and hands on what it had written until then. An error of `read`; IO if it ended by itself.
absl::Status ReadUntilKilled(ChildProcess& child, absl::Duration delay,
                             absl::FunctionRef<bool()> goes_on,
                             absl::FunctionRef<absl::Status(const std::string& line)> read);

}  // namespace batonstore::tools

#endif  // BATONSTORE_TOOLS_CHILD_PROCESS_H_
