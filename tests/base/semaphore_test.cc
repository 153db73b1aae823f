#include "batonstore/base/semaphore.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace batonstore {
namespace {

TEST(SemaphoreTest, BeginsAtZero) {
  Semaphore semaphore;
  EXPECT_FALSE(semaphore.TryWait());
}

TEST(SemaphoreTest, EachPostLetsOneThrough) {
  Semaphore semaphore;
  semaphore.Post();
  semaphore.Post();
  semaphore.Wait();
  EXPECT_TRUE(semaphore.TryWait());
  EXPECT_FALSE(semaphore.TryWait());
}

TEST(SemaphoreTest, WhatCameBeforeThePostIsSeenAfterTheWait) {
  for (int i = 0; i < 1000; ++i) {
    Semaphore semaphore;
    int value = 0;
    std::thread poster([&] {
      value = i;
      semaphore.Post();
    });
    semaphore.Wait();
    EXPECT_EQ(value, i);
    poster.join();
  }
}

// The semaphore is gone, and its memory in use for something else, while its last Post may not have
// returned.
TEST(SemaphoreTest, MayBeDestroyedOnceItsWaitHasReturned) {
  std::atomic<Semaphore*> waiting{nullptr};
  std::thread poster([&] {
    for (int i = 0; i < 10'000; ++i) {
      Semaphore* semaphore = nullptr;
      while ((semaphore = waiting.exchange(nullptr)) == nullptr) std::this_thread::yield();
      semaphore->Post();
    }
  });
  for (int i = 0; i < 10'000; ++i) {
    Semaphore semaphore;
    waiting = &semaphore;
    semaphore.Wait();
  }
  poster.join();
}

}  // namespace
}  // namespace batonstore
