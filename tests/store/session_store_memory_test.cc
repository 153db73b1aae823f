// Calls of a store that find no memory, at any allocation.

#include <cstddef>
#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/allocation_faults.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore {
namespace {

using testing::IsOk;
using testing::LastingSpec;
using testing::MemoryStoreFixture;
using testing::ScopedAllocationFault;

class SessionStoreMemoryTest : public MemoryStoreFixture {
 protected:
  using Call = std::function<absl::Status(Alias alias, const std::string& baton)>;

  // Makes the call with ever later allocations failing, until none does. On a new store each time.
  void MakeWithEveryAllocationFailing(const Call& call, bool for_good) {
    size_t nth = 0;
    for (bool struck = true; struck; ++nth) {
      SCOPED_TRACE(nth);
      StartAnew({});
      const Alias alias = Create().alias;
      const std::string baton = *store().Issue(alias);
      absl::Status answer;
      try {
        const ScopedAllocationFault fault(nth, for_good);
        answer = call(alias, baton);
        struck = fault.Struck();
      } catch (const std::bad_alloc&) {
        FAIL() << "it threw";
      }
      const bool is_refused = VerdictOf(answer) == Verdict::kTooMany ||
                              VerdictOf(answer) == Verdict::kPoisoned;  // inside a commit
      EXPECT_TRUE(struck ? answer.ok() || is_refused : answer.ok()) << answer;
      if (HasFailure()) return;
    }
    EXPECT_GT(nth, 5u);
  }
};

TEST_F(SessionStoreMemoryTest, WhateverFailsIsRefusedAndNotThrown) {
  const SessionSpec spec = LastingSpec();
  const Fields fields = {{"a field with a long name", std::string(100, 'x')}};
  const std::string digest(32, 'd');
  const std::vector<std::pair<std::string, Call>> calls = {
      {"Reserve", [&](Alias, const std::string&) { return store().Reserve(spec).status(); }},
      {"SaveOrCreate",
       [&](Alias, const std::string&) { return store().SaveOrCreate(spec, fields).status(); }},
      {"CycleKey",
       [&](Alias alias, const std::string&) { return store().CycleKey(alias).status(); }},
      {"Verify",
       [&](Alias, const std::string& baton) {
         return store().Verify(baton, "main", "alice").status();
       }},
      {"Resume",
       [&](Alias, const std::string& baton) {
         return store().Resume(baton, digest, "main", "alice").status();
       }},
      {"RotateSigningKey",
       [&](Alias, const std::string&) { return store().RotateSigningKey().status(); }},
      {"RotateDataKey and Reseal",
       [&](Alias, const std::string&) {
         const absl::Status rotated = store().RotateDataKey();
         return VerdictOf(rotated) == Verdict::kBusy ? store().Reseal().status() : rotated;
       }},
  };
  for (const auto& [name, call] : calls) {
    for (const bool for_good : {false, true}) {
      SCOPED_TRACE(name + (for_good ? ", for good" : ", once"));
      MakeWithEveryAllocationFailing(call, for_good);
    }
  }
}

}  // namespace
}  // namespace batonstore
