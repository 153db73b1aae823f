// Streams from turn to turn: who may resume one, in which order it is refused, and what that costs.

#include "batonstore/store/stream_registry.h"

#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "batonstore/crypto/base64url.h"
#include "batonstore/crypto/baton.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/fake_streams.h"
#include "tests/support/status_matchers.h"
#include "tests/support/stream_fixture.h"

namespace batonstore {

class StreamRegistryPeer {
 public:
  // As if an idle stream had taken all the turns before the one that hands on `generation`.
  static void SkipTo(StreamRegistry& streams, uint64_t id, uint64_t generation) {
    StreamSlot& slot = *streams.slots_.Find(StreamSlot::IndexOf(id));
    MutexLock lock(slot.mu);
    slot.next_generation = generation;
    slot.has_baton = false;
  }
};

namespace {

using testing::Allocations;
using ::testing::ElementsAre;
using testing::FakeCapture;
using testing::FakeConnection;
using testing::FakeStreamHost;
using testing::HasVerdict;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::kCleanEnd;
using testing::StreamFixture;

class StreamRegistryTest : public StreamFixture {
 protected:
  // A baton that the store signed, of any claims.
  std::string Minted(const BatonClaims& claims) { return host_.Ring().Mint(claims); }

  BatonClaims ClaimsOf(absl::string_view baton) { return *host_.Ring().Verify(baton); }
};

TEST_F(StreamRegistryTest, GoesFromTurnToTurn) {
  StreamTurn first = OpenOrDie();
  EXPECT_EQ(first.database(), "accounts");
  EXPECT_EQ(first.principal(), "alice");
  EXPECT_FALSE(first.read_only());
  ASSERT_OK_AND_ASSIGN(std::string baton, first.Finish());
  EXPECT_FALSE(first.is_under_way());
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
    EXPECT_EQ(turn.id(), first.id());
    EXPECT_EQ(turn.database(), "accounts");
    EXPECT_EQ(turn.principal(), "alice");
    ASSERT_OK_AND_ASSIGN(std::string next, turn.Finish());
    EXPECT_NE(next, baton);
    baton = next;
  }
  EXPECT_THAT(journal_.Notes(), IsEmpty());
  EXPECT_EQ(streams_->Count(), 1u);
}

TEST_F(StreamRegistryTest, BatonSaysWhatItIs) {
  const uint64_t id = OpenOrDie().id();
  const std::string baton = NewBaton();
  const BatonClaims claims = ClaimsOf(baton);
  EXPECT_EQ(claims.kind, BatonKind::kStream);
  EXPECT_NE(claims.id, id);
  EXPECT_EQ(claims.generation, 0u);
  EXPECT_EQ(claims.epoch, host_.Epoch());
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
  ASSERT_OK_AND_ASSIGN(const std::string next, turn.Finish());
  EXPECT_EQ(ClaimsOf(next).generation, 1u);
  EXPECT_EQ(ClaimsOf(next).id, claims.id);
}

TEST_F(StreamRegistryTest, ReadOnlyIsTold) {
  OpenStream spec = Spec();
  spec.read_only = true;
  EXPECT_TRUE(OpenOrDie(std::move(spec)).read_only());
}

TEST_F(StreamRegistryTest, OpensBusy) {
  StreamTurn turn = OpenOrDie();
  EXPECT_TRUE(streams_->List().front().busy);
  ASSERT_OK_AND_ASSIGN(const std::string baton, turn.PeekBaton());
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kBusy));
  ASSERT_THAT(turn.Finish(), IsOk());
  EXPECT_THAT(Resume(baton), IsOk());
}

TEST_F(StreamRegistryTest, PeekedBatonIsTheOneThatFinishReturns) {
  StreamTurn turn = OpenOrDie();
  ASSERT_OK_AND_ASSIGN(const std::string peeked, turn.PeekBaton());
  EXPECT_EQ(*turn.PeekBaton(), peeked);
  EXPECT_EQ(*turn.Finish(), peeked);
  ASSERT_OK_AND_ASSIGN(StreamTurn next, Resume(peeked));
  ASSERT_OK_AND_ASSIGN(const std::string peeked_next, next.PeekBaton());
  EXPECT_THAT(Resume(peeked), HasVerdict(Verdict::kBusy));
  EXPECT_THAT(Resume(peeked_next), HasVerdict(Verdict::kBusy));
  host_.SetRing(host_.Ring().Rotated(SystemRandom(), "incarnation"));
  EXPECT_EQ(*next.Finish(), peeked_next);  // also after a key rotation
  EXPECT_THAT(Resume(peeked), HasVerdict(Verdict::kReplayed));
  EXPECT_THAT(Resume(peeked_next), IsOk());
}

TEST_F(StreamRegistryTest, OldBatonsAreReplayed) {
  std::vector<std::string> batons = {NewBaton()};
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(batons.back()));
    ASSERT_OK_AND_ASSIGN(std::string next, turn.Finish());
    batons.push_back(std::move(next));
  }
  const std::string good = batons.back();
  batons.pop_back();
  for (const std::string& old : batons) EXPECT_THAT(Resume(old), HasVerdict(Verdict::kReplayed));
  ASSERT_OK_AND_ASSIGN(const StreamTurn turn, Resume(good));
  for (const std::string& old : batons) EXPECT_THAT(Resume(old), HasVerdict(Verdict::kReplayed));
}

TEST_F(StreamRegistryTest, SignedBatonsOfTurnsToComeAreRefused) {
  BatonClaims claims = ClaimsOf(NewBaton());
  for (const uint64_t generation : {uint64_t{1}, uint64_t{2}, uint64_t{1} << 63, ~uint64_t{0}}) {
    claims.generation = generation;
    EXPECT_THAT(Resume(Minted(claims)), HasVerdict(Verdict::kReplayed)) << generation;
  }
}

TEST_F(StreamRegistryTest, AnyBatonOfTheGenerationWillDoIfTheStoreSignedIt) {
  const BatonClaims claims = ClaimsOf(NewBaton());
  host_.SetRing(host_.Ring().Rotated(SystemRandom(), "incarnation"));
  EXPECT_THAT(Resume(Minted(claims)), IsOk());
}

TEST_F(StreamRegistryTest, BatonOfARetiredKeyIsLost) {
  const std::string baton = NewBaton();
  const uint32_t old_key = host_.Ring().primary_key_id();
  host_.SetRing(host_.Ring().Rotated(SystemRandom(), "incarnation"));
  host_.SetRing(*host_.Ring().Retired(old_key));
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kLost));
}

TEST_F(StreamRegistryTest, TurnUnderWayOutlivesTheRetirementOfItsKey) {
  StreamTurn turn = OpenOrDie();
  const uint32_t old_key = host_.Ring().primary_key_id();
  host_.SetRing(host_.Ring().Rotated(SystemRandom(), "incarnation"));
  host_.SetRing(*host_.Ring().Retired(old_key));
  ASSERT_OK_AND_ASSIGN(const std::string baton, turn.Finish());
  EXPECT_THAT(Resume(baton), IsOk());
}

// ---- Forgeries ----

TEST_F(StreamRegistryTest, EveryFlippedBitIsForged) {
  const std::string baton = NewBaton();
  for (size_t bit = 0; bit < 8 * baton.size(); ++bit) {
    std::string forged = baton;
    forged[bit / 8] = static_cast<char>(forged[bit / 8] ^ (1 << bit % 8));
    EXPECT_THAT(Resume(forged), HasVerdict(Verdict::kForged)) << "bit " << bit << " of the text";
  }
  std::array<uint8_t, kBatonSize> bytes;
  ASSERT_TRUE(Base64UrlDecode(baton, absl::MakeSpan(bytes)));
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::array<uint8_t, kBatonSize> flipped = bytes;
    flipped[bit / 8] = static_cast<uint8_t>(flipped[bit / 8] ^ (1 << bit % 8));
    std::string forged(kBatonLength, '\0');
    Base64UrlEncode(flipped, absl::MakeSpan(forged.data(), forged.size()));
    EXPECT_THAT(Resume(forged), HasVerdict(Verdict::kForged)) << "bit " << bit << " of the bytes";
  }
  EXPECT_THAT(Resume(baton), IsOk());
}

TEST_F(StreamRegistryTest, OtherLengthsAreForged) {
  const std::string baton = NewBaton();
  for (size_t length = 0; length < baton.size(); ++length) {
    EXPECT_THAT(Resume(baton.substr(0, length)), HasVerdict(Verdict::kForged)) << length;
    EXPECT_THAT(Resume(baton.substr(length + 1)), HasVerdict(Verdict::kForged)) << length;
  }
  EXPECT_THAT(Resume(baton + "A"), HasVerdict(Verdict::kForged));
  EXPECT_THAT(Resume(baton + baton), HasVerdict(Verdict::kForged));
  EXPECT_THAT(Resume(std::string(kBatonLength, '\0')), HasVerdict(Verdict::kForged));
  EXPECT_THAT(Resume(std::string(kBatonLength, 'A')), HasVerdict(Verdict::kForged));
}

TEST_F(StreamRegistryTest, ForgeriesAreForgedWhateverTheStreamIsDoing) {
  std::string forged;
  {
    StreamTurn turn = OpenOrDie();
    forged = *turn.PeekBaton();
    forged[40] = forged[40] == 'A' ? 'B' : 'A';
    EXPECT_THAT(Resume(forged), HasVerdict(Verdict::kForged));  // busy
  }
  EXPECT_THAT(Resume(forged), HasVerdict(Verdict::kForged));  // gone
  EXPECT_THAT(streams_->Resume(forged, "other", "mallory"), HasVerdict(Verdict::kForged));
}

TEST_F(StreamRegistryTest, SessionBatonIsNoStreamBaton) {
  BatonClaims claims = ClaimsOf(NewBaton());
  claims.kind = BatonKind::kSession;
  EXPECT_THAT(Resume(Minted(claims)), HasVerdict(Verdict::kForged));
}

TEST_F(StreamRegistryTest, AfterARestartABatonIsLostAndAForgeryForged) {
  const std::string baton = NewBaton();
  const FakeStreamHost host_again(host_, host_.Epoch() + 1);
  StreamRegistry again(host_again, clock_);
  EXPECT_THAT(again.Resume(baton, "accounts", "alice"), HasVerdict(Verdict::kLost));
  EXPECT_THAT(again.Resume(baton, "accounts", "mallory"), HasVerdict(Verdict::kLost));
  // Also when a stream of the new epoch has the same id.
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, again.Open({.database = "accounts", .principal = "alice"}));
  EXPECT_EQ(turn.id(), ClaimsOf(baton).id);
  EXPECT_THAT(again.Resume(baton, "accounts", "alice"), HasVerdict(Verdict::kLost));
  std::string forged = baton;
  forged[60] = forged[60] == 'A' ? 'B' : 'A';
  EXPECT_THAT(again.Resume(forged, "accounts", "alice"), HasVerdict(Verdict::kForged));
  const FakeStreamHost stranger(host_.Epoch());
  StreamRegistry elsewhere(stranger, clock_);
  EXPECT_THAT(elsewhere.Resume(baton, "accounts", "alice"), HasVerdict(Verdict::kForged));
}

// ---- Bindings and the order of checks ----

TEST_F(StreamRegistryTest, WrongBindingsUseNothingUpAndRefreshNothing) {
  const std::string baton = NewBaton();
  clock_.Advance(absl::Seconds(59));
  EXPECT_THAT(streams_->Resume(baton, "other", "alice"), HasVerdict(Verdict::kWrongDatabase));
  EXPECT_THAT(streams_->Resume(baton, "accounts", "mallory"), HasVerdict(Verdict::kWrongPrincipal));
  EXPECT_THAT(streams_->Resume(baton, "other", "mallory"), HasVerdict(Verdict::kWrongDatabase));
  EXPECT_EQ(streams_->List().front().idle, absl::Seconds(59));
  EXPECT_FALSE(streams_->List().front().busy);
  clock_.Advance(absl::Milliseconds(999));
  EXPECT_THAT(Resume(baton), IsOk());
}

TEST_F(StreamRegistryTest, BindingsAreComparedByteByByte) {
  OpenStream spec = Spec();
  spec.principal = std::string("al\0ice", 6);
  const std::string baton = NewBaton(std::move(spec));
  for (const absl::string_view other : {"", "al", "alice", "Alice", "al\0icf"}) {
    EXPECT_THAT(streams_->Resume(baton, "accounts", other), HasVerdict(Verdict::kWrongPrincipal));
  }
  const absl::string_view principal("al\0ice", 6);
  for (const absl::string_view other : {"", "account", "Accounts", "accountt", "accounts2"}) {
    EXPECT_THAT(streams_->Resume(baton, other, principal), HasVerdict(Verdict::kWrongDatabase));
  }
  EXPECT_THAT(streams_->Resume(baton, "accounts", principal), IsOk());
}

TEST_F(StreamRegistryTest, AThiefIsToldTheSameWhateverTheStreamIsDoing) {
  const std::string first = NewBaton();
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(first));
  const auto thief = [&](absl::string_view baton) {
    EXPECT_THAT(streams_->Resume(baton, "accounts", "mallory"),
                HasVerdict(Verdict::kWrongPrincipal));
    EXPECT_THAT(streams_->Resume(baton, "other", "alice"), HasVerdict(Verdict::kWrongDatabase));
  };
  thief(first);  // busy
  ASSERT_OK_AND_ASSIGN(const std::string second, turn.Finish());
  thief(first);   // replayed
  thief(second);  // idle
  clock_.Advance(absl::Hours(1));
  thief(first);  // expired
  thief(second);
}

TEST_F(StreamRegistryTest, ExpiredComesBeforeReplayedAndReplayedBeforeBusy) {
  const std::string first = NewBaton();
  std::string second;
  {
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(first));
    ASSERT_OK_AND_ASSIGN(second, turn.Finish());
  }
  {
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(second));
    EXPECT_THAT(Resume(first), HasVerdict(Verdict::kReplayed));
    EXPECT_THAT(Resume(second), HasVerdict(Verdict::kBusy));
    clock_.Advance(absl::Minutes(5));
    EXPECT_THAT(Resume(second), HasVerdict(Verdict::kExpired));  // it will not be resumed again
    ASSERT_OK_AND_ASSIGN(second, turn.Finish());
  }
  EXPECT_THAT(Resume(first), HasVerdict(Verdict::kExpired));
  EXPECT_THAT(Resume(second), HasVerdict(Verdict::kExpired));
}

TEST_F(StreamRegistryTest, ForgedReplayedAndNotFoundLookTheSameOnTheWire) {
  const std::string first = NewBaton();
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(first));
  ASSERT_OK_AND_ASSIGN(const std::string second, turn.Finish());
  const absl::Status replayed = Resume(first).status();
  const absl::Status forged = Resume(first + "A").status();
  ASSERT_THAT(Resume(second)->Close(), IsOk());
  const absl::Status not_found = Resume(second).status();
  ASSERT_THAT(not_found, HasVerdict(Verdict::kNotFound));
  EXPECT_EQ(WireStatus(replayed), WireStatus(forged));
  EXPECT_EQ(WireStatus(replayed), WireStatus(not_found));
}

TEST_F(StreamRegistryTest, AnEndedStreamIsNotFoundAlsoWhenItsPlaceIsTakenAgain) {
  const std::string baton = NewBaton();
  ASSERT_THAT(Resume(baton)->Close(), IsOk());
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kNotFound));
  for (int i = 0; i < 10; ++i) {
    const std::string other = NewBaton();
    EXPECT_NE(other, baton);
    EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kNotFound));
    ASSERT_THAT(Resume(other)->Close(), IsOk());
  }
}

TEST_F(StreamRegistryTest, BatonsOfStreamsThatNeverWereAreNotFound) {
  const std::string baton = NewBaton();
  for (const uint64_t id : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{5000}}) {
    BatonClaims claims = ClaimsOf(baton);
    claims.id = id;
    EXPECT_THAT(Resume(Minted(claims)), HasVerdict(Verdict::kNotFound)) << id;
  }
}

// ---- Time ----

TEST_F(StreamRegistryTest, IdleStreamExpiresWithoutTheReaper) {
  const std::string baton = NewBaton();
  clock_.Advance(absl::Seconds(60) - absl::Nanoseconds(1));
  EXPECT_THAT(Resume(baton)->Finish(), IsOk());
  const std::string other = NewBaton();
  clock_.Advance(absl::Seconds(60));
  EXPECT_THAT(Resume(other), HasVerdict(Verdict::kExpired));
  EXPECT_THAT(Resume(other), HasVerdict(Verdict::kExpired));
}

TEST_F(StreamRegistryTest, FinishStartsTheIdleClockAnew) {
  std::string baton = NewBaton();
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(absl::Seconds(50));
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
    EXPECT_EQ(streams_->List().front().idle, absl::ZeroDuration());
    ASSERT_OK_AND_ASSIGN(baton, turn.Finish());
  }
  EXPECT_EQ(streams_->List().front().age, absl::Seconds(250));
  clock_.Advance(absl::Seconds(50));  // 300 seconds old
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kExpired));
}

TEST_F(StreamRegistryTest, ALongTurnIsNotIdle) {
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(NewBaton()));
  clock_.Advance(absl::Seconds(200));
  ASSERT_OK_AND_ASSIGN(const std::string baton, turn.Finish());
  clock_.Advance(absl::Seconds(59));
  EXPECT_THAT(Resume(baton), IsOk());
}

TEST_F(StreamRegistryTest, WallClockThatJumpsADayChangesNothing) {
  for (const absl::Duration jump : {absl::Hours(24), absl::Hours(-24)}) {
    std::string baton = NewBaton();
    clock_.JumpWall(jump);
    EXPECT_EQ(streams_->Reap(), 0u);
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
    clock_.JumpWall(jump);
    ASSERT_OK_AND_ASSIGN(baton, turn.Finish());
    clock_.Advance(absl::Seconds(60));
    clock_.JumpWall(jump);
    EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kExpired));
    EXPECT_EQ(streams_->Reap(), 1u);
  }
}

TEST_F(StreamRegistryTest, ZeroOrLessIsTheDefault) {
  const StreamOptions defaults = StreamOptions().WithDefaults();
  EXPECT_EQ(defaults.idle_timeout, absl::Seconds(60));
  EXPECT_EQ(defaults.max_age, absl::Minutes(5));
  EXPECT_EQ(defaults.max_per_database, 64);
  EXPECT_EQ(defaults.rollback_timeout, absl::Seconds(5));
  EXPECT_EQ(defaults.reap_every, absl::Seconds(1));
  EXPECT_EQ(defaults.max_sql_texts, 256);
  EXPECT_EQ(defaults.max_sql_bytes, 1 << 20);
  EXPECT_EQ(defaults.max_batons, std::numeric_limits<uint64_t>::max());
  Restart({.idle_timeout = -absl::InfiniteDuration(),
           .max_age = absl::Seconds(-1),
           .max_per_database = -1,
           .rollback_timeout = absl::Seconds(-5),
           .reap_every = absl::Seconds(-1),
           .max_sql_texts = -1,
           .max_sql_bytes = -1});
  std::vector<std::string> batons;
  for (int i = 0; i < 64; ++i) batons.push_back(NewBaton());
  EXPECT_THAT(streams_->Open(Spec()), HasVerdict(Verdict::kTooMany));
  clock_.Advance(absl::Seconds(59));
  EXPECT_EQ(streams_->Reap(), 0u);
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(batons.front()));
  EXPECT_THAT(turn.StoreSql(1, "SELECT 1"), IsOk());
  journal_.Take();
  EXPECT_THAT(turn.Close(), IsOk());
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

TEST_F(StreamRegistryTest, InfiniteIsNoLimit) {
  Restart({.idle_timeout = absl::InfiniteDuration(), .max_age = absl::InfiniteDuration()});
  std::string baton = NewBaton();
  clock_.Advance(absl::Hours(24 * 365));
  EXPECT_EQ(streams_->Reap(), 0u);
  EXPECT_THAT(Resume(baton), IsOk());
}

// ---- The last generation ----

TEST_F(StreamRegistryTest, LastBatonIsTheLast) {
  Restart({.max_batons = 3});
  std::string baton = NewBaton();
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
    ASSERT_OK_AND_ASSIGN(baton, turn.Finish());
  }
  EXPECT_EQ(ClaimsOf(baton).generation, 2u);
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
  EXPECT_THAT(turn.PeekBaton(), HasVerdict(Verdict::kExpired));
  EXPECT_TRUE(turn.is_under_way());
  EXPECT_THAT(journal_.Notes(), IsEmpty());
  EXPECT_THAT(turn.Finish(), HasVerdict(Verdict::kExpired));
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kNotFound));
  EXPECT_EQ(streams_->Count(), 0u);
}

TEST_F(StreamRegistryTest, GenerationAtItsMaximumDoesNotWrap) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  BatonClaims claims = ClaimsOf(NewBaton());
  StreamRegistryPeer::SkipTo(*streams_, claims.id, kMost - 1);
  claims.generation = kMost - 2;
  const std::string baton = Minted(claims);
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, Resume(baton));
  ASSERT_OK_AND_ASSIGN(const std::string last, turn.Finish());
  EXPECT_EQ(ClaimsOf(last).generation, kMost - 1);
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kReplayed));
  for (const uint64_t generation : {uint64_t{0}, kMost}) {
    claims.generation = generation;
    EXPECT_THAT(Resume(Minted(claims)), HasVerdict(Verdict::kReplayed)) << generation;
  }
  ASSERT_OK_AND_ASSIGN(StreamTurn worn_out, Resume(last));
  EXPECT_THAT(worn_out.PeekBaton(), HasVerdict(Verdict::kExpired));
  EXPECT_THAT(worn_out.Finish(), HasVerdict(Verdict::kExpired));
  EXPECT_EQ(journal_.Notes(), kCleanEnd);
}

// ---- What a turn offers ----

TEST_F(StreamRegistryTest, ConnectionIsTheSameInEveryTurn) {
  StreamTurn turn = OpenOrDie();
  ASSERT_NE(turn.connection<FakeConnection>(), nullptr);
  turn.connection<FakeConnection>()->number = 42;
  EXPECT_NE(turn.connection<PinnedConnection>(), nullptr);
  ASSERT_OK_AND_ASSIGN(const std::string baton, turn.Finish());
  EXPECT_EQ(Resume(baton)->connection<FakeConnection>()->number, 42);
  EXPECT_EQ(OpenOrDie({.database = "accounts"}).connection<FakeConnection>(), nullptr);
}

TEST_F(StreamRegistryTest, ConnectionOfAnotherTypeIsNull) {
  class OtherConnection : public PinnedConnection {
    absl::Status Rollback(absl::Time) override { return absl::OkStatus(); }
    void ReturnToPool() noexcept override {}
    void Discard() noexcept override {}
  };
  OpenStream spec = Spec();
  spec.connect = nullptr;
  spec.connection = std::make_unique<OtherConnection>();
  const StreamTurn turn = OpenOrDie(std::move(spec));
  EXPECT_EQ(turn.connection<FakeConnection>(), nullptr);
  EXPECT_NE(turn.connection<OtherConnection>(), nullptr);
}

TEST_F(StreamRegistryTest, SqlTextsOutliveTheTurnAndDieWithTheStream) {
  StreamTurn turn = OpenOrDie();
  EXPECT_THAT(turn.LookupSql(1), HasVerdict(Verdict::kNotFound));
  EXPECT_FALSE(turn.DropSql(1));
  EXPECT_THAT(turn.StoreSql(1, "SELECT 1"), IsOk());
  EXPECT_THAT(turn.StoreSql(1, "SELECT 2"), HasVerdict(Verdict::kExists));
  ASSERT_OK_AND_ASSIGN(const std::string baton, turn.Finish());
  ASSERT_OK_AND_ASSIGN(StreamTurn next, Resume(baton));
  EXPECT_EQ(*next.LookupSql(1), "SELECT 1");
  EXPECT_TRUE(next.DropSql(1));
  EXPECT_FALSE(next.DropSql(1));
  EXPECT_THAT(next.StoreSql(7, "SELECT 7"), IsOk());
  EXPECT_THAT(next.Close(), IsOk());
  EXPECT_THAT(OpenOrDie().LookupSql(7), HasVerdict(Verdict::kNotFound));  // in the same slot
}

TEST_F(StreamRegistryTest, SqlTextsAreCapped) {
  Restart({.max_sql_texts = 2, .max_sql_bytes = 10});
  StreamTurn turn = OpenOrDie();
  EXPECT_THAT(turn.StoreSql(1, "12345678901"), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(turn.StoreSql(1, "1234567890"), IsOk());
  EXPECT_THAT(turn.StoreSql(2, "1"), HasVerdict(Verdict::kTooMany));
  EXPECT_THAT(turn.StoreSql(2, ""), IsOk());
  EXPECT_THAT(turn.StoreSql(3, ""), HasVerdict(Verdict::kTooMany));
  EXPECT_TRUE(turn.DropSql(1));
  EXPECT_THAT(turn.StoreSql(3, "1234567890"), IsOk());
}

TEST_F(StreamRegistryTest, CaptureHasOneTaker) {
  StreamTurn turn = OpenOrDie();
  EXPECT_FALSE(turn.HasCapture());
  EXPECT_EQ(turn.TakeCapture(), nullptr);
  EXPECT_THAT(turn.SetCapture(std::make_unique<FakeCapture>(journal_)), IsOk());
  EXPECT_TRUE(turn.HasCapture());
  ASSERT_OK_AND_ASSIGN(const std::string baton, turn.Finish());
  ASSERT_OK_AND_ASSIGN(StreamTurn next, Resume(baton));
  EXPECT_TRUE(next.HasCapture());
  EXPECT_THAT(next.SetCapture(nullptr), HasVerdict(Verdict::kExists));
  EXPECT_NE(next.TakeCapture(), nullptr);
  EXPECT_EQ(next.TakeCapture(), nullptr);
  EXPECT_FALSE(next.HasCapture());
  EXPECT_THAT(journal_.Take(), ElementsAre("close capture"));
  EXPECT_THAT(next.SetCapture(std::make_unique<FakeCapture>(journal_)), IsOk());
}

TEST_F(StreamRegistryTest, ATurnThatIsOverRefuses) {
  StreamTurn turn = OpenOrDie();
  ASSERT_OK_AND_ASSIGN(const std::string baton, turn.Finish());
  EXPECT_THAT(turn.Finish(), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(turn.PeekBaton(), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(turn.Close(), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(turn.StoreSql(1, ""), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(turn.LookupSql(1), HasVerdict(Verdict::kInvalid));
  EXPECT_FALSE(turn.DropSql(1));
  EXPECT_THAT(turn.SetCapture(nullptr), HasVerdict(Verdict::kInvalid));
  EXPECT_FALSE(turn.HasCapture());
  EXPECT_EQ(turn.TakeCapture(), nullptr);
  EXPECT_THAT(journal_.Notes(), IsEmpty());
  EXPECT_THAT(Resume(baton), IsOk());
}

TEST_F(StreamRegistryTest, MovingATurnMovesTheStream) {
  StreamTurn first = OpenOrDie();
  StreamTurn moved = std::move(first);
  EXPECT_FALSE(first.is_under_way());
  EXPECT_TRUE(moved.is_under_way());
  StreamTurn other = OpenOrDie();
  other = std::move(moved);
  EXPECT_EQ(journal_.Notes(), kCleanEnd);  // of the one that was there
  EXPECT_THAT(other.Finish(), IsOk());
}

// ---- Costs ----

TEST_F(StreamRegistryTest, ResumeNeverAllocates) {
  StreamTurn opened =
      OpenOrDie({.database = std::string(100, 'd'), .principal = std::string(100, 'p')});
  const std::string database = opened.database();
  const std::string principal(opened.principal());
  std::string baton = *opened.Finish();
  std::string old;
  EXPECT_THAT(Resume(old), HasVerdict(Verdict::kForged));  // the status is made at its first use
  std::string forged = baton;
  forged[50] = forged[50] == 'A' ? 'B' : 'A';
  for (int i = 0; i < 10; ++i) {
    uint64_t before = Allocations();
    absl::StatusOr<StreamTurn> turn = streams_->Resume(baton, database, principal);
    EXPECT_EQ(Allocations() - before, 0u);
    ASSERT_THAT(turn, IsOk());
    before = Allocations();
    const absl::StatusOr<StreamTurn> busy = streams_->Resume(baton, database, principal);
    const absl::StatusOr<StreamTurn> thief = streams_->Resume(baton, database, database);
    const absl::StatusOr<StreamTurn> stranger = streams_->Resume(forged, database, principal);
    const absl::StatusOr<StreamTurn> replayed = streams_->Resume(old, database, principal);
    EXPECT_EQ(Allocations() - before, 0u);
    EXPECT_THAT(busy, HasVerdict(Verdict::kBusy));
    EXPECT_THAT(thief, HasVerdict(Verdict::kWrongPrincipal));
    EXPECT_THAT(stranger, HasVerdict(Verdict::kForged));
    old = std::exchange(baton, *turn->Finish());
  }
}

TEST_F(StreamRegistryTest, HundredThousandLiveStreams) {
  constexpr int kStreams = 100'000;
  Restart({.max_per_database = kStreams});
  std::vector<std::string> batons;
  for (int i = 0; i < kStreams; ++i) {
    ASSERT_OK_AND_ASSIGN(StreamTurn turn,
                         streams_->Open({.database = "accounts", .principal = absl::StrCat(i)}));
    ASSERT_OK_AND_ASSIGN(std::string baton, turn.Finish());
    batons.push_back(std::move(baton));
  }
  EXPECT_THAT(streams_->Open(Spec()), HasVerdict(Verdict::kTooMany));
  EXPECT_EQ(streams_->Count(), size_t{kStreams});
  EXPECT_EQ(streams_->List().size(), size_t{kStreams});
  for (int i = 0; i < kStreams; ++i) {
    ASSERT_OK_AND_ASSIGN(StreamTurn turn, streams_->Resume(batons[i], "accounts", absl::StrCat(i)));
    ASSERT_OK_AND_ASSIGN(batons[i], turn.Finish());
  }
  clock_.Advance(absl::Seconds(30));
  for (int i = 0; i < kStreams / 2; ++i) {
    ASSERT_THAT(streams_->Resume(batons[i], "accounts", absl::StrCat(i))->Finish(), IsOk());
  }
  clock_.Advance(absl::Seconds(30));
  EXPECT_EQ(streams_->Reap(), size_t{kStreams} / 2);
  EXPECT_EQ(streams_->Count({.database = "accounts"}), size_t{kStreams} / 2);
  EXPECT_EQ(streams_->CloseAll(), size_t{kStreams} / 2);
  EXPECT_EQ(streams_->Count(), 0u);
}

}  // namespace
}  // namespace batonstore
