#include "batonstore/tools/demo_worker.h"

#include <set>
#include <string>

#include "batonstore/tools/demo_ledger.h"
#include "gtest/gtest.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::Conversation;
using batonstore::testing::Runfile;
using batonstore::testing::TempDir;
using Kind = DemoEvent::Kind;

TEST(DemoWorkerTest, ReportsEveryKindOfEventUntilNobodyReads) {
  const TempDir folder;
  Conversation worker({Runfile("tools/batonstore"), "demo-worker", "sessions", "--dir",
                       folder / "store", "--threads", "4", "--seed", "1"});
  std::set<Kind> seen;
  DemoLedger ledger;
  while (seen.size() < 5 || ledger.acknowledged() < 20) {
    const std::string line = worker.Listen();
    const std::optional<DemoEvent> event = DemoEvent::Parse(line);
    ASSERT_TRUE(event.has_value()) << line;
    seen.insert(event->kind);
    ledger.Record(*event);
  }
}  // the conversation's end is the worker's, or this test would not come back

}  // namespace
}  // namespace batonstore::tools
