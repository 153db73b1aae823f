// Plain LMDB with the tables of a store, which is what the store is measured against: the same puts
// and gets, one transaction each, without checks, seals, or sharing of commits.

#ifndef BATONSTORE_BENCHMARKS_RAW_STORE_H_
#define BATONSTORE_BENCHMARKS_RAW_STORE_H_

#include <array>
#include <optional>

#include "absl/strings/string_view.h"
#include "batonstore/store/schema.h"
#include "benchmarks/scratch.h"
#include "libraries/liblmdb/lmdb.h"

namespace batonstore::benchmarks {

// Opened with the flags that the store has, as durable as it. Thread-safe.
class RawStore {
 public:
  RawStore();
  ~RawStore();
  RawStore(const RawStore&) = delete;
  RawStore& operator=(const RawStore&) = delete;

 private:
  friend class RawWrite;
  friend class RawRead;

  Folder folder_;
  MDB_env* env_ = nullptr;
  std::array<MDB_dbi, kAllTables.size()> tables_{};
};

// A write transaction: waits for its turn, since there is one writer.
class RawWrite {
 public:
  explicit RawWrite(RawStore& store);
  ~RawWrite();
  RawWrite(const RawWrite&) = delete;
  RawWrite& operator=(const RawWrite&) = delete;

  void Put(Table table, absl::string_view key, absl::string_view value);

  // Until the next Put; nothing if it is not there.
  std::optional<absl::string_view> Get(Table table, absl::string_view key);
  void Commit();  // once; without it, nothing has been put

 private:
  RawStore& store_;
  MDB_txn* txn_ = nullptr;
};

// A read transaction that is renewed for each read, which is the cheapest way there is.
class RawRead {
 public:
  explicit RawRead(RawStore& store);
  ~RawRead();
  RawRead(const RawRead&) = delete;
  RawRead& operator=(const RawRead&) = delete;

  void Begin();
  absl::string_view Get(Table table, absl::string_view key);  // until End(); must be there
  void End();

 private:
  RawStore& store_;
  MDB_txn* txn_ = nullptr;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_RAW_STORE_H_
