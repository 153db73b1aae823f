// A server that a peer starts for itself, and that ends with it.

#ifndef BATONSTORE_BENCHMARKS_PEERS_SERVER_PROCESS_H_
#define BATONSTORE_BENCHMARKS_PEERS_SERVER_PROCESS_H_

#include <sys/types.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace batonstore::benchmarks {

// Who a server runs as: the caller, unless it is root and the server refuses to be.
struct Account {
  uid_t user;
  gid_t group;
};

// Where a command finds its folder, whatever the folders above it let its account do.
inline constexpr char kFolderOfCommand[] = "/proc/self/fd/3";

struct Command {
  std::vector<std::string> arguments;  // the program's path first
  std::string folder;                  // kFolderOfCommand stands for it; the command starts in /
  std::optional<Account> account = std::nullopt;
  int signal_to_end = SIGKILL;  // also sent by the system when this process dies
  bool quiet = false;           // drops standard output, which else goes to standard error
};

// What goes wrong ends the program (scratch.h).
class ServerProcess {
 public:
  explicit ServerProcess(Command command);
  ~ServerProcess();  // ends it, and waits for that
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Its folder, for this process: a path that is short enough for a socket in it.
  std::string folder() const;

  // Fails when the server has ended: to be asked while waiting for it to listen.
  void CheckRunning();

  // The processor time of the server, and of the processes that it started and that still run.
  double CpuSeconds() const;

 private:
  const int signal_to_end_;
  const int folder_;  // a descriptor
  const pid_t pid_;
};

// Runs a command to its end, which must be a good one.
void RunToEnd(Command command);

// Tells the driver which packages have what the peer needs, and ends the program.
[[noreturn]] void EndMissing(absl::string_view peer, absl::string_view packages);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_SERVER_PROCESS_H_
