// A fixture for tests of rows: tables on the in-memory engine, without a store around them.

#ifndef BATONSTORE_TESTS_SUPPORT_MEMORY_TABLES_H_
#define BATONSTORE_TESTS_SUPPORT_MEMORY_TABLES_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/index_merge.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/store_keys.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore::testing {

class MemoryTables : public ::testing::Test {
 protected:
  // Commits what `body` writes; it must succeed.
  void Write(absl::FunctionRef<absl::Status(Transaction&)> body) {
    const Engine::Outcome outcome = engine_.Write([&](Transaction& transaction) {
      EXPECT_THAT(body(transaction), IsOk());
      return Engine::Decision::kCommit;
    });
    EXPECT_THAT(outcome.status, IsOk());
    tail_.End(/*committed=*/outcome.status.ok());
  }

  // What `body` answers; nothing that it writes stays.
  absl::Status Try(absl::FunctionRef<absl::Status(Transaction&)> body) {
    absl::Status answer;
    const Engine::Outcome outcome = engine_.Write([&](Transaction& transaction) {
      answer = body(transaction);
      return Engine::Decision::kAbandon;
    });
    EXPECT_THAT(outcome.status, IsOk());
    tail_.End(/*committed=*/false);
    return answer;
  }

  // The rows of `meta` that the deferred indexes go by, as a new store has them.
  void MakeIndexMark() {
    Write([](Transaction& transaction) { return PutIndexMark(transaction, {}); });
  }

  // Moves the whole tail into the tables.
  void MergeIndexes() {
    Write([this](Transaction& transaction) {
      return IndexMerge(tail_, IndexRules()).MergeAll(transaction);
    });
  }

  void Put(Table table, const std::string& key, const std::string& value) {
    Write([&](Transaction& transaction) { return transaction.Put(table, key, value); });
  }

  std::unique_ptr<Snapshot> Read() { return *engine_.Read(); }
  MemoryEngine::TableRows RowsOf(Table table) { return engine_.Committed()[TableIndex(table)]; }

  MemoryEngine engine_;
  IndexTail tail_;
  StoreKeys keys_{DataKeys::Create(SystemRandom()), std::string(kStoreIdBytes, 's'),
                  SystemRandom()};
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_MEMORY_TABLES_H_
