// That a snapshot is what its id says, with many more readers than processors: whoever is held up
// while it begins must not see the half of a later commit, nor more than those that begin after it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/number.h"
#include "gtest/gtest.h"
#include "libraries/liblmdb/lmdb.h"
#include "tests/support/lmdb_folder.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

constexpr int kReaders = 32;
constexpr absl::Duration kFor = absl::Seconds(4);  // without the check, a few go wrong

// Each commit writes its own id, so that a snapshot's row is to be the snapshot's id.
void Commit(LmdbEnvironment& environment, LmdbTable table) {
  absl::StatusOr<LmdbTransaction> transaction = environment.BeginWrite();
  ASSERT_THAT(transaction, testing::IsOk());
  ASSERT_EQ(transaction->Put(table, "id", EncodeNumber(transaction->id())), MDB_SUCCESS);
  ASSERT_EQ(transaction->Commit(), MDB_SUCCESS);
}

TEST(LmdbSnapshotTest, ShowsWhatItsIdSaysAndNeverLessThanTheOneBefore) {
  testing::LmdbFolder folder;
  folder.options.map_bytes = folder.options.max_map_bytes = uint64_t{256} << 20;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<LmdbEnvironment> environment,
                       folder.CreateEnvironment());
  ASSERT_OK_AND_ASSIGN(const LmdbTable table, environment->OpenTable("rows", /*create=*/true));
  Commit(*environment, table);

  std::atomic<bool> stop = false;
  std::atomic<int> other_than_its_id = 0;
  std::atomic<int> less_than_before = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      for (uint64_t before = 0; !stop;) {
        const absl::StatusOr<LmdbTransaction> snapshot = environment->BeginRead();
        ASSERT_THAT(snapshot, testing::IsOk());
        absl::string_view row;
        ASSERT_EQ(snapshot->Get(table, "id", &row), MDB_SUCCESS);
        const uint64_t seen = DecodeNumber(row).value_or(0);
        if (seen != snapshot->id()) ++other_than_its_id;
        if (seen < before) ++less_than_before;
        before = seen;
      }
    });
  }
  const absl::Time end = absl::Now() + kFor;
  while (absl::Now() < end) Commit(*environment, table);
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(other_than_its_id, 0);
  EXPECT_EQ(less_than_before, 0);
}

}  // namespace
}  // namespace batonstore
