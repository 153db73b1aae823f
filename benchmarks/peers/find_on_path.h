// Installed programs.

#ifndef BATONSTORE_BENCHMARKS_PEERS_FIND_ON_PATH_H_
#define BATONSTORE_BENCHMARKS_PEERS_FIND_ON_PATH_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace batonstore::benchmarks {

// Where a program of that name lies on $PATH; nothing if nowhere.
std::optional<std::string> FindOnPath(absl::string_view name);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_FIND_ON_PATH_H_
