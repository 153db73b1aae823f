#include "batonstore/base/bell.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace batonstore {
namespace {

TEST(BellTest, WhoHasNotHeardOfARingDoesNotWait) {
  Bell bell;
  const uint32_t seen = bell.Rings();
  bell.RingAll();
  bell.Wait(seen);
  EXPECT_NE(bell.Rings(), seen);
}

TEST(BellTest, RingAllWakesAllWhoWait) {
  Bell bell;
  std::atomic<bool> rung = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (;;) {
        const uint32_t seen = bell.Rings();
        if (rung) break;
        bell.Wait(seen);
      }
    });
  }
  rung = true;
  bell.RingAll();
  for (std::thread& thread : threads) thread.join();
}

// Each ring is for one of them, and one takes what it finds: nobody is left waiting.
TEST(BellTest, RingOneWakesOneForEachPieceOfWork) {
  constexpr int kPieces = 10'000;
  Bell bell;
  std::atomic<int> there = 0;
  std::atomic<int> taken = 0;
  const auto take = [&] {
    int left = there;
    while (left > 0 && !there.compare_exchange_weak(left, left - 1)) {
    }
    return left > 0;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (taken < kPieces) {
        const uint32_t seen = bell.Rings();
        if (take()) {
          if (++taken == kPieces) bell.RingAll();
        } else if (taken < kPieces) {
          bell.Wait(seen);
        }
      }
    });
  }
  for (int i = 0; i < kPieces; ++i) {
    ++there;
    bell.RingOne();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(there, 0);
}

TEST(BellTest, WhatCameBeforeTheRingIsSeenAfterTheWait) {
  Bell bell;
  for (int i = 0; i < 1000; ++i) {
    int value = -1;
    std::atomic<bool> rung = false;
    std::thread ringer([&] {
      value = i;
      rung.store(true, std::memory_order_release);
      bell.RingOne();
    });
    for (;;) {
      const uint32_t seen = bell.Rings();
      if (rung.load(std::memory_order_acquire)) break;
      bell.Wait(seen);
    }
    EXPECT_EQ(value, i);
    ringer.join();
  }
}

}  // namespace
}  // namespace batonstore
