#include "batonstore/store/session_store.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "batonstore/crypto/hash.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::Describe;
using ::testing::ElementsAre;
using testing::HasVerdict;
using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStore;
using testing::ScriptedKeys;
using testing::SpecInGroup;

constexpr std::array kAllStates = {State::kCreated, State::kInUse, State::kRevoked, State::kExpired,
                                   State::kReserved};

class SessionStoreTest : public ::testing::Test {
 protected:
  Session Reserve(const SessionSpec& spec = LastingSpec()) {
    const absl::StatusOr<Session> session = store_->Reserve(spec);
    EXPECT_THAT(session, IsOk());
    return session.value_or(Session());
  }

  Session ReserveAndCreate(const SessionSpec& spec = LastingSpec()) {
    const absl::StatusOr<Session> session = store_->ReserveAndCreate(spec);
    EXPECT_THAT(session, IsOk());
    return session.value_or(Session());
  }

  // A session that stands in `state`, reached by the public interface where there is a way.
  Session In(State state) {
    if (state == State::kReserved) return Reserve();
    const Session session = ReserveAndCreate();
    if (state == State::kInUse) SetStoredState(session.alias, state);
    if (IsTerminal(state)) {
      EXPECT_THAT(store_->Shift(session.alias, state), IsOk());
    }
    return Find(session.alias);
  }

  // As an import would.
  void SetStoredState(Alias alias, State state) {
    store_.Tamper([&](Transaction& transaction) {
      const recovery::Identity identity = store_.Identity();
      SessionRecord record = **GetSession(transaction, *identity.keys, alias);
      record.session.state = state;
      return PutSession(transaction, *identity.keys, record);
    });
  }

  Session Find(Alias alias) {
    const absl::StatusOr<Session> session = store_->Find(alias);
    EXPECT_THAT(session, IsOk());
    return session.value_or(Session());
  }

  static SessionSpec Brief() {
    SessionSpec spec = LastingSpec();
    spec.expires_at = absl::FromUnixSeconds(1'800'000'000) + absl::Minutes(10);
    return spec;
  }

  // Runs `call`, which must be refused with `verdict` and change no row.
  template <typename Call>
  void ExpectRefused(Verdict verdict, const Call& call) {
    const MemoryEngine::Rows before = store_.engine().Committed();
    EXPECT_THAT(call(), HasVerdict(verdict));
    EXPECT_TRUE(store_.engine().Committed() == before) << "a refusal has written";
  }

  // Runs `call`, which must succeed and change no row.
  template <typename Call>
  void ExpectNoChange(const Call& call) {
    const MemoryEngine::Rows before = store_.engine().Committed();
    EXPECT_THAT(call(), IsOk());
    EXPECT_TRUE(store_.engine().Committed() == before) << "something was written";
  }

  std::string StoredPrivateKey(Alias alias) {
    const recovery::Identity identity = store_.Identity();
    return (**GetSession(**store_.engine().Read(), *identity.keys, alias)).sealed_private_key;
  }

  MemoryStore store_;
};

// ---- Reserve, Create, Abandon ----

TEST_F(SessionStoreTest, ReserveKeepsAllThatWasAskedFor) {
  SessionSpec spec = LastingSpec();
  spec.expires_at = store_.clock.Wall() + absl::Hours(2);
  spec.idle_timeout = absl::Minutes(5);
  spec.reserve_for = absl::Hours(1);
  spec.key_type = KeyType::kP256;
  const Session session = Reserve(spec);
  EXPECT_EQ(session.state, State::kReserved);
  EXPECT_EQ(session.group, session.alias);
  EXPECT_EQ(session.label, spec.label);
  EXPECT_EQ(session.kind, spec.kind);
  EXPECT_EQ(session.principal, spec.principal);
  EXPECT_EQ(session.database, spec.database);
  EXPECT_EQ(session.created_at, store_.clock.Wall());
  EXPECT_EQ(session.expires_at, spec.expires_at);
  EXPECT_EQ(session.idle_timeout, spec.idle_timeout);
  EXPECT_EQ(session.deadline, store_.clock.Wall() + spec.reserve_for);
  EXPECT_EQ(session.revoked_at, std::nullopt);
  EXPECT_EQ(session.key_type, KeyType::kP256);
  EXPECT_EQ(session.remote_public_key, "");
  EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
}

TEST_F(SessionStoreTest, KeyPairOfEachTypeBelongsTogether) {
  for (const KeyType type : {KeyType::kX25519, KeyType::kEd25519, KeyType::kP256}) {
    SessionSpec spec = LastingSpec();
    spec.key_type = type;
    const Session session = Reserve(spec);
    ASSERT_OK_AND_ASSIGN(const SecretBytes private_key, store_->PrivateKey(session.alias));
    ASSERT_OK_AND_ASSIGN(const std::string public_key, PublicKeyOf(type, private_key));
    EXPECT_EQ(session.public_key, public_key) << KeyTypeName(type);
  }
}

TEST_F(SessionStoreTest, ExpiryIsReturnedAsItWillBeRead) {
  SessionSpec spec = LastingSpec();
  spec.expires_at = store_.clock.Wall() + absl::Hours(1) + absl::Nanoseconds(1);
  const Session session = Reserve(spec);
  EXPECT_EQ(session.expires_at, spec.expires_at - absl::Nanoseconds(1));
  EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
}

TEST_F(SessionStoreTest, CreateMakesAReservationCreatedAndOnlyOnce) {
  Session session = Reserve();
  ASSERT_THAT(store_->Create(session.alias), IsOk());
  session.state = State::kCreated;
  session.deadline = session.expires_at;  // no more the reservation's
  EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
  ExpectNoChange([&] { return store_->Create(session.alias); });
}

TEST_F(SessionStoreTest, ReserveAndCreateIsBothInOneTransaction) {
  int commits = 0;
  store_.engine().InjectFaults([&](MemoryEngine::Step step) {
    commits += step == MemoryEngine::Step::kCommit;
    return Fault::kNone;
  });
  EXPECT_EQ(ReserveAndCreate().state, State::kCreated);
  store_.engine().InjectFaults(nullptr);
  EXPECT_EQ(commits, 1);
  ASSERT_OK_AND_ASSIGN(const StoreStats stats, store_->Stats());
  EXPECT_EQ(stats.sessions, 1u);
  EXPECT_EQ(stats.reservations, 0u);
}

TEST_F(SessionStoreTest, AbandonRemovesAReservationAsIfItHadNeverBeen) {
  const Session session = Reserve();
  ASSERT_THAT(store_->Abandon(session.alias), IsOk());
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Find(session.alias); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->FindByPublicKey(session.public_key); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Create(session.alias); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Abandon(session.alias); });
  EXPECT_GT(Reserve().alias, session.alias);
}

TEST_F(SessionStoreTest, OnlyReservationsCanBeAbandoned) {
  for (const State state : kAllStates) {
    if (state == State::kReserved) continue;
    const Session session = In(state);
    ExpectRefused(Verdict::kIllegalShift, [&] { return store_->Abandon(session.alias); });
  }
}

TEST_F(SessionStoreTest, ReservationPastItsDeadlineCannotBeCreatedButAbandoned) {
  const Session session = Reserve(Brief());
  store_.clock.Advance(absl::Minutes(10));
  EXPECT_EQ(Find(session.alias).state, State::kExpired);
  ExpectRefused(Verdict::kExpired, [&] { return store_->Create(session.alias); });
  ExpectRefused(Verdict::kExpired, [&] { return store_->Shift(session.alias, State::kCreated); });
  ExpectRefused(Verdict::kIllegalShift, [&] { return store_->Revoke(session.alias); });
  ExpectRefused(Verdict::kIllegalShift,
                [&] { return store_->Shift(session.alias, State::kReserved); });
  ExpectNoChange([&] { return store_->Shift(session.alias, State::kExpired); });
  EXPECT_THAT(store_->Abandon(session.alias), IsOk());
}

TEST_F(SessionStoreTest, UnknownAliasIsNotFoundByEveryCall) {
  const Alias unknown(Reserve().alias.value() + 1);
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Find(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Create(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Abandon(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Revoke(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Shift(unknown, State::kExpired); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->SetRemotePublicKey(unknown, "key"); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->PrivateKey(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Issue(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->GroupOf(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Touch(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->CycleKey(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->RevokeAllExcept("alice", unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Load(unknown); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->SaveIf(unknown, 0, {}); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Merge(unknown, {}); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Secret(unknown, "field"); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Acknowledge(unknown); });
  ExpectRefused(Verdict::kUnknownGroup, [&] { return store_->GroupMembers(unknown); });
  ExpectRefused(Verdict::kUnknownGroup, [&] { return store_->RevokeGroup(unknown); });
}

// ---- Bad input ----

TEST_F(SessionStoreTest, FieldsAtTheirLimitAreAcceptedAndOneAboveRefused) {
  const auto expect_limit = [&](std::string SessionSpec::*field, size_t limit) {
    SessionSpec spec = LastingSpec();
    spec.*field = std::string(limit, '\xff');
    Reserve(spec);
    spec.*field += 'x';
    ExpectRefused(Verdict::kInvalid, [&] { return store_->Reserve(spec); });
    ExpectRefused(Verdict::kInvalid, [&] { return store_->ReserveAndCreate(spec); });
  };
  expect_limit(&SessionSpec::label, kMaxLabelBytes);
  expect_limit(&SessionSpec::principal, kMaxPrincipalBytes);
  expect_limit(&SessionSpec::database, kMaxDatabaseBytes);
  expect_limit(&SessionSpec::intent, kMaxIntentBytes);
  expect_limit(&SessionSpec::idempotency_key, kMaxIdempotencyKeyBytes);
}

TEST_F(SessionStoreTest, EmptyFieldsAreAccepted) {
  const Session session = Reserve({.expires_at = absl::InfiniteFuture()});
  EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
}

TEST_F(SessionStoreTest, FieldsMayHoldAnyBytes) {
  SessionSpec spec = LastingSpec();
  spec.label.clear();
  for (int byte = 0; byte < 255; ++byte) spec.label += static_cast<char>(byte);
  spec.principal = spec.database = spec.label;
  EXPECT_EQ(Find(Reserve(spec).alias).label, spec.label);
}

TEST_F(SessionStoreTest, ExpiryThatIsUnsetOrNotInTheFutureIsRefused) {
  const absl::Time now = store_.clock.Wall();
  for (const absl::Time expiry : {absl::Time(), absl::InfinitePast(), now - absl::Seconds(1), now,
                                  now + absl::Nanoseconds(999)}) {
    SessionSpec spec = LastingSpec();
    spec.expires_at = expiry;
    ExpectRefused(Verdict::kInvalid, [&] { return store_->Reserve(spec); });
  }
  SessionSpec spec = LastingSpec();
  spec.expires_at = now + absl::Microseconds(1);
  EXPECT_EQ(Reserve(spec).expires_at, spec.expires_at);
}

TEST_F(SessionStoreTest, TimesBelowAMicrosecondAreRefused) {
  for (absl::Duration SessionSpec::*field :
       {&SessionSpec::idle_timeout, &SessionSpec::reserve_for}) {
    for (const absl::Duration span : {-absl::InfiniteDuration(), -absl::Seconds(1),
                                      absl::ZeroDuration(), absl::Nanoseconds(999)}) {
      SessionSpec spec = LastingSpec();
      spec.*field = span;
      ExpectRefused(Verdict::kInvalid, [&] { return store_->Reserve(spec); });
    }
    SessionSpec spec = LastingSpec();
    spec.*field = absl::Microseconds(1);
    const Session session = Reserve(spec);
    EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
  }
}

TEST_F(SessionStoreTest, WithheldValueIsRefusedForANewSessionBeforeAnythingIsWritten) {
  store_.engine().InjectFaults([](MemoryEngine::Step) {
    ADD_FAILURE() << "something was written";
    return Fault::kNone;
  });
  ExpectRefused(Verdict::kInvalid, [&] {
    return store_->SaveOrCreate(LastingSpec(), {{"token", Value::Withheld()}});
  });
  store_.engine().InjectFaults(nullptr);
}

TEST_F(SessionStoreTest, UnknownKeyTypeIsRefused) {
  for (const int number : {0, 4, 255}) {
    SessionSpec spec = LastingSpec();
    spec.key_type = static_cast<KeyType>(number);
    ExpectRefused(Verdict::kInvalid, [&] { return store_->Reserve(spec); });
  }
}

// ---- Shifts ----

TEST_F(SessionStoreTest, TableOfShifts) {
  const auto is_legal = [](State from, State to) {
    if (from == State::kReserved) return to == State::kCreated;
    if (IsTerminal(from)) return false;
    return IsTerminal(to);
  };
  for (const State from : kAllStates) {
    for (const State to : kAllStates) {
      SCOPED_TRACE(std::string(StateName(from)) + " to " + std::string(StateName(to)));
      const Session session = In(from);
      ASSERT_EQ(session.state, from);
      if (from == to) {
        ExpectNoChange([&] { return store_->Shift(session.alias, to); });
      } else if (is_legal(from, to)) {
        ASSERT_OK_AND_ASSIGN(const Session shifted, store_->Shift(session.alias, to));
        EXPECT_EQ(shifted.state, to);
        EXPECT_EQ(Describe(Find(session.alias)), Describe(shifted));
      } else {
        ExpectRefused(Verdict::kIllegalShift, [&] { return store_->Shift(session.alias, to); });
      }
    }
  }
}

TEST_F(SessionStoreTest, ShiftChangesOnlyTheStateAndTheDeadline) {
  Session expected = In(State::kCreated);
  store_.clock.Advance(absl::Seconds(5));
  ASSERT_OK_AND_ASSIGN(const Session shifted, store_->Shift(expected.alias, State::kExpired));
  expected.state = State::kExpired;
  expected.deadline = store_.clock.Wall();  // when it ended
  EXPECT_EQ(Describe(shifted), Describe(expected));
}

TEST_F(SessionStoreTest, RevokedAtIsTheTimeOfTheFirstRevocation) {
  const Session session = ReserveAndCreate();
  store_.clock.Advance(absl::Seconds(5));
  const absl::Time revoked_at = store_.clock.Wall();
  ASSERT_THAT(store_->Revoke(session.alias), IsOk());
  store_.clock.Advance(absl::Seconds(5));
  ExpectNoChange([&] { return store_->Revoke(session.alias); });
  EXPECT_EQ(Find(session.alias).revoked_at, revoked_at);
}

TEST_F(SessionStoreTest, SessionPastItsDeadlineIsExpiredForEveryCall) {
  const Session session = ReserveAndCreate(Brief());
  ASSERT_OK_AND_ASSIGN(const std::string baton, store_->Issue(session.alias));
  store_.clock.Advance(absl::Minutes(10) - absl::Microseconds(1));
  EXPECT_EQ(Find(session.alias).state, State::kCreated);
  store_.clock.Advance(absl::Microseconds(1));

  EXPECT_EQ(Find(session.alias).state, State::kExpired);
  EXPECT_EQ(store_->FindByPublicKey(session.public_key)->state, State::kExpired);
  EXPECT_EQ(store_->List({.state = State::kExpired}, 1)->sessions.size(), 1u);
  EXPECT_EQ(store_->List({.state = State::kCreated}, 1)->sessions.size(), 0u);
  ExpectRefused(Verdict::kExpired, [&] { return store_->PrivateKey(session.alias); });
  ExpectRefused(Verdict::kExpired, [&] { return store_->Issue(session.alias); });
  ExpectRefused(Verdict::kExpired, [&] { return store_->Verify(baton, "main", "alice"); });
  ExpectRefused(Verdict::kExpired,
                [&] { return store_->SetRemotePublicKey(session.alias, "key"); });
  ExpectRefused(Verdict::kIllegalShift, [&] { return store_->Revoke(session.alias); });
  ExpectRefused(Verdict::kIllegalShift, [&] { return store_->Create(session.alias); });
  ExpectRefused(Verdict::kIllegalShift, [&] { return store_->Abandon(session.alias); });
}

TEST_F(SessionStoreTest, ShiftToExpiredNotesTheDeadlineThatIsPastAndShredsThePrivateKey) {
  const Session session = ReserveAndCreate(Brief());
  store_.clock.Advance(absl::Minutes(10));
  EXPECT_NE(StoredPrivateKey(session.alias), "");
  EXPECT_EQ(store_->Shift(session.alias, State::kExpired)->state, State::kExpired);
  EXPECT_EQ(StoredPrivateKey(session.alias), "");
  ExpectNoChange([&] { return store_->Shift(session.alias, State::kExpired); });
}

TEST_F(SessionStoreTest, RevokedSessionStaysRevokedPastItsDeadline) {
  const Session session = ReserveAndCreate(Brief());
  ASSERT_THAT(store_->Revoke(session.alias), IsOk());
  store_.clock.Advance(absl::Hours(1));
  EXPECT_EQ(Find(session.alias).state, State::kRevoked);
}

TEST_F(SessionStoreTest, JumpOfTheWallClockExpiresNobodyUntilItIsAdopted) {
  const Session session = ReserveAndCreate(Brief());
  store_.clock.JumpWall(absl::Hours(1));
  EXPECT_EQ(Find(session.alias).state, State::kCreated);
  ASSERT_THAT(store_->AdoptWallClock(), IsOk());
  EXPECT_EQ(Find(session.alias).state, State::kExpired);
}

TEST_F(SessionStoreTest, WallClockThatIsBehindIsNotAdopted) {
  const Session session = ReserveAndCreate(Brief());
  store_.clock.Advance(absl::Minutes(11));
  store_.clock.JumpWall(-absl::Minutes(5));
  ExpectRefused(Verdict::kInvalid, [&] { return store_->AdoptWallClock(); });
  EXPECT_EQ(Find(session.alias).state, State::kExpired);
}

// ---- Private and remote keys ----

TEST_F(SessionStoreTest, PrivateKeyIsGivenOutWhileTheSessionLives) {
  EXPECT_THAT(store_->PrivateKey(In(State::kReserved).alias), IsOk());
  EXPECT_THAT(store_->PrivateKey(In(State::kCreated).alias), IsOk());
  EXPECT_THAT(store_->PrivateKey(In(State::kInUse).alias), IsOk());
  ExpectRefused(Verdict::kRevoked,
                [alias = In(State::kRevoked).alias, this] { return store_->PrivateKey(alias); });
  ExpectRefused(Verdict::kExpired,
                [alias = In(State::kExpired).alias, this] { return store_->PrivateKey(alias); });
}

TEST_F(SessionStoreTest, TerminalStateShredsThePrivateKey) {
  for (const State state : {State::kRevoked, State::kExpired}) {
    const Session session = ReserveAndCreate();
    EXPECT_NE(StoredPrivateKey(session.alias), "");
    ASSERT_THAT(store_->Shift(session.alias, state), IsOk());
    EXPECT_EQ(StoredPrivateKey(session.alias), "");
  }
}

TEST_F(SessionStoreTest, LastRemotePublicKeyStays) {
  for (const State state : {State::kReserved, State::kCreated, State::kInUse}) {
    Session session = In(state);
    ASSERT_THAT(store_->SetRemotePublicKey(session.alias, "first"), IsOk());
    ASSERT_THAT(store_->SetRemotePublicKey(session.alias, "second"), IsOk());
    session.remote_public_key = "second";
    EXPECT_EQ(Describe(Find(session.alias)), Describe(session));
    ExpectNoChange([&] { return store_->SetRemotePublicKey(session.alias, "second"); });
  }
}

TEST_F(SessionStoreTest, RemotePublicKeyHasALimitAndIsNotEmpty) {
  const Session session = ReserveAndCreate();
  const std::string longest(kMaxRemotePublicKeyBytes, 'k');
  EXPECT_THAT(store_->SetRemotePublicKey(session.alias, longest), IsOk());
  ExpectRefused(Verdict::kInvalid,
                [&] { return store_->SetRemotePublicKey(session.alias, longest + "k"); });
  ExpectRefused(Verdict::kInvalid, [&] { return store_->SetRemotePublicKey(session.alias, ""); });
}

TEST_F(SessionStoreTest, TerminalSessionTakesNoRemotePublicKey) {
  ExpectRefused(Verdict::kRevoked, [alias = In(State::kRevoked).alias, this] {
    return store_->SetRemotePublicKey(alias, "key");
  });
  ExpectRefused(Verdict::kExpired, [alias = In(State::kExpired).alias, this] {
    return store_->SetRemotePublicKey(alias, "key");
  });
}

// ---- Groups ----

TEST_F(SessionStoreTest, SessionJoinsAGroupWhoseOthersAreTerminal) {
  const Session first = In(State::kRevoked);
  const Session second = ReserveAndCreate(SpecInGroup(first.alias));
  EXPECT_EQ(second.group, first.alias);
  ASSERT_THAT(store_->Shift(second.alias, State::kExpired), IsOk());
  const Session third = Reserve(SpecInGroup(first.alias));
  EXPECT_THAT(*store_->GroupMembers(first.alias),
              ElementsAre(first.alias, second.alias, third.alias));
  EXPECT_EQ(*store_->GroupOf(third.alias), first.alias);
  EXPECT_EQ(*store_->GroupOf(first.alias), first.alias);
}

TEST_F(SessionStoreTest, ActiveFirstSessionKeepsOthersOut) {
  for (const State state : {State::kReserved, State::kCreated, State::kInUse}) {
    const Session first = In(state);
    ExpectRefused(Verdict::kGroupActive, [&] { return store_->Reserve(SpecInGroup(first.alias)); });
  }
}

TEST_F(SessionStoreTest, ActiveLinkedSessionKeepsOthersOut) {
  for (const State state : {State::kReserved, State::kCreated, State::kInUse}) {
    const Session first = In(State::kRevoked);
    const Session linked = Reserve(SpecInGroup(first.alias));
    if (state != State::kReserved) {
      ASSERT_THAT(store_->Create(linked.alias), IsOk());
    }
    if (state == State::kInUse) SetStoredState(linked.alias, state);
    ExpectRefused(Verdict::kGroupActive,
                  [&] { return store_->ReserveAndCreate(SpecInGroup(first.alias)); });
  }
}

TEST_F(SessionStoreTest, AbandonedMemberMakesRoom) {
  const Session first = In(State::kExpired);
  const Session abandoned = Reserve(SpecInGroup(first.alias));
  ASSERT_THAT(store_->Abandon(abandoned.alias), IsOk());
  const Session next = Reserve(SpecInGroup(first.alias));
  EXPECT_THAT(*store_->GroupMembers(first.alias), ElementsAre(first.alias, next.alias));
}

TEST_F(SessionStoreTest, MemberPastItsDeadlineCountsAsTerminal) {
  const Session first = ReserveAndCreate(Brief());
  store_.clock.Advance(absl::Minutes(10));
  SessionSpec spec = SpecInGroup(first.alias);
  spec.expires_at = store_.clock.Wall() + absl::Minutes(1);
  const Session reserved = Reserve(spec);
  ExpectRefused(Verdict::kGroupActive, [&] { return store_->Reserve(spec); });
  store_.clock.Advance(absl::Minutes(1));
  const Session last = Reserve(SpecInGroup(first.alias));
  EXPECT_THAT(*store_->GroupMembers(first.alias),
              ElementsAre(first.alias, reserved.alias, last.alias));
}

TEST_F(SessionStoreTest, MemberThatExpiredWhileNothingWasRunningCountsAsTerminal) {
  const Session first = ReserveAndCreate(Brief());
  MemoryStore::Disk disk = store_.Crash();
  disk.wall += absl::Minutes(10);
  MemoryStore later(std::move(disk));
  EXPECT_THAT(later->Reserve(SpecInGroup(first.alias)), IsOk());
}

// It goes with its reservation, and a group without its first session would be nobody's.
TEST_F(SessionStoreTest, FirstSessionThatWasNeverCreatedKeepsOthersOutPastItsDeadlineToo) {
  const Session first = Reserve(Brief());
  store_.clock.Advance(absl::Minutes(10));
  ExpectRefused(Verdict::kGroupActive, [&] { return store_->Reserve(SpecInGroup(first.alias)); });
}

// Making room at a limit sweeps, and what is swept may be the group that the session asks for.
TEST(SessionStoreGroupsTest, GroupThatIsSweptWhileRoomIsMadeIsUnknown) {
  MemoryStore store(SystemKeyPairs(),
                    {.limits = {.per_principal = 1}, .retention = absl::Hours(1)});
  SessionSpec spec = LastingSpec();
  spec.principal = "bob";
  ASSERT_OK_AND_ASSIGN(const Session first, store->ReserveAndCreate(spec));
  ASSERT_THAT(store->Revoke(first.alias), IsOk());
  spec = LastingSpec();
  spec.expires_at = store.clock.Wall() + absl::Hours(2);
  ASSERT_THAT(store->ReserveAndCreate(spec), IsOk());
  store.clock.Advance(absl::Hours(2));
  EXPECT_THAT(store->ReserveAndCreate(SpecInGroup(first.alias)),
              HasVerdict(Verdict::kUnknownGroup));
  EXPECT_THAT(store->ReserveAndCreate(LastingSpec()), IsOk()) << "the room that was made stays";
}

TEST(SessionStoreGroupsTest, SessionJoinsAGroupOnceRoomIsMade) {
  MemoryStore store(SystemKeyPairs(), {.limits = {.per_principal = 1}});
  SessionSpec spec = LastingSpec();
  spec.expires_at = store.clock.Wall() + absl::Hours(2);
  ASSERT_OK_AND_ASSIGN(const Session first, store->ReserveAndCreate(spec));
  store.clock.Advance(absl::Hours(2));
  ASSERT_OK_AND_ASSIGN(const Session second, store->ReserveAndCreate(SpecInGroup(first.alias)));
  EXPECT_THAT(*store->GroupMembers(first.alias), ElementsAre(first.alias, second.alias));
}

TEST_F(SessionStoreTest, GroupThatIsNoFirstSessionsAliasIsUnknown) {
  const Session first = In(State::kRevoked);
  const Session linked = In(State::kRevoked);
  const Session member = Reserve(SpecInGroup(first.alias));
  for (const Alias group : {Alias(), Alias(1), member.alias, Alias(linked.alias.value() + 100)}) {
    ExpectRefused(Verdict::kUnknownGroup, [&] { return store_->Reserve(SpecInGroup(group)); });
    ExpectRefused(Verdict::kUnknownGroup, [&] { return store_->GroupMembers(group); });
  }
}

// ---- Key pairs that collide ----

TEST(SessionStoreKeysTest, TakenKeyPairIsDrawnAgain) {
  ScriptedKeys keys([](uint64_t draw) { return draw < 5 ? 0 : draw; });
  MemoryStore store(keys);
  ASSERT_OK_AND_ASSIGN(const Session first, store->Reserve(LastingSpec()));
  ASSERT_OK_AND_ASSIGN(const Session second, store->Reserve(LastingSpec()));
  EXPECT_NE(first.public_key, second.public_key);
  EXPECT_EQ(keys.draws(), 6u);
  ASSERT_OK_AND_ASSIGN(const SecretBytes private_key, store->PrivateKey(second.alias));
  EXPECT_EQ(private_key.Reveal().substr(0, 10), "private 5.") << "of the pair that was taken";
}

TEST(SessionStoreKeysTest, LastOfEightDrawsMayStillSucceed) {
  ScriptedKeys keys([](uint64_t draw) { return draw < 8 ? 0 : draw; });
  MemoryStore store(keys);
  ASSERT_THAT(store->Reserve(LastingSpec()), IsOk());
  EXPECT_THAT(store->ReserveAndCreate(LastingSpec()), IsOk());
  EXPECT_EQ(keys.draws(), 9u);
}

TEST(SessionStoreKeysTest, EightTakenPairsAreKeysExhaustedAndNothingIsWritten) {
  ScriptedKeys keys([](uint64_t) { return 0; });
  MemoryStore store(keys);
  ASSERT_OK_AND_ASSIGN(const Session first, store->Reserve(LastingSpec()));
  const MemoryEngine::Rows before = store.engine().Committed();
  EXPECT_THAT(store->Reserve(LastingSpec()), HasVerdict(Verdict::kKeysExhausted));
  EXPECT_TRUE(store.engine().Committed() == before);
  EXPECT_EQ(keys.draws(), 1u + SessionStore::kKeyPairDraws);
  EXPECT_EQ(SessionStore::kKeyPairDraws, 8);

  ASSERT_THAT(store->Abandon(first.alias), IsOk());
  EXPECT_THAT(store->Reserve(LastingSpec()), IsOk()) << "an abandoned key pair is unused again";
}

TEST(SessionStoreKeysTest, RefusalForAnotherReasonDrawsOnce) {
  ScriptedKeys keys([](uint64_t draw) { return draw; });
  MemoryStore store(keys);
  EXPECT_THAT(store->Reserve(SpecInGroup(Alias(1))), HasVerdict(Verdict::kUnknownGroup));
  EXPECT_EQ(keys.draws(), 1u);
}

// Another key with the same first 8 bytes of SHA-256 cannot be made here, but its index row can.
TEST(SessionStoreKeysTest, KeyThatSharesTheIndexEntryOfAnotherIsTakenButNotFound) {
  ScriptedKeys keys([](uint64_t draw) { return draw; });
  MemoryStore store(keys);
  ASSERT_OK_AND_ASSIGN(const Session holder, store->Reserve(LastingSpec()));
  const std::string twin =
      ScriptedKeys([](uint64_t) { return 1; }).Generate(KeyType::kX25519)->public_key;
  store.Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kPublicKeys, Sha256(twin).substr(0, 8) + holder.alias.ToKey(),
                           "");
  });
  EXPECT_THAT(store->FindByPublicKey(twin), HasVerdict(Verdict::kNotFound));
  ASSERT_OK_AND_ASSIGN(const Session session, store->Reserve(LastingSpec()));
  EXPECT_NE(session.public_key, twin);
  EXPECT_EQ(keys.draws(), 3u);
}

// ---- Aliases, across restarts too ----

TEST_F(SessionStoreTest, AliasesRiseWhileTheClockStandsStillAndRestartsInThePast) {
  const Alias first = Reserve().alias;
  const Alias second = Reserve().alias;
  EXPECT_EQ(second.value(), first.value() + 1);
  for (const absl::Duration jump : {absl::ZeroDuration(), -absl::Hours(24 * 365 * 20)}) {
    MemoryStore::Disk disk = store_.Crash();
    disk.wall += jump;
    MemoryStore again(std::move(disk));
    ASSERT_OK_AND_ASSIGN(const Session session, again->Reserve(LastingSpec()));
    EXPECT_EQ(session.alias.value(), second.value() + 1) << jump;
  }
}

TEST_F(SessionStoreTest, AliasesFollowTheStoresTimeNotTheWallClock) {
  const Alias before = Reserve().alias;
  store_.clock.JumpWall(absl::Hours(1));
  EXPECT_EQ(Reserve().alias.value(), before.value() + 1);
  store_.clock.JumpWall(-absl::Hours(2));
  EXPECT_EQ(Reserve().alias.value(), before.value() + 2);
  store_.clock.Advance(absl::Milliseconds(1));
  EXPECT_EQ(Reserve().alias, Alias(before.value() + (uint64_t{1} << 22)));
}

TEST_F(SessionStoreTest, RemovingDoesNotLowerTheLastAliasGiven) {
  const Alias abandoned = Reserve().alias;
  ASSERT_THAT(store_->Abandon(abandoned), IsOk());
  const Alias crashed = Reserve().alias;
  EXPECT_GT(crashed, abandoned);
  MemoryStore again(store_.Crash());
  EXPECT_THAT(again->Find(crashed), HasVerdict(Verdict::kNotFound));
  ASSERT_OK_AND_ASSIGN(const Session next, again->Reserve(LastingSpec()));
  EXPECT_GT(next.alias, crashed);
}

TEST_F(SessionStoreTest, AliasBeyondTheLastGivenThatIsInUseIsCorrupt) {
  const Alias taken = Reserve().alias;
  store_.Tamper([&](Transaction& transaction) {
    return PutMetaNumber(transaction, meta::kLastAlias, taken.value() - 1);
  });
  ExpectRefused(Verdict::kCorrupt, [&] { return store_->Reserve(LastingSpec()); });
}

TEST_F(SessionStoreTest, LastAliasThatLeavesNoNextOneIsCorrupt) {
  store_.Tamper([](Transaction& transaction) {
    return PutMetaNumber(transaction, meta::kLastAlias, UINT64_MAX);
  });
  ExpectRefused(Verdict::kCorrupt, [&] { return store_->Reserve(LastingSpec()); });
}

TEST_F(SessionStoreTest, GroupRowThatNamesASessionOfAnotherGroupIsCorrupt) {
  const Alias first = ReserveAndCreate().alias;
  const Alias stranger = ReserveAndCreate().alias;
  ASSERT_THAT(store_->Revoke(stranger), IsOk());
  store_.Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kGroups, first.ToKey() + EncodeNumber(1), stranger.ToKey());
  });
  ExpectRefused(Verdict::kCorrupt, [&] { return store_->Reserve(SpecInGroup(first)); });
}

// ---- Batons ----

TEST_F(SessionStoreTest, IssuedBatonVerifiesForItsPrincipalOnItsDatabase) {
  const Session session = ReserveAndCreate();
  ASSERT_OK_AND_ASSIGN(const std::string baton, store_->Issue(session.alias));
  ASSERT_OK_AND_ASSIGN(const Session verified, store_->Verify(baton, "main", "alice"));
  EXPECT_EQ(Describe(verified), Describe(session));
  ExpectNoChange([&] { return store_->Issue(session.alias); });
}

TEST_F(SessionStoreTest, BatonSurvivesARestart) {
  const Session session = ReserveAndCreate();
  ASSERT_OK_AND_ASSIGN(const std::string baton, store_->Issue(session.alias));
  MemoryStore again(store_.Crash());
  EXPECT_THAT(again->Verify(baton, "main", "alice"), IsOk());
}

TEST_F(SessionStoreTest, BatonIsIssuedForLiveSessionsOnly) {
  const std::pair<State, Verdict> refused[] = {{State::kReserved, Verdict::kReserved},
                                               {State::kRevoked, Verdict::kRevoked},
                                               {State::kExpired, Verdict::kExpired}};
  for (const auto& [state, verdict] : refused) {
    const Session session = In(state);
    ExpectRefused(verdict, [&] { return store_->Issue(session.alias); });
  }
  EXPECT_THAT(store_->Issue(In(State::kInUse).alias), IsOk());
}

// Each baton fails at one check and at all that come after it, and is told of the first.
TEST_F(SessionStoreTest, ChecksOfABatonComeInTheOrderThatTellsAThiefNothing) {
  const recovery::Identity identity = store_.Identity();
  for (const State state : {State::kReserved, State::kRevoked, State::kExpired}) {
    const Verdict last = state == State::kReserved  ? Verdict::kReserved
                         : state == State::kRevoked ? Verdict::kRevoked
                                                    : Verdict::kExpired;
    const std::string baton =
        identity.keyring->Mint({BatonKind::kSession, In(state).alias.value(), 0, 1});
    ExpectRefused(Verdict::kWrongDatabase, [&] { return store_->Verify(baton, "other", "eve"); });
    ExpectRefused(Verdict::kWrongDatabase, [&] { return store_->Verify(baton, "mai", "alice"); });
    ExpectRefused(Verdict::kWrongPrincipal, [&] { return store_->Verify(baton, "main", "eve"); });
    ExpectRefused(Verdict::kWrongPrincipal, [&] { return store_->Verify(baton, "main", ""); });
    ExpectRefused(last, [&] { return store_->Verify(baton, "main", "alice"); });
  }
  const std::string gone = identity.keyring->Mint({BatonKind::kSession, 1, 0, 1});
  ExpectRefused(Verdict::kNotFound, [&] { return store_->Verify(gone, "other", "eve"); });
}

TEST_F(SessionStoreTest, BatonOfAStreamNamesNoSession) {
  const std::string baton =
      store_.Identity().keyring->Mint({BatonKind::kStream, ReserveAndCreate().alias.value(), 0, 1});
  ExpectRefused(Verdict::kForged, [&] { return store_->Verify(baton, "main", "alice"); });
}

TEST_F(SessionStoreTest, BatonOfAnotherStoreIsForged) {
  MemoryStore other;
  const Session session = ReserveAndCreate();
  const std::string baton =
      other.Identity().keyring->Mint({BatonKind::kSession, session.alias.value(), 0, 1});
  ExpectRefused(Verdict::kForged, [&] { return store_->Verify(baton, "main", "alice"); });
}

TEST_F(SessionStoreTest, StolenBatonCostsItsOwnerNothing) {
  const Session session = ReserveAndCreate();
  ASSERT_OK_AND_ASSIGN(const std::string baton, store_->Issue(session.alias));
  ExpectRefused(Verdict::kWrongPrincipal, [&] { return store_->Verify(baton, "main", "eve"); });
  ExpectRefused(Verdict::kWrongDatabase, [&] { return store_->Verify(baton, "other", "alice"); });
  ExpectRefused(Verdict::kForged, [&] { return store_->Verify(baton + "A", "main", "alice"); });
  EXPECT_THAT(store_->Verify(baton, "main", "alice"), IsOk());
}

TEST_F(SessionStoreTest, RotationKeepsOldBatonsUntilTheirKeyIsRetired) {
  const Session session = ReserveAndCreate();
  const uint32_t old_key = store_->SigningKeys().back().id;
  ASSERT_OK_AND_ASSIGN(const std::string old_baton, store_->Issue(session.alias));
  ASSERT_OK_AND_ASSIGN(const uint32_t new_key, store_->RotateSigningKey());
  ASSERT_OK_AND_ASSIGN(const std::string new_baton, store_->Issue(session.alias));
  EXPECT_NE(new_key, old_key);
  EXPECT_NE(new_baton, old_baton);
  EXPECT_THAT(store_->Verify(old_baton, "main", "alice"), IsOk());

  ASSERT_THAT(store_->RetireSigningKey(old_key), IsOk());
  MemoryStore again(store_.Crash());
  for (SessionStore* store : {&*store_, &*again}) {
    EXPECT_THAT(store->Verify(old_baton, "main", "alice"), HasVerdict(Verdict::kLost));
    EXPECT_THAT(store->Verify(new_baton, "main", "alice"), IsOk());
    ASSERT_EQ(store->SigningKeys().size(), 2u);
    EXPECT_EQ(store->SigningKeys()[0].status, Keyring::KeyStatus::kRetired);
    EXPECT_EQ(store->SigningKeys()[1].status, Keyring::KeyStatus::kPrimary);
  }
}

TEST_F(SessionStoreTest, OnlyAKnownKeyThatNoLongerSignsCanBeRetired) {
  const uint32_t primary = store_->SigningKeys().back().id;
  ExpectRefused(Verdict::kInvalid, [&] { return store_->RetireSigningKey(primary); });
  ExpectRefused(Verdict::kNotFound, [&] { return store_->RetireSigningKey(primary + 1); });
}

TEST_F(SessionStoreTest, KeyThatCouldNotBeStoredSignsNothing) {
  const Session session = ReserveAndCreate();
  ASSERT_OK_AND_ASSIGN(const std::string baton, store_->Issue(session.alias));
  store_.engine().InjectFaults([](MemoryEngine::Step step) {
    return step == MemoryEngine::Step::kCommit ? Fault::kMapFull : Fault::kNone;
  });
  ExpectRefused(Verdict::kFull, [&] { return store_->RotateSigningKey(); });
  EXPECT_EQ(*store_->Issue(session.alias), baton);
  EXPECT_EQ(store_->SigningKeys().size(), 1u);
}

// ---- The end ----

TEST_F(SessionStoreTest, ClosedStoreRefusesEveryCall) {
  const Alias alias = ReserveAndCreate().alias;
  const std::string baton = *store_->Issue(alias);
  EXPECT_THAT(store_->Close(), IsOk());
  const auto expect_closed = [this](const auto& call) { ExpectRefused(Verdict::kClosed, call); };
  expect_closed([&] { return store_->Reserve(LastingSpec()); });
  expect_closed([&] { return store_->ReserveAndCreate(LastingSpec()); });
  expect_closed([&] { return store_->Create(alias); });
  expect_closed([&] { return store_->Abandon(alias); });
  expect_closed([&] { return store_->Shift(alias, State::kExpired); });
  expect_closed([&] { return store_->Revoke(alias); });
  expect_closed([&] { return store_->SetRemotePublicKey(alias, "key"); });
  expect_closed([&] { return store_->PrivateKey(alias); });
  expect_closed([&] { return store_->Issue(alias); });
  expect_closed([&] { return store_->Verify(baton, "main", "alice"); });
  expect_closed([&] { return store_->RotateSigningKey(); });
  expect_closed([&] { return store_->RetireSigningKey(1); });
  expect_closed([&] { return store_->RotateDataKey(); });
  expect_closed([&] { return store_->Reseal(); });
  expect_closed([&] { return store_->DataKeyRotation(); });
  expect_closed([&] { return store_->RevokeEverybody(); });
  expect_closed([&] { return store_->Find(alias); });
  expect_closed([&] { return store_->FindByPublicKey("key"); });
  expect_closed([&] { return store_->List({}, 1); });
  expect_closed([&] { return store_->GroupOf(alias); });
  expect_closed([&] { return store_->GroupMembers(alias); });
  expect_closed([&] { return store_->Stats(); });
  expect_closed([&] { return store_->Count({}); });
  expect_closed([&] { return store_->Touch(alias); });
  expect_closed([&] { return store_->CycleKey(alias); });
  expect_closed([&] { return store_->RevokeGroup(alias); });
  expect_closed([&] { return store_->RevokeAll("alice"); });
  expect_closed([&] { return store_->RevokeAllExcept("alice", alias); });
  expect_closed([&] { return store_->SaveOrCreate(LastingSpec(), {}); });
  expect_closed([&] { return store_->SaveIf(alias, 0, {}); });
  expect_closed([&] { return store_->Merge(alias, {}); });
  expect_closed([&] { return store_->Load(alias); });
  expect_closed([&] { return store_->Secret(alias, "field"); });
  expect_closed([&] { return store_->Sweep(); });
  expect_closed([&] { return store_->PendingCompensations(); });
  expect_closed([&] { return store_->Acknowledge(alias); });
  expect_closed([&] { return store_->events().AddConsumer("mailer"); });
  expect_closed([&] { return store_->events().RemoveConsumer("mailer"); });
  expect_closed([&] { return store_->events().Consumers(); });
  expect_closed([&] { return store_->events().Read("mailer", 1); });
  expect_closed([&] { return store_->events().Acknowledge("mailer", 1); });
  ExpectNoChange([&] { return store_->Close(); });
}

TEST_F(SessionStoreTest, NextOpeningKnowsWhetherTheStoreWasClosedInOrder) {
  EXPECT_TRUE(MemoryStore(store_.Crash()).report().crashed);
  ASSERT_THAT(store_->Close(), IsOk());
  EXPECT_FALSE(MemoryStore(store_.Crash()).report().crashed);
}

TEST_F(SessionStoreTest, StoreIsClosedEvenIfTheNoteCannotBeWritten) {
  store_.engine().InjectFaults([](MemoryEngine::Step) { return Fault::kMapFull; });
  EXPECT_THAT(store_->Close(), HasVerdict(Verdict::kFull));
  EXPECT_THAT(store_->Find(Alias(1)), HasVerdict(Verdict::kClosed));
  EXPECT_TRUE(MemoryStore(store_.Crash()).report().crashed);
}

TEST_F(SessionStoreTest, UnknownOutcomeOfACommitPoisonsTheStore) {
  const Alias alias = ReserveAndCreate().alias;
  store_.engine().InjectFaults([](MemoryEngine::Step step) {
    return step == MemoryEngine::Step::kCommit ? Fault::kUnknown : Fault::kNone;
  });
  EXPECT_THAT(store_->Revoke(alias), HasVerdict(Verdict::kPoisoned));
  store_.engine().InjectFaults(nullptr);
  EXPECT_THAT(store_->Find(alias), HasVerdict(Verdict::kPoisoned));
  EXPECT_THAT(store_->Reserve(LastingSpec()), HasVerdict(Verdict::kPoisoned));
  EXPECT_EQ(MemoryStore(store_.Crash())->Find(alias)->state, State::kCreated);
}

}  // namespace
}  // namespace batonstore
