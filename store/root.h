// The root row: what each table holds, in a few numbers that every write transaction moves along.
//
// A seal tells of a row that was changed, moved or swapped. It does not tell of a row that is
// missing, nor of a page that is sound but older than the rest of the file: on such a page a
// session that was revoked is live, and every seal opens. Verification finds both, by adding up
// what it reads and comparing that with this row.

#ifndef BATONSTORE_STORE_ROOT_H_
#define BATONSTORE_STORE_ROOT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/schema.h"

namespace batonstore {

// Rows of one table, or a difference between two states of it; both modulo 2^64. The hash is that
// of a multiset: the sum of the keyed hashes of its rows, whatever their order (Clarke et al.,
// "Incremental Multiset Hash Functions", 2003, MSet-Add-Hash). It is there to notice accidents; it
// does not withstand somebody who knows the store's data key.
struct TableSum {
  uint64_t rows = 0;
  uint64_t hash = 0;

  friend bool operator==(const TableSum&, const TableSum&) = default;
};

struct Root {
  uint64_t sequence = 0;  // write transactions since the store was made
  std::array<TableSum, kAllTables.size()> tables{};

  friend bool operator==(const Root&, const Root&) = default;
};

// Immutable once built, so thread-safe.
class RootHash {
 public:
  // REQUIRES: key.size() == KeyedHash::kKeySize.
  explicit RootHash(const SecretBytes& key) : hash_(key) {}

  // The row's value, with a hash of itself at the end; docs/file_format.md draws it.
  std::string Encode(const Root& root) const;
  // Nothing if it was changed.
  std::optional<Root> Decode(absl::string_view value) const;

 private:
  friend class RowSums;

  const KeyedHash hash_;
};

// Adds up rows as they come and go. The root row itself is not counted. Not thread-safe.
class RowSums {
 public:
  // `hash` must outlive it.
  explicit RowSums(const RootHash& hash) : hash_(hash) {}

  void Add(Table table, absl::string_view key, absl::string_view value);
  void Remove(Table table, absl::string_view key, absl::string_view value);

  const TableSum& of(Table table) const { return tables_[TableIndex(table)]; }

 private:
  const RootHash& hash_;
  std::array<TableSum, kAllTables.size()> tables_{};
  std::string row_;  // memory for the one being hashed
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_ROOT_H_
