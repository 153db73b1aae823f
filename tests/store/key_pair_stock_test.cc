#include "batonstore/store/key_pair_stock.h"

#include <atomic>
#include <latch>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "batonstore/base/mutex.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/store_keys.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/status_matchers.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;
using testing::OnThreads;
using testing::ScopedAllocationFault;
using testing::ScriptedKeys;

constexpr size_t kMost = 4;

class KeyPairStockTest : public ::testing::Test {
 protected:
  int RefillUntilFull(KeyType type) {
    int made = 0;
    while (stock_.Refill(type)) ++made;
    return made;
  }

  ScriptedKeys source_{[](uint64_t draw) { return draw; }};
  DataKeys data_keys_ = DataKeys::Create(SystemRandom());
  StoreKeys keys_{data_keys_, std::string(kStoreIdBytes, 's'), SystemRandom()};
  KeyPairStock stock_{source_, keys_, kMost};
};

TEST_F(KeyPairStockTest, MakesAPairWhereNoneIsInStock) {
  const auto pair = stock_.Take(KeyType::kX25519);
  ASSERT_THAT(pair, IsOk());
  EXPECT_THAT(
      keys_.OpenPrivateKey(KeyType::kX25519, pair->public_key, pair->sealed_private_key).status(),
      IsOk());
  EXPECT_EQ(source_.draws(), 1u);
}

TEST_F(KeyPairStockTest, GivesOutWhatIsInStockFirst) {
  EXPECT_TRUE(stock_.Refill(KeyType::kX25519));
  EXPECT_EQ(source_.draws(), 1u);
  const auto pair = stock_.Take(KeyType::kX25519);
  ASSERT_THAT(pair, IsOk());
  EXPECT_EQ(source_.draws(), 1u);
  EXPECT_THAT(
      keys_.OpenPrivateKey(KeyType::kX25519, pair->public_key, pair->sealed_private_key).status(),
      IsOk());
}

TEST_F(KeyPairStockTest, KeepsTheTypesApartAndSoManyOfEach) {
  EXPECT_EQ(RefillUntilFull(KeyType::kX25519), kMost);
  EXPECT_EQ(RefillUntilFull(KeyType::kEd25519), kMost);
  const auto pair = stock_.Take(KeyType::kEd25519);
  ASSERT_THAT(pair, IsOk());
  EXPECT_THAT(
      keys_.OpenPrivateKey(KeyType::kEd25519, pair->public_key, pair->sealed_private_key).status(),
      IsOk());
  EXPECT_EQ(RefillUntilFull(KeyType::kX25519), 0);
  EXPECT_EQ(RefillUntilFull(KeyType::kEd25519), 1);
}

TEST_F(KeyPairStockTest, AnEmptyOneAsksItsSourceForNothingInAdvance) {
  KeyPairStock none(source_, keys_, 0);
  EXPECT_FALSE(none.Refill(KeyType::kX25519));
  EXPECT_EQ(source_.draws(), 0u);
  EXPECT_THAT(none.Take(KeyType::kX25519).status(), IsOk());
}

TEST_F(KeyPairStockTest, NobodyGetsAPairThatAnotherHas) {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  Mutex mu;
  std::set<std::string> given;
  OnThreads(kThreads, [&](int thread) {
    for (int i = 0; i < kEach; ++i) {
      if ((i + thread) % 2 == 0) (void)stock_.Refill(KeyType::kX25519);
      const auto pair = stock_.Take(KeyType::kX25519);
      ASSERT_THAT(pair, IsOk());
      MutexLock lock(mu);
      EXPECT_TRUE(given.insert(pair->public_key).second);
    }
  });
  EXPECT_EQ(given.size(), kThreads * kEach);
}

// Blocks until it is told to go on.
class SlowKeys final : public KeyPairSource {
 public:
  absl::StatusOr<KeyPair> Generate(KeyType type) override {
    asked.count_down();
    go.wait();
    return SystemKeyPairs().Generate(type);
  }

  std::latch asked{1};
  std::latch go{1};
};

TEST_F(KeyPairStockTest, OneAtATimeMakesSome) {
  SlowKeys slow;
  KeyPairStock stock(slow, keys_, kMost);
  bool made = false;
  std::thread maker([&] { made = stock.Refill(KeyType::kX25519); });
  slow.asked.wait();
  EXPECT_FALSE(stock.Refill(KeyType::kX25519)) << "would wait for ever else";
  slow.go.count_down();
  maker.join();
  EXPECT_TRUE(made);
}

class NoKeys final : public KeyPairSource {
 public:
  absl::StatusOr<KeyPair> Generate(KeyType) override {
    return Refuse(Verdict::kTooMany, "by the test");
  }
};

TEST_F(KeyPairStockTest, SourceThatRefusesFillsNothingAndTellsWhoNeedsAPair) {
  NoKeys none;
  KeyPairStock stock(none, keys_, kMost);
  EXPECT_FALSE(stock.Refill(KeyType::kX25519));
  EXPECT_FALSE(stock.Refill(KeyType::kX25519)) << "and the next one may try";
  EXPECT_THAT(stock.Take(KeyType::kX25519).status(), HasVerdict(Verdict::kTooMany));
}

TEST_F(KeyPairStockTest, WantOfMemoryLosesNoPairAndKeepsNobodyFromMakingSome) {
  bool made = false;
  for (size_t nth = 0; !made; ++nth) {
    ScopedAllocationFault fault(nth, /*for_good=*/false);
    made = stock_.Refill(KeyType::kX25519);
  }
  EXPECT_EQ(RefillUntilFull(KeyType::kX25519), kMost - 1);
}

}  // namespace
}  // namespace batonstore
