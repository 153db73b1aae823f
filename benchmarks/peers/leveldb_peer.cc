// LevelDB, every write synchronised; those that wait at the same time share a sync.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "benchmarks/peers/key_value_peer.h"
#include "benchmarks/scratch.h"
#include "leveldb/cache.h"
#include "leveldb/db.h"
#include "leveldb/filter_policy.h"
#include "leveldb/write_batch.h"

namespace batonstore::benchmarks {
namespace {

constexpr size_t kCacheBytes = size_t{256} << 20;  // the operating system's pages do the rest
constexpr int kBloomBits = 10;

void CheckLevelDb(const leveldb::Status& status) { CheckThat(status.ok(), status.ToString()); }

class LevelDbPeer final : public KeyValuePeer {
 public:
  std::string Name() const override { return "leveldb"; }
  std::string Version() const override {
    return absl::StrCat("LevelDB ", leveldb::kMajorVersion, ".", leveldb::kMinorVersion);
  }

 protected:
  void Open(const std::string& folder) override {
    leveldb::Options options;
    options.create_if_missing = true;
    options.error_if_exists = true;
    options.block_cache = cache_.get();
    options.filter_policy = filter_.get();
    leveldb::DB* db = nullptr;
    CheckLevelDb(leveldb::DB::Open(options, folder, &db));
    db_.reset(db);
  }

  void Write(const std::vector<KeyValue>& rows, bool sync) override {
    leveldb::WriteBatch batch;
    for (const auto& [key, value] : rows) batch.Put(key, value);
    leveldb::WriteOptions options;
    options.sync = sync;
    CheckLevelDb(db_->Write(options, &batch));
  }

  void Settle() override { db_->CompactRange(nullptr, nullptr); }

  bool Get(const std::string& key, std::string* value) override {
    const leveldb::Status status = db_->Get({}, key, value);
    if (status.IsNotFound()) return false;
    CheckLevelDb(status);
    return true;
  }

  void Scan(const std::string& prefix,
            absl::FunctionRef<void(absl::string_view key)> each) override {
    const std::unique_ptr<leveldb::Iterator> row(db_->NewIterator({}));
    for (row->Seek(prefix); row->Valid() && row->key().starts_with(prefix); row->Next()) {
      each({row->key().data(), row->key().size()});
    }
    CheckLevelDb(row->status());
  }

 private:
  // Outlive the database.
  const std::unique_ptr<leveldb::Cache> cache_{leveldb::NewLRUCache(kCacheBytes)};
  const std::unique_ptr<const leveldb::FilterPolicy> filter_{
      leveldb::NewBloomFilterPolicy(kBloomBits)};
  std::unique_ptr<leveldb::DB> db_;
};

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  batonstore::benchmarks::LevelDbPeer peer;
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
