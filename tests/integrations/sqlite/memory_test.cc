// The pool when memory runs out: no place is lost, and what comes back needs none.

#include <memory>
#include <new>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batonstore/integrations/sqlite/connection.h"
#include "batonstore/integrations/sqlite/pool.h"
#include "gtest/gtest.h"
#include "tests/integrations/sqlite/sqlite_fixture.h"
#include "tests/support/allocation_faults.h"

namespace batonstore {
namespace {

using testing::ScopedAllocationFault;

using SqliteMemoryTest = testing::SqliteFixture;

TEST_F(SqliteMemoryTest, AcquiringWithoutMemoryLosesNoPlace) {
  bool struck = true;
  size_t nth = 0;
  for (; struck; ++nth) {
    SCOPED_TRACE(nth);
    pool_ = testing::Must(SqlitePool::Open(options_));
    const Connection other = Acquire();  // so that the next one is new
    {
      const ScopedAllocationFault fault(nth, /*for_good=*/false);
      try {
        const absl::StatusOr<Connection> acquired =
            pool_->Acquire(/*read_only=*/true, absl::InfinitePast());
        if (acquired.ok()) (*acquired)->Discard();
      } catch (const std::bad_alloc&) {
      }
      struck = fault.Struck();
    }
    ASSERT_EQ(pool_->usage().in_use, 1);
  }
  EXPECT_GT(nth, 3u);
}

TEST_F(SqliteMemoryTest, GivingBackNeedsNoMemory) {
  const Connection all[] = {Acquire(), Acquire(/*read_only=*/true), Acquire(), Acquire()};
  {
    const ScopedAllocationFault fault(0, /*for_good=*/true);
    for (const Connection& connection : all) connection->ReturnToPool();
  }
  EXPECT_EQ(pool_->usage().idle, 4);
}

}  // namespace
}  // namespace batonstore
