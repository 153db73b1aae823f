#include "batonstore/store/refusals.h"

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/session.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/threads.h"

namespace batonstore {
namespace {

using testing::Memory;
using testing::OnThreads;
using testing::ScopedAllocationFault;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

const absl::Status& Forged() {
  static const absl::Status& forged = *new absl::Status(Refuse(Verdict::kForged, "by the test"));
  return forged;
}

void Note(Refusals& refusals, absl::string_view principal, const absl::Status& answer = Forged(),
          absl::Time at = kNow) {
  refusals.Note(answer, {BatonKind::kSession, "a baton", "main", principal}, at);
}

uint64_t SumOf(const Refusals& refusals, absl::string_view principal) {
  return refusals.Count(principal).Sum();
}

std::vector<std::string> NamesOfTop(const Refusals& refusals, size_t n) {
  std::vector<std::string> names;
  for (const PrincipalRefusals& one : refusals.Top(n)) names.push_back(one.principal);
  return names;
}

TEST(RefusalsTest, NobodyWasRefusedAtFirst) {
  const Refusals refusals;
  EXPECT_EQ(SumOf(refusals, "alice"), 0u);
  EXPECT_EQ(refusals.Count("alice").last, absl::InfinitePast());
  EXPECT_EQ(refusals.Totals().Sum(), 0u);
  EXPECT_TRUE(refusals.Top(10).empty());
}

TEST(RefusalsTest, CountsVerdictsThatAreAboutABatonAndNoOthers) {
  Refusals refusals;
  for (const Verdict verdict : AllVerdicts()) {
    Note(refusals, VerdictName(verdict), Refuse(verdict, "by the test"));
  }
  Note(refusals, "alice", absl::OkStatus());
  Note(refusals, "alice", absl::InternalError("of somebody else"));
  for (const Verdict verdict : AllVerdicts()) {
    SCOPED_TRACE(VerdictName(verdict));
    const bool is_counted = VerdictCode(verdict) == absl::StatusCode::kUnauthenticated ||
                            VerdictCode(verdict) == absl::StatusCode::kPermissionDenied ||
                            verdict == Verdict::kNotFound;
    const RefusalCounts counts = refusals.Count(VerdictName(verdict));
    EXPECT_EQ(counts.Of(verdict), is_counted ? 1u : 0u);
    EXPECT_EQ(counts.Sum(), is_counted ? 1u : 0u);
    EXPECT_EQ(refusals.Totals().Of(verdict), is_counted ? 1u : 0u);
  }
  EXPECT_EQ(SumOf(refusals, "alice"), 0u);
  EXPECT_EQ(refusals.Totals().Sum(), kCountedVerdicts.size());
}

TEST(RefusalsTest, CountsEachPrincipalByItselfAndKnowsTheLastTime) {
  Refusals refusals;
  Note(refusals, "alice", Forged(), kNow);
  Note(refusals, "alice", Refuse(Verdict::kReused, ""), kNow + absl::Seconds(2));
  Note(refusals, "alice", Forged(), kNow + absl::Seconds(1));  // overtaken on its way
  Note(refusals, "bob", Forged(), kNow + absl::Seconds(3));
  const RefusalCounts alice = refusals.Count("alice");
  EXPECT_EQ(alice.Of(Verdict::kForged), 2u);
  EXPECT_EQ(alice.Of(Verdict::kReused), 1u);
  EXPECT_EQ(alice.Sum(), 3u);
  EXPECT_EQ(alice.last, kNow + absl::Seconds(2));
  EXPECT_EQ(SumOf(refusals, "bob"), 1u);
  EXPECT_EQ(refusals.Totals().Sum(), 4u);
  EXPECT_EQ(refusals.Totals().last, kNow + absl::Seconds(3));
}

TEST(RefusalsTest, TopHasTheMostRefusedFirst) {
  Refusals refusals;
  for (const char* principal : {"b", "a", "c", "c", "c", "b"}) Note(refusals, principal);
  Note(refusals, "a");
  EXPECT_EQ(NamesOfTop(refusals, 9), (std::vector<std::string>{"c", "a", "b"}));
  EXPECT_EQ(NamesOfTop(refusals, 1), std::vector<std::string>{"c"});
  EXPECT_TRUE(refusals.Top(0).empty());
  EXPECT_EQ(refusals.Top(1).front().counts.Sum(), 3u);
}

TEST(RefusalsTest, WhoWasNotRefusedForLongestLosesItsPlaceAndTheTotalsLoseNothing) {
  Refusals refusals({.max_principals = 3});
  for (const char* principal : {"a", "b", "c", "a", "d"}) Note(refusals, principal);
  EXPECT_EQ(SumOf(refusals, "b"), 0u);
  EXPECT_EQ(NamesOfTop(refusals, 9), (std::vector<std::string>{"a", "c", "d"}));
  EXPECT_EQ(SumOf(refusals, "a"), 2u);
  Note(refusals, "b");
  EXPECT_EQ(SumOf(refusals, "b"), 1u) << "counts anew";
  EXPECT_EQ(SumOf(refusals, "c"), 0u);
  EXPECT_EQ(refusals.Totals().Sum(), 6u);
}

TEST(RefusalsTest, LookingAtACountKeepsNobodysPlace) {
  Refusals refusals({.max_principals = 2});
  Note(refusals, "a");
  Note(refusals, "b");
  EXPECT_EQ(SumOf(refusals, "a"), 1u);
  Note(refusals, "c");
  EXPECT_EQ(NamesOfTop(refusals, 9), (std::vector<std::string>{"b", "c"}));
}

TEST(RefusalsTest, WithoutPlacesOnlyTheTotalsCount) {
  Refusals refusals({.max_principals = 0});
  Note(refusals, "alice");
  EXPECT_EQ(SumOf(refusals, "alice"), 0u);
  EXPECT_EQ(refusals.Totals().Sum(), 1u);
}

TEST(RefusalsTest, NamesAreAnyBytesUpToTheLimitOfAPrincipal) {
  Refusals refusals;
  const std::string longest(kMaxPrincipalBytes, 'p');
  const std::string binary("a\0b\xff", 4);
  for (const std::string& name : {longest, longest + "p", binary, std::string()}) {
    Note(refusals, name);
  }
  EXPECT_EQ(SumOf(refusals, longest), 1u);
  EXPECT_EQ(SumOf(refusals, longest + "p"), 0u);
  EXPECT_EQ(SumOf(refusals, binary), 1u);
  EXPECT_EQ(SumOf(refusals, ""), 1u);
  EXPECT_EQ(refusals.Totals().Sum(), 4u);
}

TEST(RefusalsTest, TakesMemoryForNewPrincipalsWhileThereIsRoomAndNeverAgain) {
  Refusals refusals({.max_principals = 3});
  for (const char* principal : {"a", "b", "c"}) Note(refusals, principal);
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back(absl::StrCat(std::string(100, 'n'), i));
  {
    const ScopedAllocationFault fault(0, /*for_good=*/true, Memory::kAny);
    for (const char* principal : {"a", "b", "c"}) Note(refusals, principal);
    for (const std::string& name : names) Note(refusals, name);
    EXPECT_FALSE(fault.Struck());
  }
  EXPECT_EQ(refusals.Totals().Sum(), 106u);
  EXPECT_EQ(SumOf(refusals, names.back()), 1u);
}

TEST(RefusalsTest, WithoutMemoryTheTotalsCountAndWhoIsKnownAndTheHookIsTold) {
  size_t nth = 0;
  for (bool struck = true; struck; ++nth) {
    SCOPED_TRACE(nth);
    int told = 0;
    Refusals refusals({.on_refusal = [&told](const BatonRefusal&) { ++told; }});
    Note(refusals, "known");
    {
      const ScopedAllocationFault fault(nth, /*for_good=*/true);
      Note(refusals, "new");
      struck = fault.Struck();
      Note(refusals, "known");
    }
    EXPECT_EQ(SumOf(refusals, "new"), struck ? 0u : 1u);
    EXPECT_EQ(SumOf(refusals, "known"), 2u);
    EXPECT_EQ(refusals.Totals().Sum(), 3u);
    EXPECT_EQ(told, 3);
    Note(refusals, "new");
    EXPECT_EQ(SumOf(refusals, "new"), struck ? 1u : 2u) << "nothing half-made is in the way";
  }
  EXPECT_GT(nth, 2u);
}

TEST(RefusalsTest, TheHookMayLookAtTheCountsAndWhatItThrowsIsDropped) {
  const Refusals* seen_by_hook = nullptr;
  std::vector<uint64_t> sums;
  Refusals refusals({.on_refusal = [&](const BatonRefusal& refusal) {
    sums.push_back(SumOf(*seen_by_hook, refusal.principal));
    throw std::runtime_error("of the hook");
  }});
  seen_by_hook = &refusals;
  Note(refusals, "alice");
  Note(refusals, "alice");
  Note(refusals, "alice", Refuse(Verdict::kBusy, "is not counted"));
  EXPECT_EQ(sums, (std::vector<uint64_t>{1, 2}));
}

TEST(RefusalsTest, ManyThreadsLoseNoCount) {
  constexpr int kThreads = 8;
  constexpr int kRefusals = 2000;
  Refusals refusals({.max_principals = 5});  // fewer than there are, so that places change hands
  OnThreads(kThreads, [&](int thread) {
    for (int i = 0; i < kRefusals; ++i) {
      Note(refusals, absl::StrCat("principal ", (thread + i) % 7));
      if (i % 100 == 0) {
        EXPECT_LE(refusals.Top(9).size(), 5u);
        EXPECT_LE(SumOf(refusals, "principal 3"), refusals.Totals().Sum());
      }
    }
  });
  EXPECT_EQ(refusals.Totals().Of(Verdict::kForged), uint64_t{kThreads} * kRefusals);
  EXPECT_EQ(refusals.Top(9).size(), 5u);
}

}  // namespace
}  // namespace batonstore
