// Creating sessions, beside raw LMDB doing the same puts in one transaction a session. Ratios
// within one run are what counts:
//
//   ./bazelw run -c opt //benchmarks:session_store_benchmark -- --benchmark_repetitions=5
//       --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
//
// Both make a key pair for each session, and both are durable: a creation counts once it is on the
// disk. The folder is a temporary one below $TMPDIR (or /tmp): put that on the disk to be measured,
// since on tmpfs a sync costs nothing.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/number.h"
#include "batonstore/store/schema.h"
#include "benchmark/benchmark.h"
#include "libraries/liblmdb/lmdb.h"

namespace batonstore {
namespace {

namespace fs = std::filesystem;

void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << "\n";
  std::exit(1);
}

void CheckLmdb(int code) {
  if (code == MDB_SUCCESS) return;
  std::cerr << mdb_strerror(code) << "\n";
  std::exit(1);
}

// A fresh folder for one benchmark run, removed at its end.
class Folder {
 public:
  Folder() : path_((fs::temp_directory_path() / "batonstore-benchmark-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) std::exit(1);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

SessionSpec Spec() {
  SessionSpec spec;
  spec.label = "a benchmark's session";
  spec.principal = "somebody@example.com";
  spec.database = "accounts";
  spec.expires_at = absl::Now() + absl::Hours(24);
  return spec;
}

struct OpenStore {
  Folder folder;
  std::unique_ptr<recovery::Store> store;
};
OpenStore* open_store = nullptr;  // of the benchmark that runs

void SetUpStore(const benchmark::State&) {
  open_store = new OpenStore;
  auto opened = recovery::Open({.directory = open_store->folder.path()});
  CheckOk(opened.status());
  open_store->store = *std::move(opened);
}

void TearDownStore(const benchmark::State&) { delete std::exchange(open_store, nullptr); }

void BM_ReserveAndCreate(benchmark::State& state) {
  SessionStore& sessions = open_store->store->sessions();
  const SessionSpec spec = Spec();
  for (auto _ : state) CheckOk(sessions.ReserveAndCreate(spec).status());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ReserveAndCreate)
    ->Setup(SetUpStore)
    ->Teardown(TearDownStore)
    ->UseRealTime()
    ->Threads(1)
    ->Threads(8)
    ->Threads(64);

// The rows that one creation puts, as plain LMDB.
class RawStore {
 public:
  RawStore() {
    CheckLmdb(mdb_env_create(&env_));
    CheckLmdb(mdb_env_set_maxdbs(env_, kAllTables.size()));
    CheckLmdb(mdb_env_set_mapsize(env_, size_t{16} << 30));
    CheckLmdb(mdb_env_open(env_, folder_.path().c_str(), MDB_NOTLS, 0600));
    MDB_txn* txn = nullptr;
    CheckLmdb(mdb_txn_begin(env_, nullptr, 0, &txn));
    for (const Table table : kAllTables) {
      CheckLmdb(mdb_dbi_open(txn, std::string(TableName(table)).c_str(), MDB_CREATE,
                             &tables_[TableIndex(table)]));
    }
    CheckLmdb(mdb_txn_commit(txn));
    const SessionSpec spec = Spec();
    SessionRecord record;
    record.session.label = spec.label;
    record.session.principal = spec.principal;
    record.session.database = spec.database;
    record.session.public_key.resize(32);
    record.sealed_private_key.resize(32 + Sealer::kOverhead);
    row_.resize(EncodeSession(record).size() + 1 + Sealer::kOverhead);
  }
  ~RawStore() { mdb_env_close(env_); }
  RawStore(const RawStore&) = delete;
  RawStore& operator=(const RawStore&) = delete;

  void Create(const std::string& public_key) {
    MDB_txn* txn = nullptr;
    CheckLmdb(mdb_txn_begin(env_, nullptr, 0, &txn));  // waits for its turn: one writer
    last_alias_ = Alias::Next(absl::Now(), last_alias_);
    const std::string alias = last_alias_.ToKey();
    const std::string now = EncodeNumber(EncodeTime(absl::Now()));
    Put(txn, Table::kMeta, meta::kLastAlias, alias);
    Put(txn, Table::kSessions, alias, row_);
    Put(txn, Table::kPublicKeys, Sha256(public_key).substr(0, 8), alias);
    Put(txn, Table::kPrincipals, now + alias, "");
    Put(txn, Table::kMeta, meta::kTime, now);
    CheckLmdb(mdb_txn_commit(txn));
  }

 private:
  void Put(MDB_txn* txn, Table table, absl::string_view key, absl::string_view value) {
    MDB_val key_val{key.size(), const_cast<char*>(key.data())};
    MDB_val value_val{value.size(), const_cast<char*>(value.data())};
    CheckLmdb(mdb_put(txn, tables_[TableIndex(table)], &key_val, &value_val, 0));
  }

  Folder folder_;
  MDB_env* env_ = nullptr;
  std::array<MDB_dbi, kAllTables.size()> tables_{};
  std::string row_;
  Alias last_alias_;  // touched only inside the write transaction
};
RawStore* raw_store = nullptr;  // of the benchmark that runs

void SetUpRaw(const benchmark::State&) { raw_store = new RawStore; }
void TearDownRaw(const benchmark::State&) { delete std::exchange(raw_store, nullptr); }

void BM_RawLmdbCommit(benchmark::State& state) {
  for (auto _ : state) {
    const absl::StatusOr<KeyPair> pair = SystemKeyPairs().Generate(KeyType::kX25519);
    CheckOk(pair.status());
    raw_store->Create(pair->public_key);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_RawLmdbCommit)
    ->Setup(SetUpRaw)
    ->Teardown(TearDownRaw)
    ->UseRealTime()
    ->Threads(1)
    ->Threads(8)
    ->Threads(64);

}  // namespace
}  // namespace batonstore
