#include "tests/support/store_folder.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/open_environments.h"
#include "libraries/liblmdb/lmdb.h"

namespace batonstore::testing {
namespace {

namespace fs = std::filesystem;

void Require(bool condition) {
  if (!condition) std::abort();
}

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  Require(value.ok());
  return *std::move(value);
}

// Values of LMDB's free list are arrays of page numbers, behind their count.
void ReadFreeList(MDB_txn* txn, std::set<uint64_t>& free) {
  constexpr MDB_dbi kFreeList = 0;
  MDB_cursor* cursor = nullptr;
  Require(mdb_cursor_open(txn, kFreeList, &cursor) == MDB_SUCCESS);
  MDB_val key{};
  MDB_val value{};
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
    uint64_t count = 0;
    std::memcpy(&count, value.mv_data, sizeof(count));
    for (uint64_t i = 1; i <= count; ++i) {
      uint64_t page = 0;
      std::memcpy(&page, static_cast<const char*>(value.mv_data) + i * sizeof(page), sizeof(page));
      free.insert(page);
    }
  }
  mdb_cursor_close(cursor);
}

}  // namespace

std::string ReadFile(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(bytes).str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::map<std::string, std::string> FilesBelow(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    const fs::file_status status = entry.symlink_status();
    files[entry.path().string()] =
        absl::StrCat(static_cast<int>(status.type()), " ", static_cast<int>(status.permissions()),
                     " ", entry.is_regular_file() ? ReadFile(entry.path().string()) : "");
  }
  return files;
}

uint64_t DataFilePages::last_in_use() const {
  uint64_t page = last;
  while (!in_use(page)) --page;
  return page;
}

DataFilePages ReadPages(const std::string& directory) {
  MDB_env* env = nullptr;
  Require(mdb_env_create(&env) == MDB_SUCCESS);
  Require(mdb_env_open(env, directory.c_str(), MDB_RDONLY | MDB_NOLOCK, 0) == MDB_SUCCESS);
  MDB_envinfo info{};
  MDB_stat stat{};
  Require(mdb_env_info(env, &info) == MDB_SUCCESS && mdb_env_stat(env, &stat) == MDB_SUCCESS);
  MDB_txn* txn = nullptr;
  Require(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn) == MDB_SUCCESS);
  DataFilePages pages{stat.ms_psize, info.me_last_pgno, info.me_last_txnid, {}};
  ReadFreeList(txn, pages.free);
  mdb_txn_abort(txn);
  mdb_env_close(env);
  return pages;
}

void CopyAsACrashWouldLeaveIt(const std::string& from, const std::string& to) {
  fs::create_directory(to, from);
  for (const std::string file : {"data.mdb", "key", "owner.lock"}) {
    fs::copy_file(from + "/" + file, to + "/" + file);
  }
}

void EditRows(const std::string& directory, const std::function<void(Transaction&)>& edit,
              RootRow root_row) {
  const LmdbEnvironment::Options options{directory, false, 1 << 30, 1 << 30, 8, kAllTables.size()};
  auto registration = OrDie(OpenEnvironment::Register(directory, [] {}));
  auto environment = OrDie(LmdbEnvironment::Open(options, std::move(registration)));
  auto engine = OrDie(LmdbEngine::Open(std::move(environment)));
  if (root_row == RootRow::kMoved) {
    const SecretBytes key = OrDie(recovery::KeyFromFile(directory + "/key")());
    engine->KeepRoot(
        OrDie(recovery::ReadIdentity(*engine, key, SystemRandom())).keys->MakeRootHash());
  }
  const Engine::Outcome outcome = engine->Write([&](Transaction& transaction) {
    edit(transaction);
    return Engine::Decision::kCommit;
  });
  Require(outcome.status.ok());
}

}  // namespace batonstore::testing
