// What verification finds: one piece of damage, where it is and why it is one.

#ifndef BATONSTORE_RECOVERY_FINDING_H_
#define BATONSTORE_RECOVERY_FINDING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace batonstore::recovery {

struct Finding {
  // The table, or "free list", "main tree" (the tree of tables) or "meta page"; empty for what
  // concerns the whole file.
  std::string table = {};

  // The row's key, raw bytes; of a damaged page the least key that can lie below it, if that is
  // known. Empty otherwise.
  std::string key = {};

  // The page of data.mdb, where the damage is in a page.
  std::optional<uint64_t> page = std::nullopt;

  std::string what = {};  // for people

  // "page 7 of data.mdb is used twice (table sessions, from key 0ca1e29d5c000000)".
  std::string ToString() const;

  // CORRUPT, with that as its message.
  absl::Status ToStatus() const;

  friend bool operator==(const Finding&, const Finding&) = default;
};

// Keeps the first ones and counts them all, so that a file full of damage costs no memory.
class FindingList {
 public:
  explicit FindingList(size_t most) : most_(most) {}

  void Add(Finding finding);

  const std::vector<Finding>& kept() const { return kept_; }
  uint64_t total() const { return total_; }

 private:
  const size_t most_;
  std::vector<Finding> kept_;
  uint64_t total_ = 0;
};

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_FINDING_H_
