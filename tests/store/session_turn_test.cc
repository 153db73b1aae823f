// Durable turns on sessions, on the in-memory engine: who gets a turn, an answer again, or which
// refusal, and what is on the disk after each.

#include "batonstore/store/session_turn.h"

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store.h"
#include "tests/support/session_turn_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStore;

using SessionTurnTest = testing::SessionTurnFixture;

// ---- Rotation ----

TEST_F(SessionTurnTest, TurnHandsOnTheNextBaton) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  std::optional<SessionTurn> turn;
  ExpectNoChange([&] {
    turn = Turn(first);
    return absl::OkStatus();
  });
  EXPECT_EQ(testing::Describe(turn->session()), testing::Describe(session));
  EXPECT_EQ(turn->generation(), 0u);
  EXPECT_TRUE(turn->is_open());

  std::string second;
  EXPECT_EQ(CommitsOf([&] { second = Finish(*std::move(turn)); }), 1u);
  EXPECT_NE(second, first);
  EXPECT_THAT(store().Verify(second, "main", "alice"), IsOk());
  ExpectRefused(Verdict::kReplayed, [&] { return store().Verify(first, "main", "alice"); });

  SessionTurn next = Turn(second, "another request");
  EXPECT_EQ(next.generation(), 1u);
  const std::string third = Finish(std::move(next));
  EXPECT_NE(third, second);
  EXPECT_THAT(store().Verify(third, "main", "alice"), IsOk());
}

TEST_F(SessionTurnTest, TurnWritesItsRowAndTheTimeAndNothingElse) {
  const Session session = Create();
  std::string baton = Issue(session.alias);
  for (int i = 0; i < 3; ++i) {
    Advance(absl::Seconds(1));
    const MemoryEngine::Rows before = engine().Committed();
    baton = Use(baton, absl::StrCat("request ", i));
    const MemoryEngine::Rows after = engine().Committed();
    for (const Table table : kAllTables) {
      const bool may_change = table == Table::kTurns || table == Table::kMeta;
      EXPECT_EQ(before[TableIndex(table)] != after[TableIndex(table)], may_change)
          << TableName(table);
    }
  }
  EXPECT_EQ(RowsIn(Table::kTurns), 1u);
}

TEST_F(SessionTurnTest, SameRequestIsAnsweredAgainByteForByte) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  const std::string reply("all\0bytes\xff", 10);
  const std::string second = Use(first, "request", reply);
  for (int i = 0; i < 3; ++i) ExpectReplay(first, "request", {reply, second});
  Restart();
  ExpectReplay(first, "request", {reply, second});
  ASSERT_THAT(store().Close(), IsOk());
  Restart();
  ExpectReplay(first, "request", {reply, second});
  EXPECT_NE(Use(second), "");
}

TEST_F(SessionTurnTest, SameSuccessorIsHandedOutAfterASigningKeyRotation) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  const std::string second = Use(first);
  ASSERT_THAT(store().RotateSigningKey(), IsOk());
  ExpectReplay(first, "request", {"reply", second});
  EXPECT_EQ(Issue(session.alias), second);
  Restart();
  ExpectReplay(first, "request", {"reply", second});
  EXPECT_THAT(Resume(second), IsOk());
}

TEST_F(SessionTurnTest, PredecessorWithAnotherRequestIsReusedAndOlderOnesAreReplayed) {
  const Session session = Create();
  std::vector<std::string> batons = {Issue(session.alias)};
  for (int i = 0; i < 4; ++i) batons.push_back(Use(batons.back(), absl::StrCat("request ", i)));
  for (int restart = 0; restart < 2; ++restart) {
    ExpectRefused(Verdict::kReused, [&] { return Resume(batons[3], "another"); });
    ExpectRefused(Verdict::kReused, [&] { return Resume(batons[3], "request "); });
    for (int i = 0; i < 3; ++i) {
      ExpectRefused(Verdict::kReplayed, [&] { return Resume(batons[i], "another"); });
      ExpectRefused(Verdict::kReplayed,
                    [&] { return Resume(batons[i], absl::StrCat("request ", i)); });
    }
    ExpectReplay(batons[3], "request 3", {"reply", batons[4]});
    Restart();
  }
}

TEST_F(SessionTurnTest, ReplyIsKeptUntilTheTurnOfItsSuccessorFinishes) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  const std::string second = Use(first, "one", std::string(10'000, 'r'));
  const size_t size = SizeOfTurn(session.alias);
  {
    SessionTurn dropped = Turn(second, "two");
    ExpectReplay(first, "one", {std::string(10'000, 'r'), second});
  }
  ExpectReplay(first, "one", {std::string(10'000, 'r'), second});
  Use(second, "two", "");
  EXPECT_EQ(SizeOfTurn(session.alias), size - 10'000);
  ExpectRefused(Verdict::kReplayed, [&] { return Resume(first, "one"); });
}

TEST_F(SessionTurnTest, BatonsOfSessionsSurviveRestarts) {
  const Session session = Create();
  std::string baton = Issue(session.alias);
  for (int i = 0; i < 5; ++i) {
    Restart();
    baton = Use(baton, absl::StrCat("request ", i));
    Restart();
    EXPECT_EQ(Issue(session.alias), baton);
    EXPECT_THAT(store().Verify(baton, "main", "alice"), IsOk());
  }
}

TEST_F(SessionTurnTest, SessionsRotateEachOnItsOwn) {
  const Session one = Create();
  const Session other = Create();
  SessionTurn of_one = Turn(Issue(one.alias));
  SessionTurn of_other = Turn(Issue(other.alias));
  const std::string next = Finish(std::move(of_one));
  EXPECT_THAT(store().Verify(next, "main", "alice"), IsOk());
  EXPECT_EQ(RowsIn(Table::kTurns), 1u);
  EXPECT_NE(Finish(std::move(of_other)), next);
}

// ---- Issue and turns ----

TEST_F(SessionTurnTest, IssuingAnewGivesTheCurrentBatonAndRotatesNothing) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  const std::string second = Use(first);
  ExpectNoChange([&] { return store().Issue(session.alias); });
  EXPECT_EQ(Issue(session.alias), second);
  SessionTurn turn = Turn(second, "two");
  const std::string issued_meanwhile = Issue(session.alias);
  EXPECT_EQ(issued_meanwhile, second);
  const std::string third = Finish(std::move(turn));
  EXPECT_EQ(Issue(session.alias), third);
  ExpectRefused(Verdict::kReused, [&] { return Resume(issued_meanwhile, "three"); });
}

TEST_F(SessionTurnTest, IssueHelpsOnWhenTheKeyOfTheStoredBatonIsRetired) {
  const Session session = Create();
  const uint32_t old_key = store().SigningKeys().back().id;
  const std::string first = Issue(session.alias);
  const std::string second = Use(first);
  ASSERT_THAT(store().RotateSigningKey(), IsOk());
  ASSERT_THAT(store().RetireSigningKey(old_key), IsOk());
  for (const std::string& lost : {first, second}) {
    ExpectRefused(Verdict::kLost, [&] { return Resume(lost); });
    ExpectRefused(Verdict::kLost, [&] { return store().Resume(lost, "r", "other", "eve"); });
  }
  const std::string fresh = Issue(session.alias);
  EXPECT_NE(fresh, second);
  SessionTurn turn = Turn(fresh);
  EXPECT_EQ(turn.generation(), 1u);
  EXPECT_THAT(turn.Finish("reply"), IsOk());
}

// What a restore does: a new incarnation with a new key, the old one retired.
TEST_F(SessionTurnTest, BatonsOfAnEarlierIncarnationAreLost) {
  const Session session = Create();
  const std::string baton = Use(Issue(session.alias));
  memory().Tamper([&](Transaction& transaction) {
    const recovery::Identity identity = memory().Identity();
    const std::string incarnation(16, 'i');
    const Keyring ring = *identity.keyring->Rotated(SystemRandom(), incarnation)
                              .Retired(identity.keyring->primary_key_id());
    const SecretBytes key(std::string(kKeyEncryptionKeyBytes, 'k'));
    EXPECT_THAT(transaction.Put(Table::kMeta, meta::kIncarnation, incarnation), IsOk());
    return transaction.Put(Table::kMeta, meta::kKeyring,
                           SealUnderKeyEncryptionKey(key, identity.store_id, meta::kKeyring,
                                                     ring.Serialize(), SystemRandom()));
  });
  Restart();
  ExpectRefused(Verdict::kLost, [&] { return Resume(baton); });
  EXPECT_THAT(Resume(Issue(session.alias)), IsOk());
}

TEST_F(SessionTurnTest, NewIdentityStartsARotationOfItsOwn) {
  const Session session = Create();
  const std::string old_baton = Use(Issue(session.alias));
  ASSERT_OK_AND_ASSIGN(const Session fresh, store().CycleKey(session.alias));
  EXPECT_EQ(RowsIn(Table::kTurns), 0u);
  ExpectRefused(Verdict::kMoved, [&] { return Resume(old_baton); });
  SessionTurn turn = Turn(Issue(fresh.alias));
  EXPECT_EQ(turn.generation(), 0u);
  Finish(std::move(turn));
  Advance(absl::Minutes(1));
  ExpectRefused(Verdict::kRevoked, [&] { return Resume(old_baton); });
}

// ---- The order of checks ----

TEST_F(SessionTurnTest, ChecksComeInTheOrderThatTellsAThiefNothing) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  const std::string second = Use(first);
  const std::string third = Use(second);
  SessionTurn turn = Turn(third);  // busy from here on
  for (const std::string& baton : {first, second, third}) {
    const auto resume = [&](const std::string& digest, const std::string& database,
                            const std::string& principal) {
      return store().Resume(baton, digest, database, principal);
    };
    ExpectRefused(Verdict::kInvalid, [&] { return resume("", "other", "eve"); });
    ExpectRefused(Verdict::kForged,
                  [&] { return store().Resume(baton + "A", "request", "other", "eve"); });
    ExpectRefused(Verdict::kWrongDatabase, [&] { return resume("request", "other", "eve"); });
    ExpectRefused(Verdict::kWrongDatabase, [&] { return resume("request", "mai", "alice"); });
    ExpectRefused(Verdict::kWrongPrincipal, [&] { return resume("request", "main", "eve"); });
    ExpectRefused(Verdict::kWrongPrincipal, [&] { return resume("request", "main", ""); });
  }
  ExpectRefused(Verdict::kReplayed, [&] { return Resume(first); });
  ExpectRefused(Verdict::kReused, [&] { return Resume(second, "another"); });
  ExpectReplay(second, "request", {"reply", third});
  ExpectRefused(Verdict::kBusy, [&] { return Resume(third); });
  ASSERT_THAT(store().Revoke(session.alias), IsOk());
  for (const std::string& baton : {first, second, third}) {
    ExpectRefused(Verdict::kRevoked, [&] { return Resume(baton); });
    ExpectRefused(Verdict::kWrongPrincipal,
                  [&] { return store().Resume(baton, "request", "main", "eve"); });
  }
}

TEST_F(SessionTurnTest, OnlyTheBatonOfASessionThatIsThereAndCreatedTakesATurn) {
  const Session session = Create();
  ExpectRefused(Verdict::kForged,
                [&] { return Resume(Signed(session.alias, 0, BatonKind::kStream)); });
  ExpectRefused(Verdict::kNotFound, [&] { return Resume(Signed(Alias(1), 0)); });
  const std::string reserved = Signed(Reserve().alias, 0);
  ExpectRefused(Verdict::kReserved, [&] { return Resume(reserved); });
  MemoryStore other;
  const std::string forged =
      other.Identity().keyring->Mint({BatonKind::kSession, session.alias.value(), 0, 1});
  ExpectRefused(Verdict::kForged, [&] { return Resume(forged); });

  SessionSpec spec = LastingSpec();
  spec.expires_at = Now() + absl::Minutes(1);
  const std::string expiring = Issue(Create(spec).alias);
  Advance(absl::Minutes(1));
  ExpectRefused(Verdict::kExpired, [&] { return Resume(expiring); });
}

TEST_F(SessionTurnTest, DigestHasOneTo64Bytes) {
  const Session session = Create();
  const std::string baton = Issue(session.alias);
  for (const size_t size : {size_t{0}, kMaxDigestBytes + 1, size_t{1000}}) {
    ExpectRefused(Verdict::kInvalid, [&] { return Resume(baton, std::string(size, 'd')); });
  }
  const std::string longest(kMaxDigestBytes, '\0');
  const std::string second = Use(baton, longest);
  ExpectReplay(baton, longest, {"reply", second});
  ExpectRefused(Verdict::kReused, [&] { return Resume(baton, longest.substr(1)); });
  Use(second, "d");
}

TEST_F(SessionTurnTest, BatonThatIsNewerThanTheStoreShowsThatItIsAnOldCopy) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  MemoryStore old_copy(memory().Crash());
  const std::string second = Use(first);
  EXPECT_THAT(old_copy->Resume(second, "request", "main", "alice"), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(old_copy->Verify(second, "main", "alice"), HasVerdict(Verdict::kCorrupt));
  EXPECT_THAT(old_copy->Resume(first, "request", "main", "alice"), IsOk());
}

TEST_F(SessionTurnTest, LastGenerationOfAllRotatesNoMore) {
  constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();
  const Session session = Create();
  StoreTurn(session.alias, {.last_used = Now(),
                            .generation = kLast - 1,
                            .last = TurnRecord::Last::kFinished,
                            .digest = "before",
                            .successor = Signed(session.alias, kLast - 1)});
  ExpectRefused(Verdict::kReplayed, [&] { return Resume(Signed(session.alias, 0)); });
  const std::string last_but_one = Issue(session.alias);
  SessionTurn turn = Turn(last_but_one);
  EXPECT_EQ(turn.generation(), kLast - 1);
  const std::string last = Finish(std::move(turn));
  ExpectReplay(last_but_one, "request", {"reply", last});
  EXPECT_THAT(store().Verify(last, "main", "alice"), IsOk());
  EXPECT_EQ(Issue(session.alias), last);
  for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
    ExpectRefused(Verdict::kExpired, [&] { return Resume(last, "request", cut_off); });
  }
  ExpectRefused(Verdict::kReused, [&] { return Resume(last_but_one, "another"); });
}

TEST_F(SessionTurnTest, TurnWhoseRowWasChangedByOthersDoesNotFinish) {
  using Last = TurnRecord::Last;
  const std::pair<CutOff, TurnRecord> changes[] = {
      {CutOff::kRunAgain, {.generation = 1, .last = Last::kFinished, .digest = "request"}},
      {CutOff::kAtMostOnce, {.generation = 2, .last = Last::kBegun, .digest = "request"}},
      {CutOff::kAtMostOnce, {.generation = 1, .last = Last::kFinished, .digest = "request"}},
      {CutOff::kAtMostOnce, {.generation = 1, .last = Last::kBegun, .digest = "another"}}};
  for (const auto& [cut_off, changed] : changes) {
    const Session session = Create();
    SessionTurn turn = Turn(Issue(session.alias), "request", cut_off);
    TurnRecord row = changed;
    row.successor = "successor";
    StoreTurn(session.alias, row);
    ExpectRefused(Verdict::kCorrupt, [&] { return turn.Finish("reply"); });
  }
}

TEST_F(SessionTurnTest, TurnRowThatWasChangedIsCorrupt) {
  const Session session = Create();
  const std::string baton = Use(Issue(session.alias));
  memory().Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kTurns, session.alias.ToKey(), "changed");
  });
  ExpectRefused(Verdict::kCorrupt, [&] { return Resume(baton); });
  ExpectRefused(Verdict::kCorrupt, [&] { return store().Verify(baton, "main", "alice"); });
  ExpectRefused(Verdict::kCorrupt, [&] { return store().Issue(session.alias); });
  EXPECT_THAT(store().Revoke(session.alias), IsOk());
}

// ---- Busy ----

TEST_F(SessionTurnTest, SecondTurnWaitsUntilTheFirstIsFinishedOrDropped) {
  const Session session = Create();
  const std::string baton = Issue(session.alias);
  {
    SessionTurn turn = Turn(baton);
    for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
      ExpectRefused(Verdict::kBusy, [&] { return Resume(baton, "request", cut_off); });
      ExpectRefused(Verdict::kBusy, [&] { return Resume(baton, "another", cut_off); });
    }
    ExpectNoChange([&] { return store().Verify(baton, "main", "alice").status(); });
  }
  // Dropped: nothing has rotated, and any request may come.
  SessionTurn turn = Turn(baton, "another");
  const std::string next = Finish(std::move(turn));
  EXPECT_THAT(Resume(next), IsOk());
}

TEST_F(SessionTurnTest, TurnMovesButIsHeldOnce) {
  const Session one = Create();
  const Session other = Create();
  const std::string baton = Issue(one.alias);
  SessionTurn first = Turn(baton);
  SessionTurn second = std::move(first);
  EXPECT_FALSE(first.is_open());  // NOLINT: it is what is tested
  EXPECT_TRUE(second.is_open());
  EXPECT_THAT(first.Finish("reply"), HasVerdict(Verdict::kInvalid));
  ExpectRefused(Verdict::kBusy, [&] { return Resume(baton); });
  second = Turn(Issue(other.alias));  // drops the first's
  EXPECT_THAT(Resume(baton), IsOk());
  EXPECT_EQ(second.session().alias, other.alias);
  EXPECT_THAT(second.Finish("reply"), IsOk());
}

TEST_F(SessionTurnTest, FinishedTurnIsOver) {
  SessionTurn turn = Turn(Issue(Create().alias));
  ASSERT_THAT(turn.Finish("reply"), IsOk());
  EXPECT_FALSE(turn.is_open());
  ExpectRefused(Verdict::kInvalid, [&] { return turn.Finish("another"); });
  ExpectRefused(Verdict::kInvalid, [&] { return turn.Merge({{"f", Change::Add(1)}}); });
}

TEST_F(SessionTurnTest, ClosedStoreGivesAndFinishesNoTurns) {
  const std::string baton = Issue(Create().alias);
  SessionTurn turn = Turn(baton);
  ASSERT_THAT(store().Close(), IsOk());
  EXPECT_THAT(Resume(baton), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(turn.Finish("reply"), HasVerdict(Verdict::kClosed));
}

// ---- What a turn carries ----

TEST_F(SessionTurnTest, AttributesAndReplyAreCommittedTogetherAndOnce) {
  const Session session = CreateWith({{"count", "0"}, {"step", "1"}});
  const std::string baton = Issue(session.alias);
  SessionTurn turn = Turn(baton);
  ExpectNoChange([&] {
    return turn.Merge({{"count", Change::Add(1)}, {"step", Change::CompareAndSet("1", "2")}});
  });
  ExpectNoChange([&] {
    return turn.Merge({{"count", Change::Add(10)}, {"note", Change::Set("made")}});
  });
  EXPECT_EQ(LoadFields(session.alias), (Fields{{"count", "0"}, {"step", "1"}}));
  std::string next;
  EXPECT_EQ(CommitsOf([&] { next = Finish(std::move(turn)); }), 1u);
  const Fields after{{"count", "11"}, {"step", "2"}, {"note", "made"}};
  EXPECT_EQ(LoadFields(session.alias), after);
  for (int i = 0; i < 2; ++i) {
    ExpectReplay(baton, "request", {"reply", next});
    EXPECT_EQ(LoadFields(session.alias), after);
    Restart();
  }
}

TEST_F(SessionTurnTest, DroppedTurnChangesNothing) {
  const Session session = CreateWith({{"count", "0"}});
  const std::string baton = Issue(session.alias);
  ExpectNoChange([&] {
    SessionTurn turn = Turn(baton);
    return turn.Merge({{"count", Change::Add(1)}});
  });
  EXPECT_NE(Use(baton), "");
  EXPECT_EQ(LoadFields(session.alias), (Fields{{"count", "0"}}));
}

TEST_F(SessionTurnTest, ChangeThatCannotBeMadeLeavesTheTurnOpen) {
  const Session session = CreateWith({{"step", "1"}});
  const std::string baton = Issue(session.alias);
  SessionTurn turn = Turn(baton);
  ExpectRefused(Verdict::kInvalid, [&] { return turn.Merge({{"", Change::Set("no name")}}); });
  ASSERT_THAT(turn.Merge({{"first", Change::Set("made")}}), IsOk());
  ASSERT_THAT(turn.Merge({{"step", Change::CompareAndSet("0", "1")}}), IsOk());
  ExpectRefused(Verdict::kConflict, [&] { return turn.Finish("reply"); });
  turn.ForgetChanges();
  ASSERT_THAT(turn.Merge({{"first", Change::Add(1)}, {"step", Change::Add(INT64_MAX)}}), IsOk());
  ExpectRefused(Verdict::kInvalid, [&] { return turn.Finish("reply"); });
  turn.ForgetChanges();
  ASSERT_TRUE(turn.is_open());
  ExpectRefused(Verdict::kBusy, [&] { return Resume(baton); });
  EXPECT_THAT(turn.Finish("reply"), IsOk());
  EXPECT_EQ(LoadFields(session.alias), (Fields{{"step", "1"}}));
}

TEST_F(SessionTurnTest, RepliesAreKeptUpTo64KiB) {
  const Session session = Create();
  std::string baton = Issue(session.alias);
  constexpr size_t kMost = size_t{64} << 10;
  for (const size_t size : {size_t{0}, kMost - 1, kMost}) {
    const std::string reply(size, 'r');
    const std::string next = Use(baton, "request", reply);
    ExpectReplay(baton, "request", {reply, next});
    baton = next;
  }
  SessionTurn turn = Turn(baton);
  ExpectRefused(Verdict::kInvalid, [&] { return turn.Finish(std::string(kMost + 1, 'r')); });
  ASSERT_TRUE(turn.is_open());
  EXPECT_THAT(turn.Finish(std::string(kMost, 'r')), IsOk());
}

TEST_F(SessionTurnTest, OperatorChoosesHowLongRepliesMayBe) {
  for (const auto& [asked, most] : {std::pair<size_t, size_t>{0, 0},
                                    {10, 10},
                                    {kMaxReplyBytes, kMaxReplyBytes},
                                    {kMaxReplyBytes + 1, kMaxReplyBytes}}) {
    StartAnew({.turns = {.max_reply_bytes = asked}});
    const std::string baton = Issue(Create().alias);
    SessionTurn turn = Turn(baton);
    ExpectRefused(Verdict::kInvalid,
                  [&, size = most + 1] { return turn.Finish(std::string(size, 'r')); });
    const std::string reply(most, 'r');
    ExpectReplay(baton, "request", {reply, Finish(std::move(turn), reply)});
  }
}

// ---- The idle clock ----

TEST_F(SessionTurnTest, TurnStartsTheIdleClockAnew) {
  SessionSpec spec = LastingSpec();
  spec.idle_timeout = absl::Hours(1);
  const Session session = Create(spec);
  std::string baton = Issue(session.alias);
  for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
    for (int i = 0; i < 4; ++i) {
      Advance(absl::Minutes(50));
      baton = Use(baton, absl::StrCat("request ", i), "reply", cut_off);
      EXPECT_EQ(Find(session.alias).deadline, Now() + absl::Hours(1));
      EXPECT_EQ(RowsIn(Table::kExpiries), 1u);
    }
  }
  Advance(absl::Hours(1));
  ExpectRefused(Verdict::kExpired, [&] { return Resume(baton); });
  EXPECT_EQ(SweepAll().expired, 1u);
  EXPECT_EQ(RowsIn(Table::kTurns), 0u);
}

TEST_F(SessionTurnTest, TurnThatHardlyMovesTheDeadlineLeavesItAlone) {
  SessionSpec spec = LastingSpec();
  spec.idle_timeout = absl::Hours(1);
  const Session session = Create(spec);
  const std::string baton = Issue(session.alias);
  Advance(absl::Minutes(3));
  const auto expiries = [&] { return engine().Committed()[TableIndex(Table::kExpiries)]; };
  const auto before = expiries();
  Use(baton);
  EXPECT_EQ(expiries(), before);
  EXPECT_EQ(Find(session.alias).deadline, session.deadline);
}

TEST_F(SessionTurnTest, TouchLeavesTheRotationAlone) {
  SessionSpec spec = LastingSpec();
  spec.idle_timeout = absl::Hours(1);
  const Session session = Create(spec);
  const std::string first = Issue(session.alias);
  const std::string second = Use(first);
  Advance(absl::Minutes(30));
  ASSERT_THAT(store().Touch(session.alias), IsOk());
  EXPECT_EQ(Find(session.alias).deadline, Now() + absl::Hours(1));
  ExpectReplay(first, "request", {"reply", second});
  EXPECT_THAT(Resume(second), IsOk());
}

TEST_F(SessionTurnTest, EndedSessionsKeepNoTurns) {
  SessionSpec brief = LastingSpec();
  brief.expires_at = Now() + absl::Minutes(1);
  const Session expiring = Create(brief);
  const Session revoked = Create();
  for (const Session& session : {expiring, revoked}) Use(Issue(session.alias));
  EXPECT_EQ(RowsIn(Table::kTurns), 2u);
  ASSERT_THAT(store().Revoke(revoked.alias), IsOk());
  EXPECT_EQ(RowsIn(Table::kTurns), 1u);
  Advance(absl::Minutes(2));
  SweepAll();
  EXPECT_EQ(RowsIn(Table::kTurns), 0u);
}

// ---- Sessions that end during a turn ----

TEST_F(SessionTurnTest, SessionThatEndsDuringATurnEndsTheTurn) {
  struct Ending {
    std::function<void(const Session&)> end;
    Verdict verdict;
  };
  const Ending endings[] = {
      {[&](const Session& s) { EXPECT_THAT(store().Revoke(s.alias), IsOk()); }, Verdict::kRevoked},
      {[&](const Session& s) { EXPECT_THAT(store().RevokeGroup(s.group), IsOk()); },
       Verdict::kRevoked},
      {[&](const Session& s) { EXPECT_THAT(store().RevokeAll(s.principal), IsOk()); },
       Verdict::kRevoked},
      {[&](const Session& s) { EXPECT_THAT(store().CycleKey(s.alias), IsOk()); }, Verdict::kMoved},
      {[&](const Session& s) {
         EXPECT_THAT(store().CycleKey(s.alias, {.privilege_change = true}), IsOk());
       },
       Verdict::kRevoked},
      {[&](const Session& s) { EXPECT_THAT(store().Shift(s.alias, State::kExpired), IsOk()); },
       Verdict::kExpired},
      {[&](const Session&) { Advance(absl::Hours(1)); }, Verdict::kExpired},
      {[&](const Session&) {
         Advance(absl::Hours(1));
         SweepAll();
         Advance(absl::Hours(24 * 31));
         SweepAll();
       },
       Verdict::kNotFound},
  };
  for (size_t i = 0; i < std::size(endings); ++i) {
    for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
      SCOPED_TRACE(absl::StrCat("ending ", i, ", cut off ", static_cast<int>(cut_off)));
      SessionSpec spec = LastingSpec();
      spec.expires_at = Now() + absl::Hours(1);
      const Session session = Create(spec);
      const std::string first = Issue(session.alias);
      const std::string second = Use(first, "one");
      SessionTurn turn = Turn(second, "two", cut_off);
      ASSERT_THAT(turn.Merge({{"count", Change::Add(1)}}), IsOk());
      endings[i].end(session);
      ExpectRefused(endings[i].verdict, [&] { return turn.Finish("reply"); });
      for (const std::string& baton : {first, second}) {
        ExpectRefused(endings[i].verdict, [&] { return Resume(baton, "one"); });
        ExpectRefused(endings[i].verdict, [&] { return Resume(baton, "two"); });
      }
      EXPECT_EQ(AttributeRowsOf(session.alias), 0u);
    }
  }
}

TEST_F(SessionTurnTest, FieldsSavedDuringATurnStay) {
  const Session session = CreateWith({{"count", "0"}});
  SessionTurn turn = Turn(Issue(session.alias));
  ASSERT_THAT(turn.Merge({{"count", Change::Add(1)}}), IsOk());
  ASSERT_THAT(store().Merge(session.alias, {{"count", Change::Add(5)}, {"x", Change::Set("y")}}),
              IsOk());
  ASSERT_THAT(turn.Finish("reply"), IsOk());
  EXPECT_EQ(LoadFields(session.alias), (Fields{{"count", "6"}, {"x", "y"}}));
}

// ---- At most once ----

TEST_F(SessionTurnTest, AtMostOnceCommitsTheBeginningToo) {
  const Session session = CreateWith({{"count", "0"}});
  const std::string first = Issue(session.alias);
  std::string second;
  EXPECT_EQ(CommitsOf([&] {
              SessionTurn turn = Turn(first, "request", CutOff::kAtMostOnce);
              EXPECT_EQ(turn.generation(), 0u);
              EXPECT_THAT(turn.Merge({{"count", Change::Add(1)}}), IsOk());
              second = Finish(std::move(turn));
            }),
            2u);
  EXPECT_EQ(LoadFields(session.alias), (Fields{{"count", "1"}}));
  ExpectReplay(first, "request", {"reply", second});
  ExpectRefused(Verdict::kReused, [&] { return Resume(first, "another"); });
  // The next may choose otherwise.
  const std::string third = Use(second);
  ExpectRefused(Verdict::kReplayed, [&] { return Resume(first); });
  Use(third, "request", "reply", CutOff::kAtMostOnce);
}

TEST_F(SessionTurnTest, AtMostOnceIsBusyForItsOwnRequestAndUsedForAnyOther) {
  const Session session = Create();
  const std::string first = Issue(session.alias);
  SessionTurn turn = Turn(first, "request", CutOff::kAtMostOnce);
  for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
    ExpectRefused(Verdict::kBusy, [&] { return Resume(first, "request", cut_off); });
    ExpectRefused(Verdict::kReused, [&] { return Resume(first, "another", cut_off); });
    ExpectRefused(Verdict::kBusy, [&] { return Resume(Issue(session.alias), "next", cut_off); });
  }
  ExpectRefused(Verdict::kReplayed, [&] { return store().Verify(first, "main", "alice"); });
  const std::string issued = Issue(session.alias);
  EXPECT_EQ(Finish(std::move(turn)), issued);
}

TEST_F(SessionTurnTest, TurnThatWasCutOffIsUnknownAndTheUserGoesOn) {
  for (const bool crash : {false, true}) {
    SCOPED_TRACE(crash ? "crash" : "dropped");
    const Session session = CreateWith({{"count", "0"}});
    const std::string first = Issue(session.alias);
    const std::string second = Use(first, "one", std::string(5000, 'r'));
    const size_t size = SizeOfTurn(session.alias);
    std::optional<SessionTurn> turn = Turn(second, "two", CutOff::kAtMostOnce);
    ASSERT_THAT(turn->Merge({{"count", Change::Add(1)}}), IsOk());
    EXPECT_LT(SizeOfTurn(session.alias), size - 5000 + 100) << "the reply is freed";
    turn.reset();
    if (crash) Restart();
    const std::string third = Issue(session.alias);
    for (int i = 0; i < 2; ++i) {
      ExpectUnknown(second, "two", third);
      ExpectRefused(Verdict::kReused, [&] { return Resume(second, "another"); });
      ExpectRefused(Verdict::kReplayed, [&] { return Resume(first, "one"); });
      ASSERT_THAT(store().RotateSigningKey(), IsOk());
      Restart();
    }
    EXPECT_EQ(LoadFields(session.alias), (Fields{{"count", "0"}}));
    // The successor works as any other, and the unknown turn is of the past.
    const std::string fourth = Use(third, "three");
    ExpectReplay(third, "three", {"reply", fourth});
    ExpectRefused(Verdict::kReplayed, [&] { return Resume(second, "two"); });
  }
}

TEST_F(SessionTurnTest, RunAgainTurnThatWasCutOffRunsAgain) {
  const Session session = Create();
  const std::string baton = Issue(session.alias);
  {
    SessionTurn turn = Turn(baton);
    ASSERT_THAT(turn.Merge({{"count", Change::Add(1)}}), IsOk());
  }
  Restart();
  SessionTurn turn = Turn(baton);
  ASSERT_THAT(turn.Merge({{"count", Change::Add(1)}}), IsOk());
  EXPECT_THAT(turn.Finish("reply"), IsOk());
  EXPECT_EQ(LoadFields(session.alias), (Fields{{"count", "1"}}));
}

// How a turn began is a fact; how its retry would have begun does not matter.
TEST_F(SessionTurnTest, ATurnBegunAtMostOnceIsUnknownToARetryThatWouldRunAgain) {
  const std::string baton = Issue(Create().alias);
  { const SessionTurn cut_off = Turn(baton, "request", CutOff::kAtMostOnce); }
  const absl::StatusOr<Resumed> again = Resume(baton, "request", CutOff::kRunAgain);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(std::holds_alternative<TurnUnknown>(*again));
}

}  // namespace
}  // namespace batonstore
