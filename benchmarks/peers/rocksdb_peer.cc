// RocksDB, every write synchronised; those that wait at the same time share a sync.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "benchmarks/peers/key_value_peer.h"
#include "benchmarks/scratch.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/version.h"
#include "rocksdb/write_batch.h"

namespace batonstore::benchmarks {
namespace {

constexpr size_t kCacheBytes = size_t{256} << 20;
constexpr double kBloomBits = 10;

void CheckRocksDb(const rocksdb::Status& status) { CheckThat(status.ok(), status.ToString()); }

rocksdb::Options OpenOptions() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBits));
  rocksdb::Options options;
  options.create_if_missing = true;
  options.error_if_exists = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class RocksDbPeer final : public KeyValuePeer {
 public:
  std::string Name() const override { return "rocksdb"; }
  std::string Version() const override {
    return absl::StrCat("RocksDB ", ROCKSDB_MAJOR, ".", ROCKSDB_MINOR, ".", ROCKSDB_PATCH);
  }

 protected:
  void Open(const std::string& folder) override {
    rocksdb::DB* db = nullptr;
    CheckRocksDb(rocksdb::DB::Open(OpenOptions(), folder, &db));
    db_.reset(db);
  }

  void Write(const std::vector<KeyValue>& rows, bool sync) override {
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : rows) CheckRocksDb(batch.Put(key, value));
    rocksdb::WriteOptions options;
    options.sync = sync;
    CheckRocksDb(db_->Write(options, &batch));
  }

  void Settle() override { CheckRocksDb(db_->CompactRange({}, nullptr, nullptr)); }

  bool Get(const std::string& key, std::string* value) override {
    const rocksdb::Status status = db_->Get({}, key, value);
    if (status.IsNotFound()) return false;
    CheckRocksDb(status);
    return true;
  }

  void Scan(const std::string& prefix,
            absl::FunctionRef<void(absl::string_view key)> each) override {
    const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator({}));
    for (row->Seek(prefix); row->Valid() && row->key().starts_with(prefix); row->Next()) {
      each({row->key().data(), row->key().size()});
    }
    CheckRocksDb(row->status());
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  batonstore::benchmarks::RocksDbPeer peer;
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
