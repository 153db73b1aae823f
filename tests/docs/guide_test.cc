// The examples of docs/guide.md, built and run; and that the guide shows what is built.

#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/integrations/sqlite/connection.h"
#include "batonstore/integrations/sqlite/pool.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/restore.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/event_observer.h"
#include "batonstore/store/refusals.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/stream_registry.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace batonstore {
namespace {

using testing::HasVerdict;
using testing::IsOk;
using testing::Runfile;
using testing::TempDir;

// What a service would do, and the examples call.
std::atomic<int> mailed = 0;
void Mail(const Event&) { ++mailed; }
std::vector<std::string> undone;
void UndoRegistration(const std::string& intent) { undone.push_back(intent); }
void RegisterMailbox(const std::string& public_key) { EXPECT_EQ(public_key.size(), 32u); }
int logins = 0;
void LogInAgain() { ++logins; }
std::string AddToCart(const std::string& cart) { return cart + "an apple, "; }
int shown = 0;
void Show(const Session& session) {
  EXPECT_EQ(session.principal, "alice");
  ++shown;
}

std::string DigestOf(const std::string& request) { return request; }  // it is short enough
std::string asked;
void AskTheBank(const std::string& payment) { asked = payment; }

class GuideTest : public ::testing::Test {
 protected:
  GuideTest() { Open(); }

  void Open() {
    store_.reset();
    auto store = recovery::Open({.directory = dir_ / "store"});
    EXPECT_THAT(store, IsOk());
    store_ = *std::move(store);
  }

  Session NewSession() {
    auto session = store_->sessions().ReserveAndCreate(
        {.principal = "alice", .database = "accounts", .expires_at = absl::InfiniteFuture()});
    EXPECT_THAT(session, IsOk());
    return *session;
  }

  TempDir dir_;
  std::unique_ptr<recovery::Store> store_;
};

TEST_F(GuideTest, Verdicts) {
  SessionStore& sessions = store_->sessions();
  const Alias alias(17);
  const absl::StatusOr<Session> session = sessions.Find(alias);
  if (VerdictOf(session.status()) == Verdict::kNotFound) LogInAgain();
  EXPECT_EQ(logins, 1);
}

absl::Status ReserveAndRegister(SessionStore& sessions) {
  absl::StatusOr<Session> session = sessions.Reserve({.principal = "alice",
                                                      .database = "accounts",
                                                      .expires_at = absl::Now() + absl::Hours(24),
                                                      .intent = "mailbox 17",
                                                      .reserve_for = absl::Minutes(5)});
  if (!session.ok()) return session.status();
  RegisterMailbox(session->public_key);
  return sessions.Create(session->alias);
}

TEST_F(GuideTest, Reservations) {
  EXPECT_THAT(ReserveAndRegister(store_->sessions()), IsOk());
  EXPECT_EQ(*store_->sessions().Count({.state = State::kCreated}), 1u);
}

TEST_F(GuideTest, Compensations) {
  ASSERT_THAT(
      store_->sessions().Reserve(
          {.principal = "alice", .expires_at = absl::InfiniteFuture(), .intent = "mailbox 18"}),
      IsOk());
  Open();
  SessionStore& sessions = store_->sessions();
  const absl::StatusOr<std::vector<Compensation>> pending = sessions.PendingCompensations();
  for (const Compensation& compensation : *pending) {
    UndoRegistration(compensation.intent);
    sessions.Acknowledge(compensation.alias).IgnoreError();
  }
  EXPECT_EQ(undone, std::vector<std::string>{"mailbox 18"});
  EXPECT_TRUE(sessions.PendingCompensations()->empty());
}

TEST_F(GuideTest, IdempotencyKeys) {
  SessionStore& sessions = store_->sessions();
  const SessionSpec spec{.principal = "alice",
                         .expires_at = absl::Now() + absl::Hours(24),
                         .idempotency_key = "request 4711"};
  const absl::StatusOr<Session> first = sessions.ReserveAndCreate(spec);
  const absl::StatusOr<Session> again = sessions.ReserveAndCreate(spec);
  EXPECT_EQ(again->alias, first->alias);
}

TEST_F(GuideTest, Merge) {
  SessionStore& sessions = store_->sessions();
  const Alias alias = NewSession().alias;
  ASSERT_THAT(sessions.Merge(alias, {{"step", Change::Set("1")}, {"draft", Change::Set("x")}}),
              IsOk());
  const absl::StatusOr<uint64_t> version =
      sessions.Merge(alias, {{"theme", Change::Set("dark")},
                             {"visits", Change::Add(1)},
                             {"step", Change::CompareAndSet("1", "2")},
                             {"draft", Change::Remove()}});
  EXPECT_EQ(*version, 2u);
  const Fields expected = {{"theme", "dark"}, {"visits", "1"}, {"step", "2"}};
  EXPECT_EQ(sessions.Load(alias)->fields, expected);
}

absl::Status PutIntoCart(SessionStore& sessions, Alias alias) {
  absl::StatusOr<uint64_t> saved;
  do {
    absl::StatusOr<Attributes> now = sessions.Load(alias);
    if (!now.ok()) return now.status();
    now->fields["cart"] = AddToCart(now->fields["cart"].bytes());
    saved = sessions.SaveIf(alias, now->version, now->fields);
  } while (VerdictOf(saved.status()) == Verdict::kConflict);
  return saved.status();
}

TEST_F(GuideTest, SaveIf) {
  const Alias alias = NewSession().alias;
  EXPECT_THAT(PutIntoCart(store_->sessions(), alias), IsOk());
  EXPECT_THAT(PutIntoCart(store_->sessions(), alias), IsOk());
  EXPECT_EQ(store_->sessions().Load(alias)->fields["cart"].bytes(), "an apple, an apple, ");
}

absl::Status SaveNew(SessionStore& sessions, Alias& alias, uint64_t& version) {
  const absl::StatusOr<Saved> saved =
      sessions.SaveOrCreate({.principal = "alice", .expires_at = absl::Now() + absl::Hours(1)},
                            {{"theme", "dark"}, {"cart", "3 apples"}});
  if (!saved.ok()) return saved.status();
  alias = saved->session.alias;
  version = saved->version;  // for SaveIf
  return absl::OkStatus();
}

TEST_F(GuideTest, SaveOrCreate) {
  Alias alias;
  uint64_t version = 0;
  ASSERT_THAT(SaveNew(store_->sessions(), alias, version), IsOk());
  EXPECT_THAT(store_->sessions().SaveIf(alias, version, {}), IsOk());
}

TEST_F(GuideTest, Secrets) {
  SessionStore& sessions = store_->sessions();
  const Alias alias = NewSession().alias;
  const absl::StatusOr<uint64_t> version =
      sessions.Merge(alias, {{"refresh token", Change::Set(Value::Secret("hunter2"))}});
  const absl::StatusOr<SecretBytes> token = sessions.Secret(alias, "refresh token");
  const absl::StatusOr<SecretBytes> key = sessions.PrivateKey(alias);
  EXPECT_THAT(version, IsOk());
  EXPECT_EQ(token->Reveal(), "hunter2");
  EXPECT_EQ(key->size(), 32u);
  EXPECT_TRUE(sessions.Load(alias)->fields["refresh token"].is_withheld());
}

TEST_F(GuideTest, Touch) {
  SessionStore& sessions = store_->sessions();
  const absl::StatusOr<Session> session =
      sessions.ReserveAndCreate({.principal = "alice",
                                 .expires_at = absl::Now() + absl::Hours(12),
                                 .idle_timeout = absl::Minutes(30)});
  const absl::StatusOr<Session> touched = sessions.Touch(session->alias);
  EXPECT_THAT(touched, IsOk());
  EXPECT_EQ(touched->deadline, session->deadline);
}

TEST_F(GuideTest, Sweep) {
  SessionStore& sessions = store_->sessions();
  absl::StatusOr<Swept> swept;
  do {
    swept = sessions.Sweep();
  } while (swept.ok() && swept->more);
  EXPECT_THAT(swept, IsOk());
}

TEST_F(GuideTest, Limits) {
  const std::string directory = dir_ / "limited";
  absl::StatusOr<std::unique_ptr<recovery::Store>> store =
      recovery::Open({.directory = directory,
                      .policy = {.limits = {.per_principal = 5,
                                            .per_store = 1'000'000,
                                            .at_limit = Limits::AtLimit::kRevokeOldest},
                                 .retention = absl::Hours(24 * 7)}});
  ASSERT_THAT(store, IsOk());
  for (int i = 0; i < 7; ++i) {
    ASSERT_THAT((*store)->sessions().ReserveAndCreate(
                    {.principal = "alice", .expires_at = absl::InfiniteFuture()}),
                IsOk());
  }
  EXPECT_EQ(*(*store)->sessions().Count({.state = State::kCreated}), 5u);
}

TEST_F(GuideTest, Principals) {
  SessionStore& sessions = store_->sessions();
  const Alias alias = NewSession().alias;
  NewSession();
  const ListFilter of_alice{.state = State::kCreated, .principal = "alice"};
  const absl::StatusOr<uint64_t> count = sessions.Count(of_alice);
  absl::StatusOr<ListPage> page = sessions.List(of_alice, /*page_size=*/100);
  while (page.ok()) {
    for (const Session& session : page->sessions) Show(session);
    if (!page->next.has_value()) break;
    page = sessions.List(of_alice, 100, page->next);
  }
  EXPECT_EQ(*count, 2u);
  EXPECT_EQ(shown, 2);
  sessions.RevokeAllExcept("alice", alias).IgnoreError();  // log out everywhere else
  EXPECT_EQ(*sessions.Count(of_alice), 1u);
  sessions.RevokeAll("alice").IgnoreError();  // everywhere
  EXPECT_EQ(*sessions.Count(of_alice), 0u);
}

absl::Status JoinOrEnd(SessionStore& sessions, const Session& first) {
  const absl::StatusOr<Session> next = sessions.ReserveAndCreate(
      {.principal = "alice", .expires_at = absl::Now() + absl::Hours(24), .group = first.group});
  if (VerdictOf(next.status()) == Verdict::kGroupActive) {
    return sessions.RevokeGroup(first.group).status();
  }
  return next.status();
}

TEST_F(GuideTest, Groups) {
  const Session first = NewSession();
  EXPECT_THAT(JoinOrEnd(store_->sessions(), first), IsOk());
  EXPECT_EQ(store_->sessions().Find(first.alias)->state, State::kRevoked);
  EXPECT_THAT(JoinOrEnd(store_->sessions(), first), IsOk());
  EXPECT_EQ(store_->sessions().GroupMembers(first.alias)->size(), 2u);
}

TEST_F(GuideTest, NewIdentityAfterALogin) {
  SessionStore& sessions = store_->sessions();
  const Alias alias = NewSession().alias;
  const absl::StatusOr<Session> fresh = sessions.CycleKey(alias, {.privilege_change = true});
  EXPECT_THAT(sessions.Find(fresh->alias), IsOk());
  EXPECT_EQ(sessions.Find(alias)->state, State::kRevoked);
}

TEST_F(GuideTest, NewIdentityWithARedirect) {
  SessionStore& sessions = store_->sessions();
  const Alias alias = NewSession().alias;
  const absl::StatusOr<Session> fresh =
      sessions.CycleKey(alias, {.redirect_for = absl::Seconds(10)});
  const absl::StatusOr<Session> found = sessions.Find(alias);  // MOVED
  const std::optional<Alias> now = MovedTo(found.status());
  EXPECT_EQ(now, fresh->alias);
}

TEST_F(GuideTest, Events) {
  SessionStore& sessions = store_->sessions();
  ASSERT_THAT(sessions.events().AddConsumer("mailer"), IsOk());
  NewSession();
  mailed = 0;
  sessions.events().AddConsumer("mailer").IgnoreError();
  const absl::StatusOr<std::vector<Event>> events = sessions.events().Read("mailer", 100);
  for (const Event& event : *events) Mail(event);
  if (!events->empty()) {
    sessions.events().Acknowledge("mailer", events->back().sequence).IgnoreError();
  }
  EXPECT_EQ(mailed, 1);
  EXPECT_TRUE(sessions.events().Read("mailer", 100)->empty());
}

TEST_F(GuideTest, EventObservers) {
  SessionStore& sessions = store_->sessions();
  mailed = 0;
  EventObserver observer(sessions.events(), "mailer", [](const Event& event) {
    Mail(event);
    return absl::OkStatus();
  });
  NewSession();
  while (mailed < 1) absl::SleepFor(absl::Milliseconds(1));
}

TEST_F(GuideTest, Batons) {
  SessionStore& sessions = store_->sessions();
  const Alias alias = NewSession().alias;
  const absl::StatusOr<std::string> baton = sessions.Issue(alias);
  const absl::StatusOr<Session> owner = sessions.Verify(*baton, "accounts", "alice");
  const absl::StatusOr<Session> thief = sessions.Verify(*baton, "accounts", "mallory");
  EXPECT_EQ(VerdictOf(thief.status()), Verdict::kWrongPrincipal);
  EXPECT_THAT(owner, IsOk());
}

struct Response {
  absl::Status status;
  std::string reply = {};
  std::string next_baton = {};
};

// Serves one request; what it returns goes to the client.
Response Serve(SessionStore& sessions, const std::string& baton, const std::string& request) {
  absl::StatusOr<Resumed> resumed = sessions.Resume(baton, DigestOf(request), "accounts", "alice");
  if (!resumed.ok()) return {WireStatus(resumed.status())};
  if (const TurnReplay* replay = std::get_if<TurnReplay>(&*resumed)) {
    return {absl::OkStatus(), replay->reply, replay->next_baton};
  }
  if (const TurnUnknown* unknown = std::get_if<TurnUnknown>(&*resumed)) {  // see kAtMostOnce below
    return {WireStatus(unknown->status()), "", unknown->next_baton};
  }
  SessionTurn& turn = std::get<SessionTurn>(*resumed);
  if (absl::Status kept = turn.Merge({{"orders", Change::Add(1)}}); !kept.ok()) {
    return {WireStatus(kept)};
  }
  const std::string reply = "ordered: " + request;
  absl::StatusOr<std::string> next_baton = turn.Finish(reply);
  if (!next_baton.ok()) return {WireStatus(next_baton.status())};
  return {absl::OkStatus(), reply, *next_baton};
}

TEST_F(GuideTest, Turns) {
  SessionStore& sessions = store_->sessions();
  const Alias alias = NewSession().alias;
  const std::string baton = *sessions.Issue(alias);
  const Response lost = Serve(sessions, baton, "apples");
  ASSERT_THAT(lost.status, IsOk());
  const Response again = Serve(sessions, baton, "apples");
  EXPECT_EQ(again.reply, "ordered: apples");
  EXPECT_EQ(again.reply, lost.reply);
  EXPECT_EQ(again.next_baton, lost.next_baton);
  EXPECT_EQ(sessions.Load(alias)->fields["orders"], "1");
  EXPECT_THAT(Serve(sessions, baton, "pears").status, HasVerdict(Verdict::kReused));
  EXPECT_THAT(Serve(sessions, again.next_baton, "pears").status, IsOk());
}

std::vector<std::string> warned;
void Warn(absl::string_view principal) { warned.emplace_back(principal); }

TEST_F(GuideTest, WatchingRefusals) {
  const std::string directory = dir_ / "watched";
  absl::StatusOr<std::unique_ptr<recovery::Store>> store =
      recovery::Open({.directory = directory,
                      .policy = {.refusals = {.on_refusal = [](const BatonRefusal& refusal) {
                                   if (refusal.verdict == Verdict::kReused)
                                     Warn(refusal.principal);  // has been copied
                                 }}}});
  ASSERT_THAT(store, IsOk());
  SessionStore& sessions = (*store)->sessions();
  const absl::StatusOr<Session> session = sessions.ReserveAndCreate(
      {.principal = "alice", .database = "accounts", .expires_at = absl::InfiniteFuture()});
  ASSERT_THAT(session, IsOk());
  const std::string baton = *sessions.Issue(session->alias);
  EXPECT_THAT(Serve(sessions, baton, "apples").status, IsOk());
  EXPECT_THAT(Serve(sessions, baton, "pears").status, HasVerdict(Verdict::kReused));
  EXPECT_EQ(warned, std::vector<std::string>{"alice"});
  for (int i = 0; i <= 1000; ++i) {
    EXPECT_THAT(sessions.Verify("no baton", "accounts", "mallory"), HasVerdict(Verdict::kForged));
    EXPECT_THAT((*store)->streams().Resume("no baton", "accounts", "mallory"),
                HasVerdict(Verdict::kForged));
  }
  for (const PrincipalRefusals& worst : sessions.refusals().Top(10)) {
    if (worst.counts.Of(Verdict::kForged) > 1000) Warn(worst.principal);
  }
  EXPECT_EQ(warned, (std::vector<std::string>{"alice", "mallory"}));
}

TEST_F(GuideTest, TurnsThatRevokeOnReplay) {
  const std::string directory = dir_ / "strict";
  absl::StatusOr<std::unique_ptr<recovery::Store>> store =
      recovery::Open({.directory = directory,
                      .policy = {.turns = {.on_replay = TurnRules::OnReplay::kRevokeSession}}});
  ASSERT_THAT(store, IsOk());
  SessionStore& sessions = (*store)->sessions();
  const absl::StatusOr<Session> session = sessions.ReserveAndCreate(
      {.principal = "alice", .database = "accounts", .expires_at = absl::InfiniteFuture()});
  ASSERT_THAT(session, IsOk());
  const std::string baton = *sessions.Issue(session->alias);
  const std::string next_baton = Serve(sessions, baton, "apples").next_baton;
  EXPECT_THAT(Serve(sessions, baton, "pears").status, HasVerdict(Verdict::kReused));
  EXPECT_THAT(Serve(sessions, next_baton, "pears").status, HasVerdict(Verdict::kRevoked));
}

TEST_F(GuideTest, TurnsAtMostOnce) {
  const Alias alias = NewSession().alias;
  std::string baton = *store_->sessions().Issue(alias);
  {
    const auto cut_off = store_->sessions().Resume(baton, DigestOf("pay 7"), "accounts", "alice",
                                                   CutOff::kAtMostOnce);
    ASSERT_THAT(cut_off, IsOk());
  }
  Open();
  SessionStore& sessions = store_->sessions();
  absl::StatusOr<Resumed> resumed =
      sessions.Resume(baton, DigestOf("pay 7"), "accounts", "alice", CutOff::kAtMostOnce);
  if (const TurnUnknown* unknown = std::get_if<TurnUnknown>(&*resumed)) {
    AskTheBank("pay 7");
    baton = unknown->next_baton;
  }
  EXPECT_EQ(asked, "pay 7");
  EXPECT_THAT(Serve(sessions, baton, "apples").status, IsOk());
}

absl::StatusOr<std::string> Begin(StreamRegistry& streams, SqlitePool& pool) {
  absl::StatusOr<StreamTurn> turn = streams.Open(
      {.database = "accounts",
       .principal = "alice",
       .connect =
           [&pool](absl::Time deadline) { return pool.Acquire(/*read_only=*/false, deadline); },
       .deadline = absl::Now() + absl::Seconds(2)});
  if (!turn.ok()) return turn.status();
  absl::Status begun = turn->connection<SqliteConnection>()->Execute("BEGIN");
  if (!begun.ok()) return begun;  // the stream ends here, as it was begun
  return turn->Finish();          // the baton, for the client
}

absl::StatusOr<std::string> GoOn(StreamRegistry& streams, const std::string& baton) {
  absl::StatusOr<StreamTurn> turn = streams.Resume(baton, "accounts", "alice");
  if (!turn.ok()) return WireStatus(turn.status());
  absl::Status paid = turn->connection<SqliteConnection>()->Execute(
      "UPDATE account SET balance = balance - 10 WHERE owner = 'alice'");
  if (!paid.ok()) return WireStatus(paid);  // rolled back, stream and all
  return turn->Finish();
}

absl::Status Commit(StreamRegistry& streams, const std::string& baton) {
  absl::StatusOr<StreamTurn> turn = streams.Resume(baton, "accounts", "alice");
  if (!turn.ok()) return WireStatus(turn.status());
  absl::Status committed = turn->connection<SqliteConnection>()->Execute("COMMIT");
  if (!committed.ok()) return WireStatus(committed);
  return turn->Close();  // the connection goes back to its pool
}

TEST_F(GuideTest, Streams) {
  StreamRegistry& streams = store_->streams();
  const auto pool = SqlitePool::Open({.path = dir_ / "accounts.db"});
  ASSERT_THAT(pool, IsOk());
  const auto ask = [&pool](const std::string& sql) {
    const auto connection = (*pool)->Acquire(/*read_only=*/false, absl::Now() + absl::Minutes(1));
    const auto rows = (*connection)->Query(sql);
    (*connection)->ReturnToPool();
    EXPECT_THAT(rows, IsOk());
    return rows->empty() ? "" : rows->at(0).at(0).value_or("");
  };
  ask("CREATE TABLE account (owner TEXT PRIMARY KEY, balance INTEGER)");
  ask("INSERT INTO account VALUES ('alice', 100)");
  const auto balance = [&ask] { return ask("SELECT balance FROM account"); };
  const absl::StatusOr<std::string> first = Begin(streams, **pool);
  ASSERT_THAT(first, IsOk());
  const absl::StatusOr<std::string> second = GoOn(streams, *first);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(GoOn(streams, *first), HasVerdict(Verdict::kNotFound));  // replayed
  EXPECT_EQ(balance(), "100");
  EXPECT_THAT(Commit(streams, *second), IsOk());
  EXPECT_EQ(balance(), "90");

  const absl::StatusOr<std::string> in_vain = GoOn(streams, *Begin(streams, **pool));
  ASSERT_THAT(in_vain, IsOk());
  for (const StreamInfo& stream : streams.List({.database = "accounts"})) {
    if (stream.age > absl::Minutes(4)) streams.Kill(stream.id);
  }
  EXPECT_EQ(streams.Count(), 1u);
  EXPECT_THAT(store_->Close(), IsOk());
  EXPECT_EQ(balance(), "90");
}

SecretBytes FetchKey(absl::string_view store_id) {
  EXPECT_EQ(store_id.size(), 16u);
  return SecretBytes(std::string(32, 'v'));
}

TEST_F(GuideTest, KeysOfOnesOwn) {
  const std::string directory = dir_ / "sealed";
  const recovery::KeySource vault = [](absl::string_view store_id) { return FetchKey(store_id); };
  auto store = recovery::Open({.directory = directory, .key_encryption_key = vault});
  EXPECT_THAT(store, IsOk());
}

TEST_F(GuideTest, KeysThatAreReplacedAndABackup) {
  recovery::Store* const store = store_.get();
  const recovery::KeySource next_vault =
      recovery::KeyFromPassphrase(SecretBytes("correct horse battery"));
  EXPECT_THAT(store->RotateKeyEncryptionKey(next_vault), IsOk());
  EXPECT_THAT(store->sessions().RotateDataKey(), IsOk());  // then rows are sealed again by and by
  const absl::StatusOr<uint32_t> signing = store->sessions().RotateSigningKey();
  ASSERT_THAT(signing, IsOk());
  EXPECT_THAT(store->sessions().RetireSigningKey(*signing - 1), IsOk());

  const recovery::KeySource saved_key = next_vault;
  const std::string file = dir_ / "backup";
  const std::string restored_directory = dir_ / "restored";
  const auto backup = store->Backup(file);  // one snapshot, verified
  EXPECT_THAT(backup, IsOk());
  const auto restored = recovery::Restore({.file = file,
                                           .directory = restored_directory,
                                           .key_encryption_key = saved_key,
                                           .revoke_everything = true});
  EXPECT_THAT(restored, IsOk());
}

// ---- The guide's examples are those above, but for white space ----

std::string TextOf(const std::string& path) {
  std::ifstream in(Runfile(path));
  EXPECT_TRUE(in.good()) << path;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string WithoutSpace(absl::string_view text) {
  std::string without;
  for (const char c : text) {
    if (!absl::ascii_isspace(static_cast<unsigned char>(c))) without.push_back(c);
  }
  return without;
}

TEST(GuideTextTest, EveryExampleIsBuilt) {
  const std::string built = WithoutSpace(TextOf("tests/docs/guide_test.cc"));
  const std::string guide = TextOf("docs/guide.md");
  int examples = 0;
  for (absl::string_view block : absl::StrSplit(guide, "\n```")) {
    if (!absl::ConsumePrefix(&block, "cpp\n")) continue;
    ++examples;
    EXPECT_NE(built.find(WithoutSpace(block)), std::string::npos)
        << "not built as it stands in the guide:\n"
        << block;
  }
  EXPECT_GE(examples, 22);
}

}  // namespace
}  // namespace batonstore
