#include "tests/recovery/fault_stage.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/index_rules.h"
#include "tests/support/store_folder.h"

namespace batonstore::testing {
namespace {

void Require(bool condition, const std::string& what) {
  if (condition) return;
  (void)fprintf(stderr, "fault_matrix: before any fault: %s\n", what.c_str());
  std::abort();
}

SessionSpec SpecOf(const std::string& principal, const std::string& database = "main") {
  SessionSpec spec;
  spec.label = "phone";
  spec.principal = principal;
  spec.database = database;
  spec.expires_at = absl::InfiniteFuture();
  return spec;
}

Call CallOf(Do what, Alias alias = {}, const std::string& text = "") {
  return {.what = what, .alias = alias, .text = text};
}

Call CallOf(Do what, const SessionSpec& spec) { return {.what = what, .spec = spec}; }

Call ResumeCall(const Stage& stage, Alias alias, uint64_t generation, CutOff cut_off) {
  const Session session = *stage.model.Find(alias);
  Call call = CallOf(Do::kResume, alias);
  call.presentation = {.generation = generation,
                       .principal = session.principal,
                       .database = session.database,
                       .digest = "request of a length that is no string's own",
                       .cut_off = cut_off};
  return call;
}

Call CurrentResume(const Stage& stage, Alias alias, CutOff cut_off = CutOff::kRunAgain) {
  return ResumeCall(stage, alias, stage.model.GenerationOf(alias), cut_off);
}

Call VerifyCall(const Stage& stage, Alias alias, uint64_t generation) {
  Call call = ResumeCall(stage, alias, generation, CutOff::kRunAgain);
  call.what = Do::kVerify;
  return call;
}

Call MergeCall(Do what, Alias alias) {
  Call call = CallOf(what, alias);
  call.changes = {{"visits", Change::Add(1)},
                  {"f", Change::Set(Value::Secret("a secret that is not short at all"))},
                  {"big", Change::Set(std::string(6000, 'b'))}};
  return call;
}

void TakeTurn(Stage& stage, Alias alias) {
  stage.Make(CurrentResume(stage, alias));
  stage.Make(CallOf(Do::kFinishTurn, {}, "a reply"));
}

void FillGroup(Stage& stage) {
  stage.Make(CallOf(Do::kReserveAndCreate, SpecOf("ab")));
  const Alias group = stage.Made();
  SessionSpec linked = SpecOf("ab");
  linked.group = group;
  stage.Make(CallOf(Do::kRevokeGroup, group));
  stage.Make(CallOf(Do::kReserveAndCreate, linked));
}

void FillReservations(Stage& stage) {
  SessionSpec spec = SpecOf("a", "");
  stage.Make(CallOf(Do::kReserve, spec));
  spec.intent = "tell them";
  spec.idempotency_key = "request 1";
  stage.Make(CallOf(Do::kReserve, spec));
  spec.principal = "ab";
  spec.idempotency_key = "request 2";
  stage.Make(CallOf(Do::kReserve, spec));
}

void Fill(Stage& stage) {
  stage.Make(CallOf(Do::kAddConsumer, {}, "consumer 0"));
  stage.Make(CallOf(Do::kAddConsumer, {}, "consumer 1"));
  stage.Make(CallOf(Do::kReserveAndCreate, SpecOf("ab", "")));
  stage.Make(CallOf(Do::kRevokeAllExcept, stage.Made(), "ab"));
  FillGroup(stage);
  SessionSpec passing = SpecOf("ab");
  passing.expires_at = stage.model.now() + absl::Seconds(20);
  stage.Make(CallOf(Do::kReserveAndCreate, passing));
  stage.Make(CallOf(Do::kReserveAndCreate, SpecOf("a")));
  stage.Make({.what = Do::kCycleKey, .alias = stage.Made()});
  stage.Make(CallOf(Do::kRotateSigningKey));
  Call acknowledge = CallOf(Do::kAcknowledgeEvents, {}, "consumer 0");
  acknowledge.number = stage.model.last_event() - 2;
  stage.Make(acknowledge);
  FillReservations(stage);
  // The last two sessions are what most operations are about: one that idles, one with fields.
  SessionSpec idling = SpecOf("a");
  idling.idle_timeout = absl::Seconds(16);
  stage.Make(CallOf(Do::kReserveAndCreate, idling));
  Call with_fields = CallOf(Do::kSaveOrCreate, SpecOf("a"));
  with_fields.fields = {{"f", Value::Secret("pin")}, {"picture", Value(std::string(9000, 'x'))}};
  stage.Make(with_fields);
  stage.Make(MergeCall(Do::kMerge, stage.Made()));
  TakeTurn(stage, stage.Made());
}

}  // namespace

Stage::Stage(const std::string& directory_in, const Base& base, const Policy& policy_in)
    : directory(directory_in),
      policy(policy_in),
      clock(base.wall),
      keys([first = base.draws](uint64_t draw) { return first + draw; }),
      first_draw(base.draws),
      model(base.model),
      closed(base.closed),
      made_(base.model.Aliases()) {
  model.SetPolicy(policy);
}

absl::Status Stage::TryToOpen(recovery::Verification verify) {
  recovery::Options options = StoreOptions(directory, policy, clock, random, keys);
  options.verify = verify;
  absl::StatusOr<std::unique_ptr<recovery::Store>> opened = recovery::Open(options);
  if (opened.ok()) store = *std::move(opened);
  return opened.status();
}

void Stage::Open() {
  const absl::Status opened = TryToOpen();
  Require(opened.ok(), opened.ToString());
  if (store->report().epoch > 1) model.Restart(closed);
}

void Stage::Make(Call call) {
  const Reply reply = MakeCall(store->sessions(), turns, call);
  const std::string expected = model.Answer(call, reply);
  Require(reply.text == expected, absl::StrCat(testing::Describe(call), "\n  answered: ",
                                               reply.text, "\n  expected: ", expected));
  if (reply.fresh.has_value()) made_.push_back(reply.fresh->alias);
}

void Stage::Advance(absl::Duration duration) {
  clock.Advance(duration);
  model.Advance(duration);
}

Reply Stage::NextReply() {
  const uint64_t number = first_draw + keys.draws();
  ScriptedKeys same([number](uint64_t) { return number; });
  Reply reply;
  reply.fresh = Session();
  reply.fresh->public_key = same.Generate(SessionSpec().key_type)->public_key;
  return reply;
}

Base MakeBase(const std::string& folder) {
  const absl::Time wall = absl::FromUnixSeconds(1'800'000'000);
  Base base{folder, StoreModel(wall, {}), wall, 0, false, true};
  Stage stage(folder, base, {});
  stage.Open();
  Fill(stage);
  stage.turns.clear();
  const absl::Status closed = stage.store->Close();
  Require(closed.ok(), closed.ToString());
  return {folder, stage.model, stage.clock.Wall(), stage.keys.draws(), /*closed=*/true, false};
}

Base CrashedCopy(const Base& base, const std::string& folder) {
  Base crashed = base;
  crashed.folder = folder;
  crashed.closed = false;
  const std::string before = absl::StrCat(folder, "-before");
  std::filesystem::copy(base.folder, before, std::filesystem::copy_options::recursive);
  Stage stage(before, base, {});
  stage.Open();
  FillReservations(stage);
  CopyAsACrashWouldLeaveIt(before, folder);
  crashed.model = stage.model;
  crashed.draws = base.draws + stage.keys.draws();
  return crashed;
}

// ---- Operations ----

namespace {

void Nothing(Stage&) {}

void LetTimePass(Stage& stage) { stage.Advance(absl::Seconds(30)); }

void ReserveOne(Stage& stage) {
  SessionSpec spec = SpecOf("a");
  spec.intent = "tell them of it";
  stage.Make(CallOf(Do::kReserve, spec));
}

// What is done to the session with the fields.
std::function<Call(const Stage&)> On(Do what, const std::string& text = "") {
  return [what, text](const Stage& stage) { return CallOf(what, stage.Made(), text); };
}

// The aliases of the base, from the last one.
constexpr size_t kIdling = 1;

Policy Revoking(TurnRules::OnReplay rule) {
  Policy policy;
  policy.turns.on_replay = rule;
  return policy;
}

void AddInserts(std::vector<Operation>& all) {
  SessionSpec spec = SpecOf("a");
  spec.intent = "tell them of this one too";
  spec.idempotency_key = "request 7";
  all.push_back({"Reserve", Nothing, [spec](const Stage&) { return CallOf(Do::kReserve, spec); }});
  spec.idle_timeout = absl::Minutes(5);
  all.push_back({"ReserveAndCreate", Nothing,
                 [spec](const Stage&) { return CallOf(Do::kReserveAndCreate, spec); }});
  Policy limited;
  limited.limits = {.per_principal = 2};
  limited.limits.at_limit = Limits::AtLimit::kRevokeOldest;
  all.push_back({"ReserveAndCreate, at a limit", Nothing,
                 [](const Stage&) { return CallOf(Do::kReserveAndCreate, SpecOf("a")); }, limited});
  all.push_back(
      {"SaveOrCreate", Nothing, [spec](const Stage&) {
         Call call = CallOf(Do::kSaveOrCreate, spec);
         call.fields = {{"f", Value::Secret("1234")}, {"picture", Value(std::string(7000, 'y'))}};
         return call;
       }});
}

void AddLives(std::vector<Operation>& all) {
  all.push_back({"Create", ReserveOne, On(Do::kCreate)});
  all.push_back({"Abandon", ReserveOne, On(Do::kAbandon)});
  all.push_back({"Shift", Nothing, [](const Stage& stage) {
                   Call call = CallOf(Do::kShift, stage.Made());
                   call.state = State::kExpired;
                   return call;
                 }});
  all.push_back({"Touch", [](Stage& stage) { stage.Advance(absl::Seconds(5)); },
                 [](const Stage& stage) { return CallOf(Do::kTouch, stage.Made(kIdling)); }});
  all.push_back({"CycleKey", Nothing, On(Do::kCycleKey)});
  all.push_back({"Revoke", Nothing, On(Do::kRevoke)});
  all.push_back({"RevokeGroup", Nothing, [](const Stage& stage) {
                   return CallOf(Do::kRevokeGroup, stage.model.Find(stage.Made())->group);
                 }});
  all.push_back({"RevokeAll", Nothing, On(Do::kRevokeAll, "a")});
  all.push_back({"RevokeAllExcept", Nothing, On(Do::kRevokeAllExcept, "a")});
  all.push_back({"Sweep", LetTimePass, On(Do::kSweep)});
  all.push_back({"Acknowledge", Nothing, [](const Stage& stage) {
                   return CallOf(Do::kAcknowledge,
                                 stage.store->sessions().PendingCompensations()->front().alias);
                 }});
}

void AddAttributes(std::vector<Operation>& all) {
  all.push_back({"SaveIf", Nothing, [](const Stage& stage) {
                   Call call = CallOf(Do::kSaveIf, stage.Made());
                   call.number = stage.model.VersionOf(call.alias);
                   call.fields = {{"f", Value::Withheld()}, {"g", Value("a value that is longer")}};
                   return call;
                 }});
  all.push_back(
      {"Merge", Nothing, [](const Stage& stage) { return MergeCall(Do::kMerge, stage.Made()); }});
  all.push_back({"SetRemotePublicKey", Nothing,
                 On(Do::kSetRemotePublicKey, "a remote public key of some length")});
}

void AddTurns(std::vector<Operation>& all) {
  all.push_back({"Verify, an old baton", Nothing,
                 [](const Stage& stage) { return VerifyCall(stage, stage.Made(), 0); }});
  all.push_back(
      {"Resume", Nothing, [](const Stage& stage) { return CurrentResume(stage, stage.Made()); }});
  all.back().writes = false;
  all.push_back({"Resume, at most once", Nothing, [](const Stage& stage) {
                   return CurrentResume(stage, stage.Made(), CutOff::kAtMostOnce);
                 }});
  all.push_back(
      {"Resume, a replay that revokes", [](Stage& stage) { TakeTurn(stage, stage.Made()); },
       [](const Stage& stage) { return ResumeCall(stage, stage.Made(), 0, CutOff::kRunAgain); },
       Revoking(TurnRules::OnReplay::kRevokeSession)});
  for (const CutOff cut_off : {CutOff::kRunAgain, CutOff::kAtMostOnce}) {
    all.push_back(
        {cut_off == CutOff::kRunAgain ? "Finish" : "Finish, at most once",
         [cut_off](Stage& stage) {
           stage.Make(CurrentResume(stage, stage.Made(), cut_off));
           stage.Make(MergeCall(Do::kMergeInTurn, {}));
         },
         [](const Stage&) { return CallOf(Do::kFinishTurn, {}, std::string(5000, 'r')); }});
  }
  all.push_back({"RotateSigningKey", Nothing, On(Do::kRotateSigningKey)});
  // Rows that are sealed under another key are the same rows.
  all.push_back({"RotateDataKey", Nothing, On(Do::kRotateDataKey), {}, true, /*shows=*/false});
  for (const int pieces : {0, 1, 4}) {
    all.push_back({absl::StrCat("Reseal, after ", pieces),
                   [pieces](Stage& stage) {
                     stage.Make(CallOf(Do::kRotateDataKey));
                     for (int i = 0; i < pieces; ++i) stage.Make(CallOf(Do::kReseal));
                   },
                   On(Do::kReseal),
                   {},
                   true,
                   /*shows=*/false});
  }
  all.push_back({"RetireSigningKey", Nothing,
                 [](const Stage&) { return Call{.what = Do::kRetireSigningKey, .number = 1}; }});
}

void AddEvents(std::vector<Operation>& all) {
  all.push_back({"AddConsumer", Nothing, On(Do::kAddConsumer, "consumer 2 with a longer name")});
  all.push_back({"RemoveConsumer", Nothing, On(Do::kRemoveConsumer, "consumer 0")});
  all.push_back({"AcknowledgeEvents", Nothing, [](const Stage& stage) {
                   Call call = CallOf(Do::kAcknowledgeEvents, {}, "consumer 1");
                   call.number = stage.model.last_event();
                   return call;
                 }});
}

void AddReads(std::vector<Operation>& all) {
  const size_t first = all.size();
  for (const Do what : {Do::kFind, Do::kLoad, Do::kPrivateKey, Do::kIssue, Do::kGroupOf,
                        Do::kGroupMembers, Do::kList, Do::kCount, Do::kCompensations, Do::kStats}) {
    const std::string text = testing::Describe(Call{.what = what});
    all.push_back({text.substr(0, text.find('(')), Nothing, On(what)});
  }
  all.push_back({"Secret", Nothing, On(Do::kSecret, "f")});
  all.push_back({"ReadEvents", Nothing, On(Do::kReadEvents, "consumer 1")});
  all.push_back({"Verify", Nothing, [](const Stage& stage) {
                   const Alias alias = stage.Made();
                   return VerifyCall(stage, alias, stage.model.GenerationOf(alias));
                 }});
  for (size_t i = first; i < all.size(); ++i) all[i].writes = false;
}

}  // namespace

std::vector<Operation> AllOperations() {
  std::vector<Operation> all;
  AddInserts(all);
  AddLives(all);
  AddAttributes(all);
  AddTurns(all);
  AddEvents(all);
  AddReads(all);
  // In every other case, the first commit of a store merges a slice, too.
  for (size_t i = 0; i < all.size(); i += 2) all[i].policy.indexes = HastyIndexes(2, 6);
  return all;
}

}  // namespace batonstore::testing
