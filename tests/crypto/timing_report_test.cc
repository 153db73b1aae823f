// How long a baton takes to verify whose tag is right, wrong in the first byte or wrong in the
// last: reported, and not judged, since a busy machine can make any two medians differ. What judges
// is constant_time_test. For numbers that mean something:
//
//   ./bazelw run -c opt //tests/crypto:timing_report_test
//
// All three should take the same.

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/crypto/base64url.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/random.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

constexpr size_t kRounds = 4001;
constexpr int kTimes = 16;  // in a row, so that the clock's own steps do not show
constexpr size_t kTagAt = kBatonSize - HmacSha256::kTagSize;

std::string WithFlippedByte(const std::string& baton, size_t at) {
  std::array<uint8_t, kBatonSize> bytes;
  EXPECT_TRUE(Base64UrlDecode(baton, absl::MakeSpan(bytes)));
  bytes[at] ^= 1;
  std::string text(kBatonLength, '\0');
  Base64UrlEncode(bytes, absl::MakeSpan(text.data(), text.size()));
  return text;
}

struct Case {
  std::string name;
  ParsedBaton baton;
  bool is_right;
  std::vector<double> nanoseconds = {};
};

void Measure(const HmacSha256& key, Case& one) {
  int right = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) right += one.baton.CarriesTagOf(key) ? 1 : 0;
  const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
  ASSERT_EQ(right, one.is_right ? kTimes : 0);
  one.nanoseconds.push_back(taken.count() / kTimes);
}

double MedianOf(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

TEST(TimingReport, OfRightAndWrongTags) {
  const HmacSha256 key(RandomSecret(SystemRandom(), 32));
  const std::string right = MintBaton(key, 1, {.id = 7});
  std::array<Case, 3> cases = {{
      {"right", *ParsedBaton::Parse(right), true},
      {"wrong first byte", *ParsedBaton::Parse(WithFlippedByte(right, kTagAt)), false},
      {"wrong last byte", *ParsedBaton::Parse(WithFlippedByte(right, kBatonSize - 1)), false},
  }};
  for (size_t i = 0; i < kRounds; ++i) {
    for (size_t k = 0; k < cases.size(); ++k) Measure(key, cases[(i + k) % cases.size()]);
  }
  const double of_right = MedianOf(cases[0].nanoseconds);
  for (const Case& one : cases) {
    const double median = MedianOf(one.nanoseconds);
    std::cout << absl::StreamFormat("%-17s median %7.1f ns, %.4f of the right one's\n", one.name,
                                    median, median / of_right);
  }
}

}  // namespace
}  // namespace batonstore
