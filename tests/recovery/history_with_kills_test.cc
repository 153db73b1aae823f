// Several threads call one store at the same time, in a process that is killed (SIGKILL) at any
// instant: among the calls, while it opens the store and recovers it, while it looks around, while
// it closes. The next process opens what is there. What they all called and heard, over all these
// lives, is one history, and must be linearizable: a call whose answer never came may have happened
// before the process died, wholly, or not at all; nothing else (linearizability.h).
//
// Begin and answer of each call are noted in memory that the dead process shared (shared_log.h). An
// opening is a part of the history: it raises the epoch, takes away what is Reserved, and ends the
// turns. Threads whose turn was cut off ask again in the next life; a turn that had finished must
// answer with the same reply and the same baton, byte for byte. A stream of an earlier life is
// LOST.
//
//   ./bazelw test //tests/recovery:history_with_kills_test --test_arg=--operations=1000000
//   ... --test_arg=--seed=S repeats the calls of a run as far as what is chosen by what was there
//   before allows (not how the threads interleave, nor the instants of the kills)

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_streams.h"
#include "tests/support/forked_child.h"
#include "tests/support/linearizability.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/shared_log.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_history.h"
#include "tests/support/store_model.h"
#include "tests/support/temp_dir.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::AnswersTheSame;
using testing::AnyCallsOf;
using testing::AnyPolicy;
using testing::Call;
using testing::CallAndReply;
using testing::Channel;
using testing::CheckLinearizable;
using testing::Do;
using testing::FakeClock;
using testing::FakeConnection;
using testing::ForkedChild;
using testing::HistoryEntry;
using testing::IsOk;
using testing::Journal;
using testing::KeepTempDirsInMemory;
using testing::kNever;
using testing::LinearizabilityOutcome;
using testing::LinearizabilitySearch;
using testing::MakeCall;
using testing::MarkThoseThatMayHaveMet;
using testing::OnThreads;
using testing::OpenTurns;
using testing::Reply;
using testing::ScriptedKeys;
using testing::SharedLog;
using testing::StoreHistory;
using testing::StoreModel;
using testing::Surroundings;
using testing::SurroundingsOf;
using testing::TempDir;
using testing::TextOf;

constexpr size_t kThreads = 4;
constexpr size_t kCallsEach = 12;   // in a life
constexpr size_t kMain = kThreads;  // the writer of the log that is not one of the threads
constexpr int kLivesPerStore = 16;  // then a new one, so that the model stays small

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
uint64_t operations = 2'000;  // a sanitizer is ten times slower, and so is starting a process
#else
uint64_t operations = 100'000;
#endif
uint64_t seed = std::random_device()();

// The consumer of events that learns their order in each life.
constexpr absl::string_view kDriver = "the driver";

struct Tally {
  uint64_t operations = 0;
  uint64_t lives = 0;
  uint64_t kills = 0;
  uint64_t kills_in_opening = 0;
  uint64_t kills_in_closing = 0;
  // Calls, openings and closings without an answer.
  uint64_t had_happened = 0;
  uint64_t had_not = 0;
  uint64_t cannot_tell = 0;  // it would have changed nothing, or the same as others
  uint64_t reads = 0;        // change nothing for certain
  // What turns that were cut off, or whose answer might as well have been lost, heard in the next
  // life.
  uint64_t asked_again = 0;
  uint64_t replays = 0;
  uint64_t ran_again = 0;
  uint64_t unknown = 0;
  uint64_t batons = 0;  // handed out again, the same bytes
  uint64_t streams_lost = 0;
};

// ---- What happened, and what it does to the model ----

struct Step {
  enum class What { kCall, kTimePassed, kOpen, kLook, kClose };

  What what = What::kCall;
  std::vector<CallAndReply> calls = {};           // one; of a look all, with nobody else there
  std::optional<std::vector<Event>> events = {};  // of a look, at its end
  std::string answer = {};                        // of an opening and a closing
  absl::Duration passed = {};
  std::optional<int> pending = {};  // the number of this step among those without an answer
};
using Steps = std::vector<HistoryEntry<Step>>;

struct State {
  StoreModel model;
  bool closed = true;     // in order
  uint64_t happened = 0;  // of the steps without an answer, a bit each
};

std::string Fingerprint(const State& state) {
  return absl::StrCat(state.model.Fingerprint(), "|", state.closed, "|", state.happened);
}

std::string TellOpening(uint64_t epoch, bool crashed,
                        const std::vector<std::pair<Alias, std::string>>& removed) {
  std::string told = absl::StrCat("epoch ", epoch, crashed ? ", after a crash" : "");
  for (const auto& [alias, intent] : removed) {
    absl::StrAppend(&told, ", removed ", alias.ToString(), " '", intent, "'");
  }
  return told;
}

std::string TellOpening(const recovery::RecoveryReport& report) {
  std::vector<std::pair<Alias, std::string>> removed;
  for (const auto& reservation : report.removed) {
    removed.emplace_back(reservation.alias, reservation.intent);
  }
  return TellOpening(report.epoch, report.crashed, removed);
}

// What the model answers to an opening or a closing, once it has done it.
std::string Answer(State& state, Step::What what) {
  const bool crashed = !state.closed;
  state.closed = what == Step::What::kClose;
  if (state.closed) {
    state.model.Close();
    return "OK";
  }
  const auto removed = state.model.Restart(/*orderly=*/false);
  return TellOpening(state.model.epoch(), crashed, removed);
}

// Whether the model answers the same, and what it is then.
bool Apply(State& state, const Step& step) {
  if (step.pending.has_value()) state.happened |= uint64_t{1} << *step.pending;
  switch (step.what) {
    case Step::What::kCall: {
      const CallAndReply& made = step.calls.front();
      if (!step.pending.has_value()) return AnswersTheSame(state.model, made);
      state.model.Answer(made.call, made.reply);
      return true;
    }
    case Step::What::kTimePassed:
      state.model.Advance(step.passed);
      return true;
    case Step::What::kOpen:
    case Step::What::kClose:
      return Answer(state, step.what) == step.answer || step.pending.has_value();
    case Step::What::kLook:
      return std::all_of(step.calls.begin(), step.calls.end(),
                         [&](const auto& made) { return AnswersTheSame(state.model, made); }) &&
             (!step.events.has_value() || state.model.TakeOrderOf(*step.events));
  }
  return false;
}

// Changes nothing that anyone could hear of, before the process died or after, whatever it answers.
// (Giving up a turn is none: another may have got it before the process died.)
bool IsRead(Do what) {
  static const std::set<Do>& reads = *new std::set<Do>{
      Do::kLoad,         Do::kSecret, Do::kPrivateKey,   Do::kIssue,       Do::kFind,
      Do::kList,         Do::kCount,  Do::kGroupOf,      Do::kMergeInTurn, Do::kReadEvents,
      Do::kGroupMembers, Do::kStats,  Do::kCompensations};
  return reads.contains(what);
}

// ---- One life: the process ----

// Lets others go on whenever a call looks at the time, in its transaction too: there is no disk to
// wait for, and with few processors hardly a call would be under way beside another.
class RestlessClock final : public Clock {
 public:
  explicit RestlessClock(Clock& clock) : clock_(clock) {}

  absl::Time Wall() override { return clock_.Wall(); }
  absl::Duration SinceBoot() override {
    std::this_thread::yield();
    return clock_.SinceBoot();
  }

 private:
  Clock& clock_;
};

// Pairs have the number of the call that draws them, so that the key of a session is known even if
// nobody ever heard of it.
thread_local uint64_t number_of_call = 0;

std::string PublicKeyOf(uint64_t number) {
  return ScriptedKeys([number](uint64_t) { return number; }).Generate(KeyType::kX25519)->public_key;
}

SharedLog::Words ToWords(const Reply& reply) {
  const auto text_of = [](const std::optional<Alias>& alias) {
    return alias.has_value() ? alias->ToString() : "";
  };
  std::optional<Alias> fresh;
  if (reply.fresh.has_value()) fresh = reply.fresh->alias;
  return {reply.text, text_of(fresh), text_of(reply.turn_of), reply.baton,
          reply.fresh.has_value() ? reply.fresh->public_key : ""};
}

Reply ToReply(const SharedLog::Words& words) {
  Reply reply{.text = words.at(0), .baton = words.at(3)};
  if (!words.at(1).empty()) {
    reply.fresh.emplace();
    reply.fresh->alias = *Alias::Parse(words.at(1));
    reply.fresh->public_key = words.at(4);
  }
  if (!words.at(2).empty()) reply.turn_of = *Alias::Parse(words.at(2));
  return reply;
}

struct Life {
  recovery::Options options;
  std::vector<Call> look = {};                         // when it begins
  std::array<std::vector<Call>, kThreads> calls = {};  // then
  std::string stream = {};                             // a baton of an earlier life's stream
  uint64_t first_number = 0;                           // of its calls
  uint64_t dies_after = 0;                             // so many notes of its calls, and then
  bool dies_closing = false;                           // if it comes so far
  absl::Duration dying = {};                           // this time

  uint64_t NumberOf(size_t thread, size_t call) const {
    return first_number + thread * kCallsEach + call;
  }
};

// Awake, for moments that are too short to sleep.
void Spin(absl::Duration duration) {
  const absl::Time end = absl::Now() + duration;
  while (absl::Now() < end) {
  }
}

// What a life does, from its beginning to its end, which it may not reach.
class Living {
 public:
  Living(const Life& life, SharedLog& log) : life_(life), log_(log) {}

  // What went wrong, so that it cannot go on.
  std::string Live() {
    log_.Begin(kMain, {"open"});
    auto opened = recovery::Open(life_.options);
    if (!opened.ok()) return opened.status().ToString();
    store_ = *std::move(opened);
    log_.Answer(kMain, {TellOpening(store_->report())});
    UseStreams();
    Look();
    dies_at_ = log_.Now() + life_.dies_after;
    OnThreads(kThreads, [this](int thread) { MakeCalls(static_cast<size_t>(thread)); });
    for (OpenTurns& turns : turns_) turns.clear();
    log_.Begin(kMain, {"close"});
    if (life_.dies_closing) dies_at_ = 0;
    std::thread other([this] { DieIfItIsTime(); });
    log_.Answer(kMain, {TextOf(store_->Close())});
    other.join();
    store_.reset();
    return "";
  }

 private:
  void UseStreams() {
    if (!life_.stream.empty()) {
      log_.Begin(kMain, {"present a stream"});
      const auto turn = store_->streams().Resume(life_.stream, "accounts", "alice");
      log_.Answer(kMain, {TextOf(turn.status())});
    }
    log_.Begin(kMain, {"open a stream"});
    auto turn = store_->streams().Open({.database = "accounts",
                                        .principal = "alice",
                                        .connection = std::make_unique<FakeConnection>(journal_)});
    log_.Answer(kMain, {turn.ok() ? turn->Finish().value_or("") : ""});
  }

  // Nobody else is at work: what there is to see leaves few of the states that are possible.
  void Look() {
    for (const Call& call : life_.look) {
      log_.Begin(kMain, {"look"});
      log_.Answer(kMain, ToWords(MakeCall(store_->sessions(), call)));
    }
    log_.Begin(kMain, {"events"});
    const auto events = store_->sessions().events().Read(kDriver, kMaxEventsRead);
    if (!events.ok()) std::abort();
    SharedLog::Words words;
    for (const Event& event : *events) {
      words.push_back(absl::StrCat(event.sequence));
      words.push_back(EncodeEvent(event));
    }
    log_.Answer(kMain, words);
    if (events->empty()) return;
    const uint64_t last = events->back().sequence;
    log_.Begin(kMain, {"acknowledge", absl::StrCat(last)});
    log_.Answer(kMain, {TextOf(store_->sessions().events().Acknowledge(kDriver, last))});
  }

  void MakeCalls(size_t thread) {
    OpenTurns& turns = turns_[thread];
    for (size_t i = 0; i < life_.calls[thread].size(); ++i) {
      number_of_call = life_.NumberOf(thread, i);
      log_.Begin(thread, {turns.empty() ? "" : turns.back().session().alias.ToString()});
      DieIfItIsTime();
      const Reply reply = MakeCall(store_->sessions(), turns, life_.calls[thread][i]);
      std::this_thread::yield();  // so that now and then the answer is lost, and it alone
      log_.Answer(thread, ToWords(reply));
      DieIfItIsTime();
    }
  }

  // The first thread that comes here in time kills the process a moment later, while the others are
  // somewhere in their calls.
  void DieIfItIsTime() {
    if (log_.Now() < dies_at_ || is_dying_.exchange(true)) return;
    Spin(life_.dying);
    kill(getpid(), SIGKILL);
  }

  const Life& life_;
  SharedLog& log_;
  Journal journal_;
  std::unique_ptr<recovery::Store> store_;
  std::array<OpenTurns, kThreads> turns_;
  uint64_t dies_at_ = 0;
  std::atomic<bool> is_dying_ = false;
};

// ---- All lives of one store, and every state that it may be in by what was heard so far ----

class World {
 public:
  World(const std::string& folder, std::mt19937_64& random, SharedLog& log, Tally& tally)
      : random_(random), log_(log), tally_(tally) {
    options_ = {.directory = folder,
                .map_bytes = uint64_t{64} << 20,
                .policy = AnyPolicy(random),
                .sweep_every = absl::InfiniteDuration(),
                .streams = {.reap_every = absl::InfiniteDuration()},
                .clock = &restless_clock_,
                .key_pairs = &keys_};
    states_.push_back({StoreModel(clock_.Wall(), options_.policy)});
    const auto store = recovery::Open(options_);
    EXPECT_THAT(store, IsOk());
    EXPECT_THAT((*store)->sessions().events().AddConsumer(kDriver), IsOk());
    states_.front().model.Answer({.what = Do::kAddConsumer, .text = std::string(kDriver)}, {});
    EXPECT_THAT((*store)->Close(), IsOk());
  }

  void LiveAndDie() {
    PassTime();
    const Life life = Plan();
    if (::testing::Test::HasFatalFailure()) return;
    log_.Clear();
    const uint64_t birth = log_.Now();
    ForkedChild child([&](Channel&) { return Living(life, log_).Live(); });
    bool killed = true;
    if (random_() % 5 == 0) {
      WaitForAnEarlyInstant(child, birth, life);
      killed = child.Kill();
    } else {
      const std::string end = child.Join();
      killed = end == absl::StrCat("killed by signal ", SIGKILL);
      ASSERT_TRUE(killed || end.empty()) << end;
    }
    ++tally_.lives;
    tally_.kills += killed;
    Judge(life, killed);
  }

  // Judges what no later life is there to look at.
  void End() { AnyStateNow(); }

 private:
  void PassTime() {
    const absl::Duration passed = absl::Milliseconds(random_() % 4 * 500);  // meets deadlines
    clock_.Advance(passed);
    const uint64_t begun = log_.Stamp();
    Add({.what = Step::What::kTimePassed, .passed = passed}, begun, log_.Stamp());
  }

  // Looked at, and called, by what may be there by now.
  Life Plan() {
    std::optional<State> state = AnyStateNow();
    Life life{.options = options_, .stream = stream_, .first_number = next_number_};
    constexpr uint64_t kNotes = 2 * kThreads * kCallsEach;
    life.dies_after = random_() % (kNotes + 20);
    life.dies_closing = life.dies_after > kNotes && random_() % 2 == 0;
    life.dying = absl::Microseconds(random_() % 100);
    next_number_ += kThreads * kCallsEach;
    if (!state.has_value()) return life;
    Answer(*state, Step::What::kOpen);
    life.look = {{.what = Do::kStats}, {.what = Do::kList}, {.what = Do::kCompensations}};
    for (const Alias alias : state->model.Aliases()) {
      life.look.push_back({.what = Do::kLoad, .alias = alias});
    }
    const std::vector<Alias> given(aliases_.begin(), aliases_.end());
    const Surroundings here = SurroundingsOf(state->model, given);
    for (size_t thread = 0; thread < kThreads; ++thread) {
      const bool asks_again = again_[thread].has_value() && random_() % 4 > 0;
      asks_again_[thread] = asks_again;
      life.calls[thread] = AnyCallsOf(static_cast<int>(thread), kCallsEach, /*has_turn=*/false,
                                      asks_again ? again_[thread] : std::nullopt, here, random_);
    }
    return life;
  }

  // The first that fits what is not settled yet.
  std::optional<State> AnyStateNow() {
    LinearizabilitySearch search;
    search.all_finals = false;
    for (const State& state : states_) {
      auto result = CheckLinearizable(state, steps_, Apply, Fingerprint, search);
      if (!result.finals.empty()) return std::move(result.finals.front());
    }
    ReportFailure("before the next life");
    return std::nullopt;
  }

  // An instant before the first calls: while it opens the store, or looks around.
  void WaitForAnEarlyInstant(const ForkedChild& child, uint64_t birth, const Life& life) {
    const bool opening = random_() % 2 == 0;
    const uint64_t notes = opening ? 1 : 1 + random_() % (2 * life.look.size() + 8);
    const uint64_t microseconds = random_() % (opening ? 500 : 50);
    while (log_.Now() < birth + notes && !child.HasEnded()) std::this_thread::yield();
    Spin(absl::Microseconds(microseconds));
  }

  // ---- The history ----

  void Add(Step step, uint64_t begun, uint64_t answered, uint64_t lost = kNever) {
    if (answered == kNever) step.pending = pending_++;
    ASSERT_LT(pending_, 64) << "too many answers are missing at once";
    steps_.push_back({std::move(step), begun, answered, answered == kNever ? lost : kNever});
  }

  void Judge(const Life& life, bool killed) {
    const uint64_t died = log_.Stamp();
    const std::vector<SharedLog::Record> records = log_.Read(kMain);
    size_t next = 0;
    while (next < records.size() && next < 3 && !IsLook(records[next])) {
      AddOpening(records[next++], died, killed);
    }
    AddLook(life, records, next, died);
    AddCalls(life, died);
    if (next < records.size() && records[next].what[0] == "close") {
      const SharedLog::Record& record = records[next];
      tally_.kills_in_closing += record.answered == kNever;
      Add({.what = Step::What::kClose, .answer = FirstOf(record.answer)}, record.begun,
          record.answered, died);
    } else {
      ASSERT_TRUE(killed) << "a life ended by itself, and not in order";
    }
  }

  static bool IsLook(const SharedLog::Record& record) {
    return record.what[0] == "look" || record.what[0] == "events";
  }
  static std::string FirstOf(const SharedLog::Words& words) {
    return words.empty() ? "" : words.front();
  }

  void AddOpening(const SharedLog::Record& record, uint64_t died, bool killed) {
    const bool answered = record.answered != kNever;
    if (record.what[0] == "open") {
      ASSERT_TRUE(answered || killed);
      tally_.kills_in_opening += !answered;
      Add({.what = Step::What::kOpen, .answer = FirstOf(record.answer)}, record.begun,
          record.answered, died);
    } else if (answered && record.what[0] == "present a stream") {
      EXPECT_EQ(record.answer[0], VerdictName(Verdict::kLost)) << "a stream of an earlier life";
      ++tally_.streams_lost;
    } else if (answered && record.what[0] == "open a stream") {
      EXPECT_NE(record.answer[0], "") << "no stream";
      stream_ = record.answer[0];
    }
  }

  // Goes on to what follows the look. A look that came to its end settles what was open.
  void AddLook(const Life& life, const std::vector<SharedLog::Record>& records, size_t& next,
               uint64_t died) {
    Step look{.what = Step::What::kLook};
    const size_t first = next;
    uint64_t answered = 0;
    for (; next < records.size() && IsLook(records[next]); ++next) {
      const SharedLog::Record& record = records[next];
      if (record.answered == kNever) continue;  // it is the last one
      answered = record.answered;
      if (record.what[0] == "look") {
        look.calls.push_back({life.look[next - first], ToReply(record.answer)});
      } else {
        look.events = ToEvents(record.answer);
      }
    }
    if (!look.calls.empty()) {
      const bool is_whole = look.events.has_value();
      Add(std::move(look), records[first].begun, answered);
      if (is_whole) Settle();
    }
    if (next == records.size() || records[next].what[0] != "acknowledge") return;
    const SharedLog::Record& record = records[next++];
    uint64_t sequence = 0;
    ASSERT_TRUE(absl::SimpleAtoi(record.what[1], &sequence));
    const Call call{
        .what = Do::kAcknowledgeEvents, .number = sequence, .text = std::string(kDriver)};
    Add({.calls = {{call, {FirstOf(record.answer)}}}}, record.begun, record.answered, died);
  }

  static std::vector<Event> ToEvents(const SharedLog::Words& words) {
    std::vector<Event> events;
    for (size_t i = 0; i + 1 < words.size(); i += 2) {
      uint64_t sequence = 0;
      EXPECT_TRUE(absl::SimpleAtoi(words[i], &sequence));
      events.push_back(DecodeEvent(sequence, words[i + 1]).value());
    }
    return events;
  }

  void AddCalls(const Life& life, uint64_t died) {
    StoreHistory history;
    for (size_t thread = 0; thread < kThreads; ++thread) {
      const std::vector<SharedLog::Record> records = log_.Read(thread);
      tally_.operations += records.size();
      for (size_t i = 0; i < records.size(); ++i) {
        const SharedLog::Record& record = records[i];
        CallAndReply made{life.calls[thread][i], {}};
        if (record.answered != kNever) {
          made.reply = ToReply(record.answer);
          NoteReply(made.reply);
        } else {
          made.reply.fresh.emplace().public_key = PublicKeyOf(life.NumberOf(thread, i));
          if (!record.what[0].empty()) made.reply.turn_of = *Alias::Parse(record.what[0]);
        }
        history.push_back({std::move(made), record.begun, record.answered});
      }
      NoteTurns(thread, life.calls[thread], records);
    }
    MarkThoseThatMayHaveMet(history);
    for (auto& [made, begun, answered, lost] : history) {
      if (answered == kNever && IsRead(made.call.what)) {
        ++tally_.reads;
      } else {
        Add({.calls = {std::move(made)}}, begun, answered, died);
      }
    }
  }

  // A baton that says the same is the same, whenever and by whomever it is handed out.
  void NoteReply(const Reply& reply) {
    if (reply.fresh.has_value()) aliases_.insert(reply.fresh->alias);
    if (reply.baton.empty()) return;
    const size_t says = reply.text.rfind("baton of ");
    ASSERT_NE(says, std::string::npos) << reply.text;
    const auto [known, is_new] = batons_.emplace(reply.text.substr(says), reply.baton);
    EXPECT_EQ(known->second, reply.baton) << reply.text;
    tally_.batons += !is_new;
  }

  static bool GotSomething(const std::string& heard) {
    return absl::StartsWith(heard, "turn of ") || absl::StartsWith(heard, "replay of ") ||
           absl::StartsWith(heard, "UNKNOWN");
  }

  // Which turn the thread asks for again in the next life, and what became of the last one's.
  void NoteTurns(size_t thread, const std::vector<Call>& calls,
                 const std::vector<SharedLog::Record>& records) {
    if (asks_again_[thread] && !records.empty() && records[0].answered != kNever) {
      const std::string& heard = records[0].answer[0];
      ++tally_.asked_again;
      tally_.replays += absl::StartsWith(heard, "replay of ");
      tally_.ran_again += absl::StartsWith(heard, "turn of ");
      tally_.unknown += absl::StartsWith(heard, "UNKNOWN");
    }
    if (!records.empty()) again_[thread].reset();
    for (size_t i = 0; i < records.size(); ++i) {
      const bool was_refused =
          records[i].answered != kNever && !GotSomething(records[i].answer.at(0));
      if (calls[i].what == Do::kResume && !was_refused) again_[thread] = calls[i];
    }
  }

  // ---- The judgement ----

  // Leaves the states that fit all that was called and heard.
  void Settle() {
    std::vector<State> finals;
    for (const State& state : states_) {
      auto result = CheckLinearizable(state, steps_, Apply, Fingerprint);
      ASSERT_NE(result.outcome, LinearizabilityOutcome::kUndecided) << "visited " << result.visited;
      std::move(result.finals.begin(), result.finals.end(), std::back_inserter(finals));
    }
    if (finals.empty()) return ReportFailure("after a look");
    Count(finals);
    states_.clear();
    std::set<std::string> prints;
    for (State& state : finals) {
      state.happened = 0;
      if (prints.insert(Fingerprint(state)).second) states_.push_back(std::move(state));
    }
    steps_.clear();
    pending_ = 0;
    const std::vector<Alias> there = states_.front().model.Aliases();
    aliases_.insert(there.begin(), there.end());
  }

  void Count(const std::vector<State>& finals) {
    uint64_t in_all = ~uint64_t{0};
    uint64_t in_any = 0;
    for (const State& state : finals) {
      in_all &= state.happened;
      in_any |= state.happened;
    }
    for (int i = 0; i < pending_; ++i) {
      const uint64_t bit = uint64_t{1} << i;
      ++((in_all & bit) != 0   ? tally_.had_happened
         : (in_any & bit) == 0 ? tally_.had_not
                               : tally_.cannot_tell);
    }
  }

  // What could be ordered, then what could not.
  void ReportFailure(const std::string& when) {
    const State* closest = nullptr;
    std::vector<size_t> longest;
    for (const State& state : states_) {
      auto result = CheckLinearizable(state, steps_, Apply, Fingerprint);
      if (closest != nullptr && result.longest.size() <= longest.size()) continue;
      closest = &state;
      longest = std::move(result.longest);
    }
    std::string story;
    State state = *closest;
    std::set<size_t> told;
    for (const size_t index : longest) {
      absl::StrAppend(&story, "  ", Tell(state, steps_[index]), "\n");
      Apply(state, steps_[index].operation);
      told.insert(index);
    }
    for (size_t index = 0; index < steps_.size(); ++index) {
      if (!told.contains(index)) absl::StrAppend(&story, "? ", Tell(state, steps_[index]), "\n");
    }
    FAIL() << when << ": not linearizable:\n" << story;
  }

  // A step, and where the model in this state answers something else.
  static std::string Tell(State state, const HistoryEntry<Step>& entry) {
    static constexpr const char* kNames[] = {"call", "time passes", "open", "look", "close"};
    const Step& step = entry.operation;
    std::string told = absl::StrCat(entry.invoked, "..");
    if (entry.answered != kNever) absl::StrAppend(&told, entry.answered);
    if (entry.lost != kNever) absl::StrAppend(&told, "lost at ", entry.lost);
    absl::StrAppend(&told, " ", kNames[static_cast<int>(step.what)], " ",
                    absl::FormatDuration(step.passed), " ", step.answer);
    if (step.what == Step::What::kOpen) {
      absl::StrAppend(&told, "\n    model: ", Answer(state, step.what));
    }
    for (const CallAndReply& made : step.calls) {
      const std::string model = state.model.Answer(made.call, made.reply);
      if (step.what == Step::What::kLook && model == made.reply.text) continue;
      absl::StrAppend(&told, "\n    ", Describe(made.call), "\n    real: ", made.reply.text,
                      made.may_have_met_another ? " (may have met another)" : "",
                      "\n    model: ", model);
    }
    if (step.events.has_value() && !state.model.TakeOrderOf(*step.events)) {
      absl::StrAppend(&told, "\n    other events: ", TextOf(*step.events));
    }
    return told;
  }

  std::mt19937_64& random_;
  SharedLog& log_;
  Tally& tally_;
  FakeClock clock_;
  RestlessClock restless_clock_{clock_};
  ScriptedKeys keys_{[](uint64_t) { return number_of_call; }};
  recovery::Options options_;
  uint64_t next_number_ = 1;

  std::vector<State> states_;  // before `steps_`
  Steps steps_;                // not settled yet
  int pending_ = 0;            // among them

  std::set<Alias> aliases_;
  std::map<std::string, std::string> batons_;  // what it says -> the bytes
  std::string stream_;
  std::array<std::optional<Call>, kThreads> again_;
  std::array<bool, kThreads> asks_again_ = {};
};

TEST(HistoryWithKillsTest, WhatHadNoAnswerHappenedOrNot) {
  std::cout << "seed " << seed << ", operations " << operations << std::endl;
  KeepTempDirsInMemory();
  const absl::Time began = absl::Now();
  std::mt19937_64 random(seed);
  SharedLog log(kThreads + 1);
  Tally tally;
  while (tally.operations < operations) {
    TempDir dir;
    World world(dir / "store", random, log, tally);
    for (int life = 0; life < kLivesPerStore && !HasFailure(); ++life) world.LiveAndDie();
    if (!HasFailure()) world.End();
    if (HasFailure()) break;
  }
  std::cout << "history_with_kills: " << (HasFailure() ? "FAILED" : "ok")
            << " operations=" << tally.operations << " lives=" << tally.lives
            << " kills=" << tally.kills << " (opening " << tally.kills_in_opening << ", closing "
            << tally.kills_in_closing << ") pending: had_happened=" << tally.had_happened
            << " had_not=" << tally.had_not << " cannot_tell=" << tally.cannot_tell
            << " reads=" << tally.reads << " asked_again=" << tally.asked_again << " (replays "
            << tally.replays << ", ran again " << tally.ran_again << ", unknown " << tally.unknown
            << ") same_batons=" << tally.batons << " streams_lost=" << tally.streams_lost
            << " seconds=" << absl::ToInt64Seconds(absl::Now() - began) << " seed=" << seed
            << std::endl;
  if (operations < 5'000) return;
  EXPECT_GT(tally.kills_in_opening, 0u);
  EXPECT_GT(tally.had_happened, 0u);
  EXPECT_GT(tally.had_not, 0u);
  EXPECT_GT(tally.replays, 0u);
  EXPECT_GT(tally.ran_again, 0u);
  EXPECT_GT(tally.unknown, 0u);
  EXPECT_GT(tally.streams_lost, 0u);
}

}  // namespace
}  // namespace batonstore

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    const bool understood = (absl::ConsumePrefix(&argument, "--operations=") &&
                             absl::SimpleAtoi(argument, &batonstore::operations)) ||
                            (absl::ConsumePrefix(&argument, "--seed=") &&
                             absl::SimpleAtoi(argument, &batonstore::seed));
    if (!understood) {
      std::cerr << "unknown argument: " << argv[i] << "\n";
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
