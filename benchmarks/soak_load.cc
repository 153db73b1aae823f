#include "benchmarks/soak_load.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/session_turn.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

constexpr char kDatabase[] = "accounts";
constexpr size_t kFields = 4;
constexpr size_t kDigestBytes = 32;

// Of each hundred operations, but for the creations, of which there are as many as sessions end.
constexpr std::pair<Kind, uint64_t> kMix[] = {{Kind::kTurn, 30},
                                              {Kind::kFind, 30},
                                              {Kind::kTouch, 20},
                                              {Kind::kMerge, 17},
                                              {Kind::kRevoke, 3}};

void OnThreads(const std::vector<std::unique_ptr<SoakCaller>>& callers,
               void (SoakCaller::*what)()) {
  std::vector<std::thread> threads;
  for (const auto& caller : callers) threads.emplace_back(what, caller.get());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

SoakCaller::SoakCaller(SessionStore& sessions, const SoakOptions& options, size_t number)
    : sessions_(sessions),
      options_(options),
      number_(number),
      random_(options.seed * 1000 + number),
      slots_(options.sessions / options.callers) {}

void SoakCaller::Fill() {
  for (size_t place = 0; place < slots_.size(); ++place) {
    CheckOk(Create(place));
    CheckOk(TakeTurn(place));
  }
}

void SoakCaller::Step() {
  size_t place = random_() % slots_.size();
  const bool create = SomeoneIsDue(place);
  const Kind kind = create ? Kind::kCreate : AnyKind();
  Latencies latency;
  const absl::Status status = latency.Measure([&] { return Do(kind, place); });
  {
    MutexLock lock(mu_);
    latencies_[static_cast<size_t>(kind)].Add(latency);
  }
  // It ran out a moment ago, and cannot be revoked either, or the sweep has been there.
  const std::optional<Verdict> verdict = VerdictOf(status);
  const bool ended = verdict == Verdict::kExpired || verdict == Verdict::kNotFound ||
                     (kind == Kind::kRevoke && verdict == Verdict::kIllegalShift);
  if (!ended) CheckOk(status);
  if (ended || kind == Kind::kRevoke) EndsAt(place, absl::InfinitePast());
}

KindLatencies SoakCaller::Collect() {
  MutexLock lock(mu_);
  return std::exchange(latencies_, {});
}

absl::Status SoakCaller::Do(Kind kind, size_t place) {
  const Alias alias = slots_[place].alias;
  switch (kind) {
    case Kind::kCreate:
      return Create(place);
    case Kind::kTurn:
      return TakeTurn(place);
    case Kind::kFind:
      return sessions_.Find(alias).status();
    case Kind::kTouch:
      return sessions_.Touch(alias).status();
    case Kind::kMerge: {
      const std::string field = absl::StrCat("field ", random_() % kFields);
      return sessions_.Merge(alias, {{field, Change::Set(Bytes())}}).status();
    }
    case Kind::kRevoke:
      return sessions_.Revoke(alias);
  }
  return absl::OkStatus();
}

absl::Status SoakCaller::Create(size_t place) {
  Fields fields;
  for (size_t i = 0; i < kFields; ++i) fields.emplace(absl::StrCat("field ", i), Bytes());
  SessionSpec spec;
  spec.label = "a session of a soak";
  spec.principal = Principal(place);
  spec.database = kDatabase;
  spec.expires_at = sessions_.clock().Now() + AnyLifetime();
  spec.idle_timeout = 4 * options_.lifetime;  // so that few idle, and some touches are written
  BATONSTORE_ASSIGN_OR_RETURN(const Saved saved, sessions_.SaveOrCreate(spec, fields));
  BATONSTORE_ASSIGN_OR_RETURN(std::string baton, sessions_.Issue(saved.session.alias));
  Slot& slot = slots_[place];
  slot = {saved.session.alias, std::move(baton), slot.made + 1};
  EndsAt(place, spec.expires_at);
  return absl::OkStatus();
}

absl::Status SoakCaller::TakeTurn(size_t place) {
  std::string digest = Bytes();
  digest.resize(kDigestBytes);
  BATONSTORE_ASSIGN_OR_RETURN(
      Resumed resumed, sessions_.Resume(slots_[place].baton, digest, kDatabase, Principal(place)));
  BATONSTORE_ASSIGN_OR_RETURN(slots_[place].baton, std::get<SessionTurn>(resumed).Finish(Bytes()));
  return absl::OkStatus();
}

// Every caller's places belong to principals of their own, each of whom has a few.
std::string SoakCaller::Principal(size_t place) const {
  constexpr size_t kSessionsOfOne = 10;
  return absl::StrCat("principal-", number_, "-", place / kSessionsOfOne, "@example.com");
}

// 32 to 160 of them.
std::string SoakCaller::Bytes() {
  return std::string(32 + random_() % 129, static_cast<char>('a' + random_() % 26));
}

// Such that how long a session still has does not depend on how long it has had: sessions that are
// all made at once end no differently from those that were made over time.
absl::Duration SoakCaller::AnyLifetime() {
  constexpr absl::Duration kShortest = absl::Seconds(1);
  const double share = std::exponential_distribution<double>(1)(random_);
  return kShortest + share * options_.lifetime;
}

Kind SoakCaller::AnyKind() {
  uint64_t drawn = random_() % 100;
  for (const auto& [kind, share] : kMix) {
    if (drawn < share) return kind;
    drawn -= share;
  }
  return Kind::kFind;
}

bool SoakCaller::SomeoneIsDue(size_t& place) {
  while (!due_.empty() && std::get<absl::Time>(due_.top()) <= sessions_.clock().Now()) {
    const auto [when, due_place, made] = due_.top();
    due_.pop();
    if (slots_[due_place].made != made) continue;  // that one had been revoked
    place = due_place;
    return true;
  }
  return false;
}

SoakLoad::SoakLoad(SessionStore& sessions, const SoakOptions& options) : options_(options) {
  for (size_t i = 0; i < options_.callers; ++i) {
    callers_.push_back(std::make_unique<SoakCaller>(sessions, options_, i));
  }
  OnThreads(callers_, &SoakCaller::Fill);
}

SoakLoad::~SoakLoad() {
  over_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void SoakLoad::Start() {
  for (const auto& caller : callers_) threads_.emplace_back([&] { RunCaller(*caller); });
}

KindLatencies SoakLoad::Collect() {
  KindLatencies all;
  for (const auto& caller : callers_) {
    const KindLatencies some = caller->Collect();
    for (size_t kind = 0; kind < kKinds; ++kind) all[kind].Add(some[kind]);
  }
  return all;
}

// Who has fallen behind the rate does not make up for it: the next operation is due when it is due.
void SoakLoad::RunCaller(SoakCaller& caller) {
  using Clock = std::chrono::steady_clock;
  const double own_rate = options_.rate / static_cast<double>(options_.callers);
  const auto apart = std::chrono::nanoseconds(own_rate > 0 ? std::llround(1e9 / own_rate) : 0);
  Clock::time_point next = Clock::now();
  while (!over_) {
    if (own_rate > 0) {
      next = std::max(next + apart, Clock::now());
      std::this_thread::sleep_until(next);
    }
    caller.Step();
  }
}

}  // namespace batonstore::benchmarks
