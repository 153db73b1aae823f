// Leaves nothing behind: neither processes nor files, however a run ends.

#ifndef BATONSTORE_BENCHMARKS_PEERS_KEEPER_H_
#define BATONSTORE_BENCHMARKS_PEERS_KEEPER_H_

#include <string>

#include "absl/functional/function_ref.h"

namespace batonstore::benchmarks {

// Does the work in a process of its own, with a fresh folder below `place`. When it has ended, by
// itself, by a signal, or because this process was told to end: ends what it has started, servers
// that went their own ways included, and removes the folder. Returns the work's exit status, or 1
// if a signal ended it. REQUIRES: this process has one thread and no other children.
int RunAndCleanUp(const std::string& place, absl::FunctionRef<int(const std::string& folder)> work);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_KEEPER_H_
