#include "batonstore/store/number.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace batonstore {
namespace {

TEST(NumberTest, IsEightBytesBigEndian) {
  EXPECT_EQ(EncodeNumber(0), std::string(8, '\0'));
  EXPECT_EQ(EncodeNumber(0x0102030405060708), "\x01\x02\x03\x04\x05\x06\x07\x08");
  EXPECT_EQ(EncodeNumber(std::numeric_limits<uint64_t>::max()), std::string(8, '\xff'));
}

TEST(NumberTest, RefusesAnyOtherLength) {
  for (const size_t length : {0, 1, 7, 9, 16}) {
    EXPECT_EQ(DecodeNumber(std::string(length, '\x01')), std::nullopt) << length;
  }
}

// A failure prints its seed; --test_env=RC_PARAMS="seed=..." replays it.
RC_GTEST_PROP(NumberPropertyTest, ComesBackAsItWas, (uint64_t number)) {
  RC_ASSERT(DecodeNumber(EncodeNumber(number)) == number);
}

RC_GTEST_PROP(NumberPropertyTest, BytesSortAsTheirNumbersDo, (uint64_t one, uint64_t other)) {
  RC_ASSERT((EncodeNumber(one) < EncodeNumber(other)) == (one < other));
}

}  // namespace
}  // namespace batonstore
