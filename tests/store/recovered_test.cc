// Nobody gets a session store past recovery: here the compiler says so.

#include "batonstore/store/recovered.h"

#include <type_traits>

#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

static_assert(!std::is_default_constructible_v<Recovered>);
static_assert(!std::is_aggregate_v<Recovered>);
static_assert(!std::is_copy_constructible_v<Recovered>, "one recovery serves one store");
static_assert(!std::is_copy_assignable_v<Recovered>, "one recovery serves one store");

static_assert(!std::is_default_constructible_v<SessionStore>);
static_assert(!std::is_constructible_v<SessionStore, KeyPairSource&>);
static_assert(std::is_constructible_v<SessionStore, Recovered, KeyPairSource&>);
static_assert(!std::is_copy_constructible_v<SessionStore>);
static_assert(!std::is_move_constructible_v<SessionStore>);

TEST(RecoveredTest, IsTheOnlyWayToAStoreAndOnlyRecoveryMakesIt) {
  SUCCEED() << "the static_asserts above have passed";
}

}  // namespace
}  // namespace batonstore
