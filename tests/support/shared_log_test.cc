#include "tests/support/shared_log.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"

namespace batonstore {
namespace {

using testing::Channel;
using ::testing::ElementsAre;
using testing::ForkedChild;
using ::testing::IsEmpty;
using testing::kNever;
using testing::SharedLog;

TEST(SharedLogTest, TellsWhatAKilledProcessDid) {
  SharedLog log(2);
  ForkedChild child([&log](Channel& parent) -> std::string {
    log.Begin(0, {"put", std::string("\0\n", 2), ""});
    log.Answer(0, {"OK"});
    log.Begin(1, {"get"});
    log.Begin(0, {"delete"});
    log.Answer(1, {});
    parent.Send("done");
    parent.Receive();
    return "";
  });
  ASSERT_EQ(child.channel().Receive(), "done");
  EXPECT_FALSE(child.HasEnded());
  EXPECT_TRUE(child.Kill());
  const std::vector<SharedLog::Record> first = log.Read(0);
  const std::vector<SharedLog::Record> second = log.Read(1);
  ASSERT_EQ(first.size(), 2u);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_THAT(first[0].what, ElementsAre("put", std::string("\0\n", 2), ""));
  EXPECT_THAT(first[0].answer, ElementsAre("OK"));
  EXPECT_THAT(first[1].what, ElementsAre("delete"));
  EXPECT_EQ(first[1].answered, kNever);
  EXPECT_THAT(second[0].what, ElementsAre("get"));
  EXPECT_THAT(second[0].answer, IsEmpty());
  EXPECT_LT(first[0].begun, first[0].answered);
  EXPECT_LT(first[0].answered, second[0].begun);
  EXPECT_LT(second[0].begun, first[1].begun);
  EXPECT_LT(first[1].begun, second[0].answered);
  EXPECT_LT(second[0].answered, log.Now());

  const uint64_t now = log.Now();
  log.Clear();
  EXPECT_THAT(log.Read(0), IsEmpty());
  EXPECT_EQ(log.Now(), now);
}

TEST(SharedLogTest, AKillLeavesWholeNotes) {
  const std::string word(5000, 'w');
  SharedLog log(2, size_t{64} << 20);
  for (int kill = 0; kill < 20; ++kill) {
    log.Clear();
    const uint64_t before = log.Now();
    ForkedChild child([&log, &word](Channel&) -> std::string {
      std::vector<std::thread> threads;
      for (size_t writer = 0; writer < 2; ++writer) {
        threads.emplace_back([&log, &word, writer] {
          for (int i = 0; i < 5000; ++i) {
            log.Begin(writer, {word});
            log.Answer(writer, {word, word});
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      return "";
    });
    while (log.Now() < before + 20 && !child.HasEnded()) std::this_thread::yield();
    child.Kill();
    size_t notes = 0;
    for (size_t writer = 0; writer < 2; ++writer) {
      const std::vector<SharedLog::Record> records = log.Read(writer);
      for (const SharedLog::Record& record : records) {
        ASSERT_THAT(record.what, ElementsAre(word));
        ++notes;
        if (record.answered == kNever) {
          ASSERT_EQ(&record, &records.back());
          continue;
        }
        ++notes;
        ASSERT_THAT(record.answer, ElementsAre(word, word));
      }
    }
    // Each writer may have taken a stamp for a note that is not there.
    EXPECT_GE(notes + 2, log.Now() - before);
  }
}

TEST(SharedLogDeathTest, FullLog) {
  SharedLog log(1, 100);
  log.Begin(0, {"a"});
  EXPECT_DEATH(log.Answer(0, {std::string(100, 'a')}), "it is full");
}

}  // namespace
}  // namespace batonstore
