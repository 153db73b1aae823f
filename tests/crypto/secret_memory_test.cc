#include "batonstore/crypto/secret_memory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/support/process_memory.h"

namespace batonstore {
namespace {

using ::batonstore::testing::IsLeftOutOfCore;
using ::batonstore::testing::ReadMemoryOf;

constexpr size_t kSizes[] = {1, 32, 64, 65, 640, 4095, 4096, 4097, 100'000};

std::string BytesAt(const void* memory, size_t size) {
  return ReadMemoryOf(getpid(), reinterpret_cast<uintptr_t>(memory), size);
}

TEST(SecretMemoryTest, IsLeftOutOfCores) {
  for (const size_t size : kSizes) {
    char* const memory = static_cast<char*>(AllocateSecret(size));
    EXPECT_TRUE(IsLeftOutOfCore(memory)) << size;
    EXPECT_TRUE(IsLeftOutOfCore(memory + size - 1)) << size;
    FreeSecret(memory, size);
  }
  EXPECT_FALSE(IsLeftOutOfCore(std::make_unique<char>().get()));  // so it can be otherwise
}

TEST(SecretMemoryTest, IsAlignedAndZeroAlsoWhenItWasUsedBefore) {
  for (int round = 0; round < 3; ++round) {
    for (const size_t size : kSizes) {
      char* const memory = static_cast<char*>(AllocateSecret(size));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u) << size;
      EXPECT_EQ(absl::string_view(memory, size), std::string(size, '\0'));
      std::memset(memory, 's', size);
      FreeSecret(memory, size);
    }
  }
}

TEST(SecretMemoryTest, IsUsedAgain) {
  std::set<void*> seen;
  for (int i = 0; i < 1000; ++i) {
    void* const memory = AllocateSecret(32);
    seen.insert(memory);
    FreeSecret(memory, 32);
  }
  EXPECT_EQ(seen.size(), 1u);
}

TEST(SecretMemoryTest, BlocksThatAreHeldDoNotOverlap) {
  std::vector<std::pair<char*, size_t>> held;
  for (int i = 0; i < 2000; ++i) {
    for (const size_t size : kSizes) {
      held.emplace_back(static_cast<char*>(AllocateSecret(size)), size);
    }
  }
  std::sort(held.begin(), held.end());
  for (size_t i = 0; i + 1 < held.size(); ++i) {
    ASSERT_LE(held[i].first + held[i].second, held[i + 1].first);
  }
  for (const auto& [memory, size] : held) FreeSecret(memory, size);
}

TEST(SecretMemoryTest, IsWipedWhenItIsGivenBack) {
  constexpr size_t kSize = 512;
  void* const memory = AllocateSecret(kSize);
  std::memset(memory, 's', kSize);
  ASSERT_EQ(BytesAt(memory, kSize), std::string(kSize, 's'));  // the probe sees it
  FreeSecret(memory, kSize);
  EXPECT_FALSE(absl::StrContains(BytesAt(memory, kSize), 's'));
}

TEST(SecretMemoryTest, TooMuchIsBadAlloc) {
  EXPECT_THROW(AllocateSecret(size_t{1} << 60), std::bad_alloc);
  EXPECT_THROW(AllocateSecret(std::numeric_limits<size_t>::max()), std::bad_alloc);
}

struct Key : NotDumped {
  char bytes[300] = {};
};

TEST(SecretMemoryTest, HoldsWhatIsMadeByNew) {
  auto key = std::make_unique<Key>();
  std::memset(key->bytes, 's', sizeof(key->bytes));
  const void* const at = key.get();
  EXPECT_TRUE(IsLeftOutOfCore(at));
  key.reset();
  EXPECT_FALSE(absl::StrContains(BytesAt(at, sizeof(Key)), 's'));
}

// Fills and checks blocks of every size until it is told to stop.
void UseMemory(const std::atomic<bool>& stop, char filling, std::atomic<int>& mistakes) {
  while (!stop) {
    for (const size_t size : {32, 64, 640, 4096}) {
      char* const memory = static_cast<char*>(AllocateSecret(size));
      if (std::count(memory, memory + size, '\0') != static_cast<long>(size)) ++mistakes;
      std::memset(memory, filling, size);
      if (std::count(memory, memory + size, filling) != static_cast<long>(size)) ++mistakes;
      FreeSecret(memory, size);
    }
  }
}

TEST(SecretMemoryTest, ThreadsShareItAndForkedChildrenGoOnWithTheirOwn) {
  std::atomic<bool> stop = false;
  std::atomic<int> mistakes = 0;
  std::vector<std::thread> threads;
  for (const char filling : {'a', 'b', 'c'}) {
    threads.emplace_back([&, filling] { UseMemory(stop, filling, mistakes); });
  }
  int status = 0;
  for (int i = 0; i < 50 && status == 0; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // should it hang
      FreeSecret(AllocateSecret(32), 32);
      _exit(0);
    }
    waitpid(child, &status, 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mistakes, 0);
  EXPECT_EQ(status, 0) << "of a child";
}

TEST(WipeMemoryTest, ZeroesExactlyTheBytesNamed) {
  std::string text = "0123456789";
  WipeMemory(text.data() + 2, 5);
  EXPECT_EQ(text, std::string("01\0\0\0\0\0"
                              "789",
                              10));
}

}  // namespace
}  // namespace batonstore
