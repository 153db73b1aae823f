#include "benchmarks/raw_store.h"

#include <cstddef>
#include <string>
#include <utility>

namespace batonstore::benchmarks {
namespace {

constexpr size_t kMapBytes = size_t{16} << 30;

void CheckLmdb(int code) { CheckThat(code == MDB_SUCCESS, mdb_strerror(code)); }

MDB_val ToVal(absl::string_view view) { return {view.size(), const_cast<char*>(view.data())}; }

}  // namespace

RawStore::RawStore() {
  CheckLmdb(mdb_env_create(&env_));
  CheckLmdb(mdb_env_set_maxdbs(env_, kAllTables.size()));
  CheckLmdb(mdb_env_set_mapsize(env_, kMapBytes));
  CheckLmdb(mdb_env_open(env_, folder_.path().c_str(), MDB_NOTLS, 0600));
  MDB_txn* txn = nullptr;
  CheckLmdb(mdb_txn_begin(env_, nullptr, 0, &txn));
  for (const Table table : kAllTables) {
    CheckLmdb(mdb_dbi_open(txn, std::string(TableName(table)).c_str(), MDB_CREATE,
                           &tables_[TableIndex(table)]));
  }
  CheckLmdb(mdb_txn_commit(txn));
}

RawStore::~RawStore() { mdb_env_close(env_); }

RawWrite::RawWrite(RawStore& store) : store_(store) {
  CheckLmdb(mdb_txn_begin(store_.env_, nullptr, 0, &txn_));
}

RawWrite::~RawWrite() {
  if (txn_ != nullptr) mdb_txn_abort(txn_);
}

void RawWrite::Put(Table table, absl::string_view key, absl::string_view value) {
  MDB_val key_val = ToVal(key);
  MDB_val value_val = ToVal(value);
  CheckLmdb(mdb_put(txn_, store_.tables_[TableIndex(table)], &key_val, &value_val, 0));
}

std::optional<absl::string_view> RawWrite::Get(Table table, absl::string_view key) {
  MDB_val key_val = ToVal(key);
  MDB_val value_val{};
  const int code = mdb_get(txn_, store_.tables_[TableIndex(table)], &key_val, &value_val);
  if (code == MDB_NOTFOUND) return std::nullopt;
  CheckLmdb(code);
  return absl::string_view(static_cast<const char*>(value_val.mv_data), value_val.mv_size);
}

void RawWrite::Commit() { CheckLmdb(mdb_txn_commit(std::exchange(txn_, nullptr))); }

RawRead::RawRead(RawStore& store) : store_(store) {
  CheckLmdb(mdb_txn_begin(store_.env_, nullptr, MDB_RDONLY, &txn_));
  mdb_txn_reset(txn_);
}

RawRead::~RawRead() { mdb_txn_abort(txn_); }

void RawRead::Begin() { CheckLmdb(mdb_txn_renew(txn_)); }

absl::string_view RawRead::Get(Table table, absl::string_view key) {
  MDB_val key_val = ToVal(key);
  MDB_val value_val{};
  CheckLmdb(mdb_get(txn_, store_.tables_[TableIndex(table)], &key_val, &value_val));
  return {static_cast<const char*>(value_val.mv_data), value_val.mv_size};
}

void RawRead::End() { mdb_txn_reset(txn_); }

}  // namespace batonstore::benchmarks
