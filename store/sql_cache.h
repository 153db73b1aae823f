// The SQL texts that a client has left with its stream, to name them by number afterwards.

#ifndef BATONSTORE_STORE_SQL_CACHE_H_
#define BATONSTORE_STORE_SQL_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace batonstore {

// Not thread-safe.
class SqlCache {
 public:
  SqlCache(size_t max_texts, size_t max_bytes) : max_texts_(max_texts), max_bytes_(max_bytes) {}

  // Keeps `text` under `id`, a number of the client's choice.
  //   EXISTS    the id is in use: drop it first
  //   TOO_MANY  there are as many texts, or bytes of text, as there may be
  absl::Status Store(int32_t id, absl::string_view text);

  // The text, valid until its id is dropped.
  //   NOT_FOUND
  absl::StatusOr<absl::string_view> Lookup(int32_t id) const;

  // Forgets it; false if there was none.
  bool Drop(int32_t id);

 private:
  const size_t max_texts_;
  const size_t max_bytes_;
  // Not Abseil's, whose hash maps do not survive a failed allocation.
  std::unordered_map<int32_t, std::string> texts_;
  size_t bytes_ = 0;  // of all texts
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SQL_CACHE_H_
