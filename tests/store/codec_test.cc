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
  session.idle_timeout = absl::Microseconds(0x2a2b2c2d2e2f3031);
  record.ended_at = absl::FromUnixMicros(0x3132333435363738);
  record.never_created = true;
  record.moved_to = Alias(0x4142434445464748);
  record.redirect_until = absl::FromUnixMicros(0x5152535455565758);
  session.label = "l";
  session.principal = "pp";
  session.database = "";
  record.idempotency_key = "ii";
  session.public_key = "kkk";
  session.remote_public_key = "r";
  record.sealed_private_key = "s";
  return record;
}

// docs/file_format.md, byte for byte. If this fails, the format has changed.
const char kSmallRecordHex[] =
    "02"                // state
    "03"                // key type
    "03"                // never created, and linked
    "01020304"          // kind
    "1112131415161718"  // group
    "2122232425262728"  // expires at
    "2a2b2c2d2e2f3031"  // idle timeout
    "3132333435363738"  // ended at
    "4142434445464748"  // moved to
    "5152535455565758"  // redirect until
    "00016c"            // label
    "00027070"          // principal
    "0000"              // database
    "00026969"          // idempotency key
    "00036b6b6b"        // public key
    "000172"            // remote public key
    "000173";           // sealed private key

TEST(CodecTest, SessionBytesAreFixed) {
  EXPECT_EQ(absl::BytesToHexString(EncodeSession(SmallRecord())), kSmallRecordHex);
}

// Two records are the same if their descriptions are.
std::string Describe(const SessionRecord& record) {
  const std::string ended_at =
      record.ended_at.has_value() ? absl::StrCat(EncodeTime(*record.ended_at)) : "never";
  return absl::StrCat(testing::Describe(record.session), "\nended_at: ", ended_at,
                      "\nnever_created: ", record.never_created,
                      "\nmoved_to: ", record.moved_to.ToString(),
                      "\nredirect_until: ", EncodeTime(record.redirect_until),
                      "\nidempotency_key: ", absl::CEscape(record.idempotency_key),
                      "\nsealed_private_key: ", absl::BytesToHexString(record.sealed_private_key));
}

// The bytes of one that has not ended are those without the three moments of its end.
TEST(CodecTest, LiveSessionHasNoBytesOfAnEnd) {
  for (const State state : {State::kCreated, State::kInUse, State::kReserved}) {
    SessionRecord record = SmallRecord();
    record.session.state = state;
    std::string hex = kSmallRecordHex;
    hex.erase(hex.find("3132333435363738"), 3 * 16);
    hex.replace(0, 2, absl::StrCat("0", static_cast<int>(state)));
    EXPECT_EQ(absl::BytesToHexString(EncodeSession(record)), hex) << StateName(state);

    const auto back = DecodeSession(kAlias, absl::HexStringToBytes(hex));
    ASSERT_TRUE(back.has_value()) << StateName(state);
    record.ended_at.reset();
    record.moved_to = Alias();
    record.redirect_until = absl::Time();
    EXPECT_EQ(Describe(*back), Describe(record)) << StateName(state);
  }
}

TEST(CodecTest, SessionParsesBack) {
  const auto record = DecodeSession(kAlias, absl::HexStringToBytes(kSmallRecordHex));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(Describe(*record), Describe(SmallRecord()));
}

TEST(CodecTest, ReservationBytesAreFixed) {
  const std::string bytes =
      EncodeReservation({0x0102030405060708, absl::FromUnixMicros(0x1112131415161718), "in"});
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "0102030405060708"  // epoch
            "1112131415161718"  // deadline
            "0002696e");        // intent
  const auto record = DecodeReservation(bytes);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->epoch, 0x0102030405060708u);
  EXPECT_EQ(record->deadline, absl::FromUnixMicros(0x1112131415161718));
  EXPECT_EQ(record->intent, "in");
}

TEST(CodecTest, TurnBytesAreFixed) {
  const absl::Time last_used = absl::FromUnixMicros(0x0102030405060708);
  EXPECT_EQ(absl::BytesToHexString(EncodeTurn({last_used})),
            "0102030405060708"  // last used
            "0000000000000000"  // generation
            "00"                // last turn
            "0000"              // digest
            "0000"              // successor
            "000000");          // reply
  EXPECT_EQ(absl::BytesToHexString(EncodeTurn(
                {last_used, 0x1112131415161718, TurnRecord::Last::kFinished, "di", "suc", "re"})),
            "0102030405060708"
            "1112131415161718"
            "02"
            "00026469"
            "0003737563"
            "0000027265");
}

TEST(CodecTest, TurnThatContradictsItselfParsesToNothing) {
  using Last = TurnRecord::Last;
  const TurnRecord good[] = {
      {.generation = 0},
      {.generation = 1, .last = Last::kBegun, .digest = "d", .successor = "s"},
      {.generation = 1, .last = Last::kFinished, .digest = "d", .successor = "s"}};
  for (const TurnRecord& turn : good) EXPECT_TRUE(DecodeTurn(EncodeTurn(turn)).has_value());
  const TurnRecord bad[] = {
      {.generation = 1},
      {.generation = 0, .digest = "d"},
      {.generation = 0, .successor = "s"},
      {.generation = 0, .reply = "r"},
      {.generation = 0, .last = Last::kFinished, .digest = "d", .successor = "s"},
      {.generation = 1, .last = Last::kFinished, .successor = "s"},
      {.generation = 1, .last = Last::kFinished, .digest = "d"},
      {.generation = 1, .last = Last::kBegun, .digest = "d", .successor = "s", .reply = "r"},
      {.generation = 1, .last = static_cast<Last>(3), .digest = "d", .successor = "s"}};
  for (const TurnRecord& turn : bad) EXPECT_FALSE(DecodeTurn(EncodeTurn(turn)).has_value());
}

TEST(CodecTest, RevocationBytesAreFixed) {
  const std::string bytes =
      EncodeRevocation({absl::FromUnixMicros(0x0102030405060708), Alias(0x1112131415161718),
                        Alias(0x2122232425262728)});
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "0102030405060708"    // at
            "1112131415161718"    // except
            "2122232425262728");  // done
}

TEST(CodecTest, CompensationBytesAreFixed) {
  const std::string bytes = EncodeCompensation(
      {kAlias, 0x0102030405060708, absl::FromUnixMicros(0x1112131415161718), "p", "", "in"});
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "0102030405060708"  // epoch
            "1112131415161718"  // at
            "000170"            // principal
            "0000"              // database
            "0002696e");        // intent
}

Event SmallEvent() {
  return {7,
          EventType::kMoved,
          absl::FromUnixMicros(0x0102030405060708),
          Alias(0x1112131415161718),
          Alias(0x2122232425262728),
          "p",
          "",
          "de"};
}

TEST(CodecTest, EventBytesAreFixed) {
  EXPECT_EQ(absl::BytesToHexString(EncodeEvent(SmallEvent())),
            "06"                // type
            "0102030405060708"  // at
            "1112131415161718"  // alias
            "2122232425262728"  // other
            "000170"            // principal
            "0000"              // database
            "00026465");        // detail
}

TEST(CodecTest, AttributesHeadBytesAreFixed) {
  const std::string bytes =
      EncodeAttributesHead({0x0102030405060708, 0x1112131415161718, 0x2122232425262728});
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "0102030405060708"    // version
            "1112131415161718"    // bytes
            "2122232425262728");  // fields
}

TEST(CodecTest, ValueBytesAreAMarkAndTheValueItself) {
  EXPECT_EQ(EncodeValue("dark"), std::string("\0dark", 5));
  EXPECT_EQ(EncodeValue(""), std::string(1, '\0'));
  EXPECT_EQ(EncodeValue(Value::Secret("key")), "\1key");
}

// A value is as long as its row: it cannot be cut off or too long, but it can be none.
TEST(CodecTest, ValueWithoutAKnownMarkParsesToNothing) {
  EXPECT_EQ(DecodeValue(""), std::nullopt);
  for (int mark = 0; mark < 256; ++mark) {
    EXPECT_EQ(DecodeValue(std::string(1, static_cast<char>(mark)) + "value").has_value(), mark <= 1)
        << mark;
  }
}

// `decode` takes the bytes of one record, whole; no more and no less.
template <typename Decode>
void ExpectOnlyTheWholeParses(const std::string& bytes, const Decode& decode) {
  EXPECT_TRUE(decode(bytes).has_value());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode(bytes.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(decode(bytes + '\0').has_value());
  EXPECT_FALSE(decode(bytes + bytes).has_value());
}

TEST(CodecTest, BytesThatAreNotExactlyOneRecordParseToNothing) {
  const absl::Time time = absl::FromUnixMicros(1);
  ExpectOnlyTheWholeParses(EncodeSession(SmallRecord()),
                           [](const std::string& bytes) { return DecodeSession(kAlias, bytes); });
  ExpectOnlyTheWholeParses(EncodeReservation({1, time, "intent"}), DecodeReservation);
  ExpectOnlyTheWholeParses(EncodeTurn({time}), DecodeTurn);
  ExpectOnlyTheWholeParses(
      EncodeTurn({time, 1, TurnRecord::Last::kFinished, "digest", "successor", "reply"}),
      DecodeTurn);
  ExpectOnlyTheWholeParses(EncodeRevocation({time, kAlias, kAlias}), DecodeRevocation);
  ExpectOnlyTheWholeParses(
      EncodeCompensation({kAlias, 1, time, "alice", "main", "intent"}),
      [](const std::string& bytes) { return DecodeCompensation(kAlias, bytes); });
  ExpectOnlyTheWholeParses(EncodeEvent(SmallEvent()),
                           [](const std::string& bytes) { return DecodeEvent(7, bytes); });
  ExpectOnlyTheWholeParses(EncodeAttributesHead({1, 2, 3}), DecodeAttributesHead);
}

// What an end would be is read as the label's size otherwise, or the other way round.
TEST(CodecTest, SessionWithTheStateOfOneThatHasEndedMustHaveAnEnd) {
  const std::string ended = EncodeSession(SmallRecord());
  std::string live = ended;
  live.erase(absl::HexStringToBytes(kSmallRecordHex).find(absl::HexStringToBytes("3132")), 3 * 8);
  for (const State state :
       {State::kCreated, State::kInUse, State::kRevoked, State::kExpired, State::kReserved}) {
    for (const bool has_end : {false, true}) {
      std::string bytes = has_end ? ended : live;
      bytes[0] = static_cast<char>(state);
      EXPECT_EQ(DecodeSession(kAlias, bytes).has_value(), IsTerminal(state) == has_end)
          << StateName(state);
    }
  }
}

TEST(CodecTest, SessionThatBeganItsGroupHasNoBytesOfIt) {
  SessionRecord record = SmallRecord();
  record.session.group = kAlias;
  std::string hex = kSmallRecordHex;
  hex.erase(hex.find("1112131415161718"), 16);
  hex.replace(4, 2, "01");
  EXPECT_EQ(absl::BytesToHexString(EncodeSession(record)), hex);
  const auto back = DecodeSession(kAlias, absl::HexStringToBytes(hex));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->session.group, kAlias);
}

TEST(CodecTest, UnknownMarksAndAGroupThatIsMissingOrNoLinkParseToNothing) {
  SessionRecord record = SmallRecord();
  std::string linked = EncodeSession(record);
  record.session.group = kAlias;
  std::string first = EncodeSession(record);
  for (int number = 0; number < 256; ++number) {
    linked[2] = first[2] = static_cast<char>(number);
    EXPECT_EQ(DecodeSession(kAlias, linked).has_value(), number == 2 || number == 3) << number;
    EXPECT_EQ(DecodeSession(kAlias, first).has_value(), number == 0 || number == 1) << number;
  }
  linked[2] = 2;
  const Alias named = SmallRecord().session.group;
  EXPECT_TRUE(DecodeSession(kAlias, linked).has_value());
  EXPECT_FALSE(DecodeSession(named, linked).has_value()) << "linked to itself";
}

TEST(CodecTest, UnknownEventTypeParsesToNothing) {
  std::string bytes = EncodeEvent(SmallEvent());
  for (int number = 0; number < 256; ++number) {
    bytes[0] = static_cast<char>(number);
    EXPECT_EQ(DecodeEvent(7, bytes).has_value(), number >= 1 && number <= 10) << number;
  }
}

TEST(CodecTest, UnknownStateAndKeyTypeParseToNothing) {
  SessionRecord record = SmallRecord();
  std::string ended = EncodeSession(record);
  std::string key_type = ended;
  record.session.state = State::kCreated;
  std::string live = EncodeSession(record);
  for (int number = 0; number < 256; ++number) {
    ended[0] = live[0] = static_cast<char>(number);
    key_type[1] = static_cast<char>(number);
    const bool parses =
        DecodeSession(kAlias, ended).has_value() || DecodeSession(kAlias, live).has_value();
    EXPECT_EQ(parses, number <= 4) << number;
    EXPECT_EQ(DecodeSession(kAlias, key_type).has_value(), number >= 1 && number <= 3) << number;
  }
}

TEST(CodecTest, NeverIsTheLargestTime) {
  EXPECT_EQ(EncodeTime(absl::InfiniteFuture()),
            static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(DecodeTime(EncodeTime(absl::InfiniteFuture())), absl::InfiniteFuture());
}

TEST(CodecTest, DurationWithoutEndIsTheLargest) {
  EXPECT_EQ(EncodeDuration(absl::InfiniteDuration()),
            static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(DecodeDuration(EncodeDuration(absl::InfiniteDuration())), absl::InfiniteDuration());
}

TEST(CodecTest, DurationsAreKeptToTheMicrosecondRoundedDown) {
  EXPECT_EQ(EncodeDuration(absl::Seconds(1) + absl::Nanoseconds(999)), 1'000'000u);
  EXPECT_EQ(DecodeDuration(1'000'000), absl::Seconds(1));
}

TEST(CodecTest, TimesAreKeptToTheMicrosecondRoundedDown) {
  const absl::Time time = absl::FromUnixMicros(1'800'000'000'123'456);
  EXPECT_EQ(DecodeTime(EncodeTime(time + absl::Nanoseconds(999))), time);
  EXPECT_EQ(EncodeTime(time), 1'800'000'000'123'456u);
}

std::string AnyBytes() { return *rc::gen::container<std::string>(rc::gen::arbitrary<char>()); }
Alias AnyAlias() { return Alias(*rc::gen::arbitrary<uint64_t>()); }
int64_t AnyMicros() { return *rc::gen::inRange(int64_t{1}, int64_t{1} << 62); }
absl::Time AnyTime() {
  return *rc::gen::arbitrary<bool>() ? absl::FromUnixMicros(AnyMicros()) : absl::InfiniteFuture();
}

SessionRecord AnyRecord() {
  SessionRecord record;
  Session& session = record.session;
  session.alias = AnyAlias();
  session.created_at = session.alias.time();
  session.state = static_cast<State>(*rc::gen::inRange(0, 5));
  session.key_type = static_cast<KeyType>(*rc::gen::inRange(1, 4));
  session.kind = *rc::gen::arbitrary<uint32_t>();
  session.group = AnyAlias();
  session.expires_at = AnyTime();
  if (*rc::gen::arbitrary<bool>()) session.idle_timeout = absl::Microseconds(AnyMicros());
  if (IsTerminal(session.state)) {
    record.ended_at = AnyTime();
    record.moved_to = AnyAlias();
    record.redirect_until = AnyTime();
  }
  record.never_created = *rc::gen::arbitrary<bool>();
  session.label = AnyBytes();
  session.principal = AnyBytes();
  session.database = AnyBytes();
  record.idempotency_key = AnyBytes();
  session.public_key = AnyBytes();
  session.remote_public_key = AnyBytes();
  record.sealed_private_key = AnyBytes();
  return record;
}

RC_GTEST_PROP(CodecProperty, SessionRoundTrips, ()) {
  const SessionRecord record = AnyRecord();
  const auto back = DecodeSession(record.session.alias, EncodeSession(record));
  RC_ASSERT(back.has_value());
  RC_ASSERT(Describe(*back) == Describe(record));
}

RC_GTEST_PROP(CodecProperty, ReservationRoundTrips, (uint64_t epoch, const std::string& intent)) {
  const absl::Time deadline = AnyTime();
  const auto back = DecodeReservation(EncodeReservation({epoch, deadline, intent}));
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->epoch == epoch);
  RC_ASSERT(back->deadline == deadline);
  RC_ASSERT(back->intent == intent);
}

RC_GTEST_PROP(CodecProperty, TurnRoundTrips, ()) {
  TurnRecord turn{AnyTime()};
  turn.generation = *rc::gen::arbitrary<uint64_t>();
  if (turn.generation > 0) {
    turn.last = *rc::gen::element(TurnRecord::Last::kBegun, TurnRecord::Last::kFinished);
    turn.digest = *rc::gen::nonEmpty<std::string>();
    turn.successor = *rc::gen::nonEmpty<std::string>();
    if (turn.last == TurnRecord::Last::kFinished) turn.reply = *rc::gen::arbitrary<std::string>();
  }
  const auto back = DecodeTurn(EncodeTurn(turn));
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->last_used == turn.last_used);
  RC_ASSERT(back->generation == turn.generation);
  RC_ASSERT(back->last == turn.last);
  RC_ASSERT(back->digest == turn.digest);
  RC_ASSERT(back->successor == turn.successor);
  RC_ASSERT(back->reply == turn.reply);
}

TEST(CodecTest, TurnKeepsRepliesThatAreLongerThanOtherStrings) {
  for (const size_t size : {size_t{65'535}, size_t{65'536}, size_t{1} << 20}) {
    const std::string reply(size, 'r');
    const auto back =
        DecodeTurn(EncodeTurn({{}, 1, TurnRecord::Last::kFinished, "digest", "successor", reply}));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->reply, reply);
  }
}

RC_GTEST_PROP(CodecProperty, RevocationRoundTrips, ()) {
  const RevocationRecord record{AnyTime(), AnyAlias(), AnyAlias()};
  const auto back = DecodeRevocation(EncodeRevocation(record));
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->at == record.at);
  RC_ASSERT(back->except == record.except);
  RC_ASSERT(back->done == record.done);
}

RC_GTEST_PROP(CodecProperty, CompensationRoundTrips, (uint64_t epoch)) {
  const Compensation compensation{AnyAlias(), epoch, AnyTime(), AnyBytes(), AnyBytes(), AnyBytes()};
  const auto back = DecodeCompensation(compensation.alias, EncodeCompensation(compensation));
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->alias == compensation.alias);
  RC_ASSERT(back->epoch == epoch);
  RC_ASSERT(back->at == compensation.at);
  RC_ASSERT(back->principal == compensation.principal);
  RC_ASSERT(back->database == compensation.database);
  RC_ASSERT(back->intent == compensation.intent);
}

RC_GTEST_PROP(CodecProperty, EventRoundTrips, (uint64_t sequence)) {
  const auto type = static_cast<EventType>(*rc::gen::inRange(1, 11));
  const Event event{sequence,   type,       AnyTime(),  AnyAlias(),
                    AnyAlias(), AnyBytes(), AnyBytes(), AnyBytes()};
  const auto back = DecodeEvent(sequence, EncodeEvent(event));
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == event);
}

RC_GTEST_PROP(CodecProperty, AttributesHeadRoundTrips,
              (uint64_t version, uint64_t bytes, uint64_t fields)) {
  const auto back = DecodeAttributesHead(EncodeAttributesHead({version, bytes, fields}));
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->version == version);
  RC_ASSERT(back->bytes == bytes);
  RC_ASSERT(back->fields == fields);
}

RC_GTEST_PROP(CodecProperty, ValueRoundTrips, (const std::string& bytes)) {
  for (const Value& value : {Value(bytes), Value::Secret(bytes)}) {
    RC_ASSERT(DecodeValue(EncodeValue(value)) == value);
  }
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
