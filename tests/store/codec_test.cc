// Properties print their seed; replay one with --test_env=RC_PARAMS="seed=...".

#include "batonstore/store/codec.h"

#include <gtest/gtest.h>  // before RapidCheck, which uses it
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/support/sessions.h"

namespace batonstore {
namespace {

using testing::Describe;

const Alias kAlias(0x0000018000000001);

SessionRecord SmallRecord() {
  SessionRecord record;
  Session& session = record.session;
  session.alias = kAlias;
  session.created_at = kAlias.time();
  session.state = State::kRevoked;
  session.key_type = KeyType::kP256;
  session.kind = 0x01020304;
  session.group = Alias(0x1112131415161718);
  session.expires_at = absl::FromUnixMicros(0x2122232425262728);
  session.revoked_at = absl::FromUnixMicros(0x3132333435363738);
  session.label = "l";
  session.principal = "pp";
  session.database = "";
  session.public_key = "kkk";
  session.remote_public_key = "r";
  record.sealed_private_key = "s";
  return record;
}

// docs/file_format.md, byte for byte. If this fails, the format has changed.
const char kSmallRecordHex[] =
    "02"                // state
    "03"                // key type
    "01020304"          // kind
    "1112131415161718"  // group
    "2122232425262728"  // expires at
    "3132333435363738"  // revoked at
    "00016c"            // label
    "00027070"          // principal
    "0000"              // database
    "00036b6b6b"        // public key
    "000172"            // remote public key
    "000173";           // sealed private key

TEST(CodecTest, SessionBytesAreFixed) {
  EXPECT_EQ(absl::BytesToHexString(EncodeSession(SmallRecord())), kSmallRecordHex);
}

TEST(CodecTest, SessionParsesBack) {
  const auto record = DecodeSession(kAlias, absl::HexStringToBytes(kSmallRecordHex));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(Describe(record->session), Describe(SmallRecord().session));
  EXPECT_EQ(record->sealed_private_key, "s");
}

TEST(CodecTest, ReservationBytesAreFixed) {
  const std::string bytes = EncodeReservation({0x0102030405060708, "in"});
  EXPECT_EQ(absl::BytesToHexString(bytes), "01020304050607080002696e");
  const auto record = DecodeReservation(bytes);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->epoch, 0x0102030405060708u);
  EXPECT_EQ(record->intent, "in");
}

TEST(CodecTest, BytesThatAreNotExactlyOneRecordParseToNothing) {
  const std::string session = EncodeSession(SmallRecord());
  const std::string reservation = EncodeReservation({1, "intent"});
  for (size_t size = 0; size < session.size(); ++size) {
    EXPECT_FALSE(DecodeSession(kAlias, session.substr(0, size)).has_value()) << size;
  }
  for (size_t size = 0; size < reservation.size(); ++size) {
    EXPECT_FALSE(DecodeReservation(reservation.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(DecodeSession(kAlias, session + '\0').has_value());
  EXPECT_FALSE(DecodeReservation(reservation + '\0').has_value());
}

TEST(CodecTest, UnknownStateAndKeyTypeParseToNothing) {
  std::string state = EncodeSession(SmallRecord());
  std::string key_type = state;
  for (int number = 0; number < 256; ++number) {
    state[0] = static_cast<char>(number);
    key_type[1] = static_cast<char>(number);
    EXPECT_EQ(DecodeSession(kAlias, state).has_value(), number <= 4) << number;
    EXPECT_EQ(DecodeSession(kAlias, key_type).has_value(), number >= 1 && number <= 3) << number;
  }
}

TEST(CodecTest, NeverIsTheLargestTime) {
  EXPECT_EQ(EncodeTime(absl::InfiniteFuture()),
            static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(DecodeTime(EncodeTime(absl::InfiniteFuture())), absl::InfiniteFuture());
}

TEST(CodecTest, TimesAreKeptToTheMicrosecondRoundedDown) {
  const absl::Time time = absl::FromUnixMicros(1'800'000'000'123'456);
  EXPECT_EQ(DecodeTime(EncodeTime(time + absl::Nanoseconds(999))), time);
  EXPECT_EQ(EncodeTime(time), 1'800'000'000'123'456u);
}

SessionRecord AnyRecord() {
  const auto bytes = [] { return *rc::gen::container<std::string>(rc::gen::arbitrary<char>()); };
  const auto time = [] {
    return absl::FromUnixMicros(*rc::gen::inRange(int64_t{1}, int64_t{1} << 62));
  };
  SessionRecord record;
  Session& session = record.session;
  session.alias = Alias(*rc::gen::arbitrary<uint64_t>());
  session.created_at = session.alias.time();
  session.state = static_cast<State>(*rc::gen::inRange(0, 5));
  session.key_type = static_cast<KeyType>(*rc::gen::inRange(1, 4));
  session.kind = *rc::gen::arbitrary<uint32_t>();
  session.group = Alias(*rc::gen::arbitrary<uint64_t>());
  session.expires_at = *rc::gen::arbitrary<bool>() ? time() : absl::InfiniteFuture();
  if (*rc::gen::arbitrary<bool>()) session.revoked_at = time();
  session.label = bytes();
  session.principal = bytes();
  session.database = bytes();
  session.public_key = bytes();
  session.remote_public_key = bytes();
  record.sealed_private_key = bytes();
  return record;
}

RC_GTEST_PROP(CodecProperty, SessionRoundTrips, ()) {
  const SessionRecord record = AnyRecord();
  const auto back = DecodeSession(record.session.alias, EncodeSession(record));
  RC_ASSERT(back.has_value());
  RC_ASSERT(Describe(back->session) == Describe(record.session));
  RC_ASSERT(back->sealed_private_key == record.sealed_private_key);
}

RC_GTEST_PROP(CodecProperty, ReservationRoundTrips, (uint64_t epoch, const std::string& intent)) {
  const auto back = DecodeReservation(EncodeReservation({epoch, intent}));
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->epoch == epoch);
  RC_ASSERT(back->intent == intent);
}

// What parses at all is the one spelling of what it says: no two byte strings mean the same
// session.
RC_GTEST_PROP(CodecProperty, ChangedBytesParseToNothingOrToSomethingElse, ()) {
  const SessionRecord record = AnyRecord();
  std::string bytes = EncodeSession(record);
  const size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ *rc::gen::inRange(1, 256));
  const auto changed = DecodeSession(record.session.alias, bytes);
  if (changed.has_value()) RC_ASSERT(EncodeSession(*changed) == bytes);
}

}  // namespace
}  // namespace batonstore
