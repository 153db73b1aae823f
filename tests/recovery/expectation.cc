#include "tests/recovery/expectation.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace batonstore::testing {
namespace {

constexpr uint64_t kFirstKey = 1'000'000;

std::string Difference(const std::string& what, const std::string& got,
                       const std::string& expected) {
  return absl::StrCat(what, "\n  answered: ", got, "\n  expected: ", expected);
}

Call VerifyCall(const Session& session, uint64_t generation) {
  Call call = {.what = Do::kVerify, .alias = session.alias};
  call.presentation = {.generation = generation,
                       .principal = session.principal,
                       .database = session.database,
                       .digest = "request"};
  return call;
}

// Of those that can be used, the last ones.
std::vector<Session> Usable(const StoreModel& model, size_t limit) {
  std::vector<Session> usable;
  const std::vector<Alias> aliases = model.Aliases();
  for (auto alias = aliases.rbegin(); alias != aliases.rend() && usable.size() < limit; ++alias) {
    if (!model.Unusable(*alias).has_value()) usable.push_back(*model.Find(*alias));
  }
  return usable;
}

std::vector<Call> GeneralQuestions() {
  std::vector<Call> calls = {{.what = Do::kStats}, {.what = Do::kList}};
  for (const char* principal : {"a", "ab"}) {
    Call list = {.what = Do::kList};
    list.filter.principal = principal;
    calls.push_back(list);
  }
  for (const char* database : {"main", ""}) {
    Call of_database = {.what = Do::kCount};
    of_database.filter.database = database;
    calls.push_back(of_database);
    of_database.what = Do::kList;
    calls.push_back(of_database);
  }
  calls.push_back({.what = Do::kCompensations});
  calls.push_back({.what = Do::kReadEvents, .text = "consumer 0"});
  calls.push_back({.what = Do::kReadEvents, .text = "consumer 1"});
  return calls;
}

std::vector<Call> QuestionsOf(const StoreModel& model) {
  std::vector<Call> calls = GeneralQuestions();
  const std::vector<Alias> aliases = model.Aliases();
  for (const Alias alias : aliases) {
    for (const Do what : {Do::kLoad, Do::kPrivateKey, Do::kGroupMembers}) {
      calls.push_back({.what = what, .alias = alias});
    }
  }
  for (const Session& session : Usable(model, aliases.size())) {
    calls.push_back({.what = Do::kIssue, .alias = session.alias});
    calls.push_back({.what = Do::kSecret, .alias = session.alias, .text = "f"});
    calls.push_back(VerifyCall(session, model.GenerationOf(session.alias)));
  }
  return calls;
}

std::string AliasText(const absl::StatusOr<Session>& found) {
  return found.ok() ? TextOf(found->alias) : TextOf(found.status());
}

}  // namespace

void SeededRandom::Fill(absl::Span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); i += sizeof(uint64_t)) {
    state_ += 0x9E3779B97F4A7C15u;  // splitmix64
    uint64_t word = (state_ ^ (state_ >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    word ^= word >> 31;
    std::memcpy(out.data() + i, &word, std::min(sizeof(word), out.size() - i));
  }
}

recovery::Options StoreOptions(const std::string& directory, const Policy& policy, FakeClock& clock,
                               SeededRandom& random, ScriptedKeys& keys) {
  recovery::Options options;
  options.directory = directory;
  options.map_bytes = options.max_map_bytes = uint64_t{64} << 20;
  options.reserved_bytes = uint64_t{64} << 10;  // states are small, and copied
  options.max_readers = 4;
  options.policy = policy;
  options.sweep_every = absl::InfiniteDuration();
  options.streams.reap_every = absl::InfiniteDuration();
  options.clock = &clock;
  options.random = &random;
  options.key_pairs = &keys;
  return options;
}

ScriptedKeys Expectation::Keys() {
  return ScriptedKeys([](uint64_t draw) { return kFirstKey + draw; });
}

Expectation::Expectation(const Snapshot& snapshot) : wall_(snapshot.wall) {
  StoreModel model = snapshot.model;
  if (!snapshot.fresh) reads_.removed = model.Restart(snapshot.closed);
  auto removed = std::move(reads_.removed);
  reads_ = ReadsOf(model);
  reads_.removed = std::move(removed);
  reads_.crashed = !snapshot.fresh && !snapshot.closed;
  const Limits& limits = model.policy().limits;
  writes_ = WritesOf(model, limits.per_principal + limits.per_database + limits.per_store > 0);
  model.Restart(/*orderly=*/true);
  again_ = ReadsOf(model);
}

Expectation::Reads Expectation::ReadsOf(StoreModel& model) {
  Reads reads;
  reads.epoch = model.epoch();
  reads.primary_key_id = model.primary_key_id();
  reads.retired_keys = model.retired_keys();
  for (const Call& call : QuestionsOf(model)) {
    reads.answers.emplace_back(call, model.Answer(call, {}));
  }
  for (const Alias alias : model.Aliases()) {
    const std::optional<Session> session = model.Find(alias);
    if (model.Answer({.what = Do::kFind, .alias = alias}, {}) == testing::TextOf(*session)) {
      reads.by_public_key.emplace_back(session->public_key, alias);
    }
  }
  return reads;
}

// Requests that were made before: the last ones that have an idempotency key, ended ones too.
std::vector<Call> Repeated(const StoreModel& model) {
  constexpr size_t kMost = 4;
  std::vector<Call> calls;
  const std::vector<Alias> aliases = model.Aliases();
  for (auto alias = aliases.rbegin(); alias != aliases.rend() && calls.size() < kMost; ++alias) {
    const std::string key = model.IdempotencyKeyOf(*alias);
    if (key.empty()) continue;
    const Session session = *model.Find(*alias);
    Call call = {.what = Do::kReserveAndCreate};
    call.spec = {.label = session.label,
                 .kind = session.kind,
                 .principal = session.principal,
                 .database = session.database,
                 .expires_at = absl::InfiniteFuture(),
                 .idempotency_key = key};
    calls.push_back(std::move(call));
  }
  return calls;
}

// As many as limits allow, and one more, at the least.
std::vector<Call> UpToTheLimits() {
  constexpr int kOfEach = 3;
  std::vector<Call> calls;
  for (int i = 0; i < kOfEach; ++i) {
    for (const char* principal : {"a", "ab"}) {
      Call create = {.what = Do::kReserveAndCreate};
      create.spec = {.label = "after",
                     .principal = principal,
                     .database = i % 2 == 0 ? "" : "main",
                     .expires_at = absl::InfiniteFuture()};
      calls.push_back(std::move(create));
    }
  }
  return calls;
}

// New commits, and batons that are no longer good, or not yet.
Expectation::Answers Expectation::WritesOf(StoreModel& model, bool has_limits) {
  Answers writes;
  for (const Session& session : Usable(model, 2)) {
    const uint64_t generation = model.GenerationOf(session.alias);
    for (const uint64_t other : {generation + 1, generation - 1}) {
      if (generation == 0 && other != 1) continue;
      const Call call = VerifyCall(session, other);
      writes.emplace_back(call, model.Answer(call, {}));
    }
  }
  std::vector<Call> inserts = Repeated(model);
  const std::vector<Call> more = UpToTheLimits();
  inserts.insert(inserts.end(), more.begin(), has_limits ? more.end() : more.begin() + 1);
  ScriptedKeys keys = Keys();
  for (const Call& insert : inserts) {
    Reply fresh;
    fresh.fresh = Session();
    fresh.fresh->public_key = keys.Generate(insert.spec.key_type)->public_key;
    writes.emplace_back(insert, model.Answer(insert, fresh));
  }
  writes.emplace_back(Call{.what = Do::kStats}, model.Answer({.what = Do::kStats}, {}));
  return writes;
}

std::string Expectation::Compare(recovery::Store& store, const Answers& answers) {
  for (const auto& [call, expected] : answers) {
    const std::string got = MakeCall(store.sessions(), call).text;
    if (got != expected) return Difference(Describe(call), got, expected);
  }
  return "";
}

std::string Expectation::Compare(recovery::Store& store, const Reads& reads) {
  const recovery::RecoveryReport& report = store.report();
  if (report.epoch != reads.epoch || report.crashed != reads.crashed) {
    return Difference("epoch, crashed", absl::StrCat(report.epoch, ", ", report.crashed),
                      absl::StrCat(reads.epoch, ", ", reads.crashed));
  }
  std::vector<std::pair<Alias, std::string>> removed;
  for (const auto& reservation : report.removed) {
    removed.emplace_back(reservation.alias, reservation.intent);
  }
  if (removed != reads.removed) {
    return Difference("reservations removed", absl::StrCat(removed.size()),
                      absl::StrCat(reads.removed.size()));
  }
  return CompareAnswers(store, reads);
}

std::string Expectation::CompareAnswers(recovery::Store& store, const Reads& reads) {
  for (const Keyring::KeyInfo& key : store.sessions().SigningKeys()) {
    if (key.status == Keyring::KeyStatus::kPrimary && key.id != reads.primary_key_id) {
      return Difference("primary key", TextOf(uint64_t{key.id}), TextOf(reads.primary_key_id));
    }
    const bool is_retired = key.status == Keyring::KeyStatus::kRetired;
    if (is_retired != (reads.retired_keys.count(key.id) > 0)) {
      return absl::StrCat("key ", key.id, is_retired ? " is" : " is not", " retired");
    }
  }
  if (std::string differs = Compare(store, reads.answers); !differs.empty()) return differs;
  for (const auto& [public_key, alias] : reads.by_public_key) {
    const std::string got = AliasText(store.sessions().FindByPublicKey(public_key));
    if (got != TextOf(alias)) return Difference("FindByPublicKey", got, TextOf(alias));
  }
  return "";
}

std::string Expectation::Differs(recovery::Store& store) const { return Compare(store, reads_); }

std::string Expectation::Differs(recovery::Store& store, const StoreModel& model) {
  StoreModel asked = model;
  return CompareAnswers(store, ReadsOf(asked));
}

std::string Expectation::DiffersInWriting(recovery::Store& store) const {
  return Compare(store, writes_);
}

std::string Expectation::DiffersToAnObserver(const SessionReader& sessions) const {
  for (const auto& [public_key, alias] : again_.by_public_key) {
    const std::string got = AliasText(sessions.FindByPublicKey(public_key));
    if (got != TextOf(alias)) return Difference("FindByPublicKey", got, TextOf(alias));
  }
  for (const auto& [call, expected] : again_.answers) {
    std::string got;
    if (call.what == Do::kCount) {
      const absl::StatusOr<uint64_t> count = sessions.Count(call.filter);
      got = count.ok() ? TextOf(*count) : TextOf(count.status());
    } else if (call.what == Do::kList) {
      const absl::StatusOr<ListPage> page = sessions.List(call.filter, kMaxPageSize);
      got = page.ok() ? TextOf(page->sessions) : TextOf(page.status());
    } else {
      continue;
    }
    if (got != expected) return Difference(Describe(call), got, expected);
  }
  return "";
}

std::string Expectation::DiffersWhenOpenedAgain(recovery::Store& store) const {
  return Compare(store, again_);
}

}  // namespace batonstore::testing
