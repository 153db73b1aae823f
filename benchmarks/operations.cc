// Each operation of a store, a number of times over, for whoever counts its instructions: the same
// bytes, times and order in every run, one caller, no thread beside it. What is to be counted, and
// nothing else, happens inside MeasuredPart(), once for each operation:
//
//   valgrind --tool=callgrind --toggle-collect=MeasuredPart --dump-after=MeasuredPart operations
//
// Prints what the count depends on beside the program ("kind ..."), then a line for each operation
// in the order of the parts: its name, and how often it was done in its part. With names as
// arguments, only those. tests/benchmarks/instructions_test.cc compares the counts.

#include <gnu/libc-version.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/session_turn.h"
#include "batonstore/store/stream_registry.h"
#include "benchmarks/counted_keys.h"
#include "benchmarks/scratch.h"
#include "tests/support/fake_clock.h"

// Found by its name, and seen by no optimiser.
extern "C" __attribute__((noinline)) void MeasuredPart(const std::function<void()>& part) {
  part();
  asm volatile("" ::: "memory");  // else this would be a jump, and the part would not be inside
}

namespace batonstore::benchmarks {
namespace {

constexpr size_t kSessions = 256;  // in the store before
constexpr size_t kTimes = 64;      // an operation, in its part
constexpr size_t kWarmUp = 8;      // times before: what is done once only has been done then
constexpr size_t kPage = 100;
constexpr char kPrincipal[] = "somebody@example.com";
constexpr char kDatabase[] = "accounts";
const char* const kReply = "a reply of a length that fits a row of an ordinary table well enough";

// A store with some sessions in it, and one operation after another on it.
class Bench {
 public:
  Bench() {
    recovery::Options options;
    options.directory = folder_.path();
    options.key_encryption_key = [] { return SecretBytes(std::string(32, 'k')); };
    options.sweep_every = absl::InfiniteDuration();
    options.streams.reap_every = absl::InfiniteDuration();
    options.clock = &clock_;
    options.random = &random_;
    options.key_pairs = &keys_;
    store_ = ValueOf(recovery::Open(options));
    for (size_t i = 0; i < kSessions; ++i) CreateOne();
    baton_ = ValueOf(sessions().Issue(created_[0].alias));
    stream_baton_ = ValueOf(
        ValueOf(store_->streams().Open({.database = kDatabase, .principal = kPrincipal})).Finish());
  }

  void CreateOne() { created_.push_back(ValueOf(sessions().ReserveAndCreate(Spec()))); }

  void ReserveThenCreate() {
    const Session reserved = ValueOf(sessions().Reserve(Spec()));
    CheckOk(sessions().Create(reserved.alias));
  }

  void Find() { CheckOk(sessions().Find(Any().alias).status()); }
  void FindByPublicKey() { CheckOk(sessions().FindByPublicKey(Any().public_key).status()); }

  void DurableTurn() {
    Resumed resumed = ValueOf(sessions().Resume(baton_, digest_, kDatabase, kPrincipal));
    baton_ = ValueOf(std::get<SessionTurn>(resumed).Finish(kReply));
  }

  void StreamTurn() {
    batonstore::StreamTurn turn =
        ValueOf(store_->streams().Resume(stream_baton_, kDatabase, kPrincipal));
    stream_baton_ = ValueOf(turn.Finish());
  }

  void Verify() { CheckOk(sessions().Verify(baton_, kDatabase, kPrincipal).status()); }
  void Issue() { CheckOk(sessions().Issue(Any().alias).status()); }
  void MintBaton() { minted_ = ring_.Mint({.kind = BatonKind::kSession, .id = next_++}); }
  void VerifyBaton() { CheckOk(ring_.Verify(minted_).status()); }
  void Touch() { CheckOk(sessions().Touch(Any().alias).status()); }

  // A touch that is written down, because the deadline moves by enough.
  void TouchLate() {
    clock_.Advance(absl::Hours(24 * 5));
    CheckOk(sessions().Touch(created_[0].alias).status());
  }

  void Merge() {
    const std::string value = absl::StrCat("a value of 32 bytes ", 100'000'000'000 + next_++);
    CheckOk(sessions().Merge(created_[0].alias, {{"field", Change::Set(value)}}).status());
  }

  void Revoke() { CheckOk(sessions().Revoke(Any().alias)); }

  void ListPage() {
    const batonstore::ListPage page = ValueOf(sessions().List({}, kPage));
    CheckThat(page.sessions.size() == kPage, "the page is full");
  }

 private:
  SessionStore& sessions() { return store_->sessions(); }

  SessionSpec Spec() {
    SessionSpec spec;
    spec.label = "a benchmark's session";
    spec.principal = kPrincipal;
    spec.database = kDatabase;
    spec.expires_at = clock_.Wall() + absl::Hours(24 * 3650);
    spec.idle_timeout = absl::Hours(24 * 30);
    return spec;
  }

  // Each once before any comes again, in an order that is none of the trees'.
  const Session& Any() {
    constexpr uint64_t kStride = 101;
    return created_[kStride * next_++ % kSessions];
  }

  Folder folder_;
  testing::FakeClock clock_;
  CountedRandom random_;
  CountedKeys keys_;
  const std::string digest_ = std::string(32, 'd');
  const Keyring ring_ = Keyring::Create(random_, "one incarnation.");
  std::unique_ptr<recovery::Store> store_;
  std::vector<Session> created_;
  std::string baton_;
  std::string stream_baton_;
  std::string minted_ = ring_.Mint({.kind = BatonKind::kSession});
  uint64_t next_ = 0;
};

struct Operation {
  const char* name;
  void (Bench::*once)();
};

constexpr Operation kOperations[] = {
    {"create", &Bench::CreateOne},
    {"reserve_then_create", &Bench::ReserveThenCreate},
    {"find", &Bench::Find},
    {"find_by_public_key", &Bench::FindByPublicKey},
    {"durable_turn", &Bench::DurableTurn},
    {"stream_turn", &Bench::StreamTurn},
    {"verify", &Bench::Verify},
    {"issue", &Bench::Issue},
    {"mint_baton", &Bench::MintBaton},
    {"verify_baton", &Bench::VerifyBaton},
    {"touch", &Bench::Touch},
    {"touch_late", &Bench::TouchLate},
    {"merge", &Bench::Merge},
    {"revoke", &Bench::Revoke},
    {"list_page", &Bench::ListPage},
};

// On a store of its own, so that the count does not depend on what came before.
void Run(const Operation& operation) {
  Bench bench;
  for (size_t i = 0; i < kWarmUp; ++i) (bench.*operation.once)();
  MeasuredPart([&] {
    for (size_t i = 0; i < kTimes; ++i) (bench.*operation.once)();
  });
  std::cout << operation.name << " " << kTimes << std::endl;
}

// What other machines may have another way. The libraries' own choices go by what the processor can
// do, as far as valgrind lets it show.
std::string Kind() {
#if defined(__x86_64__)
  const absl::string_view machine =
      __builtin_cpu_supports("avx2") ? "x86_64 with avx2" : "x86_64 without avx2";
#elif defined(__aarch64__)
  const absl::string_view machine = "aarch64";
#else
  const absl::string_view machine = "another machine";
#endif
#if defined(__OPTIMIZE__)
  const absl::string_view optimised = "optimised";
#else
  const absl::string_view optimised = "not optimised";
#endif
  return absl::StrCat(machine, ", ", optimised, ", compiler ", __VERSION__, ", glibc ",
                      gnu_get_libc_version(), ", abseil ", ABSL_LTS_RELEASE_VERSION);
}

void Main(const std::set<std::string>& names) {
  std::cout << "kind " << Kind() << std::endl;
  for (const Operation& operation : kOperations) {
    if (names.empty() || names.count(operation.name) != 0) Run(operation);
  }
}

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) { batonstore::benchmarks::Main({argv + 1, argv + argc}); }
