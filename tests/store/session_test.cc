#include "batonstore/store/session.h"

#include <optional>
#include <utility>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace batonstore {
namespace {

// Both columns are for ever: the numbers are on disks, the names in scripts.
constexpr std::pair<State, absl::string_view> kStates[] = {
    {State{0}, "created"}, {State{1}, "in_use"},   {State{2}, "revoked"},
    {State{3}, "expired"}, {State{4}, "reserved"},
};

TEST(SessionTest, StatesKeepTheirNumbersAndNames) {
  EXPECT_EQ(State::kCreated, State{0});
  EXPECT_EQ(State::kInUse, State{1});
  EXPECT_EQ(State::kRevoked, State{2});
  EXPECT_EQ(State::kExpired, State{3});
  EXPECT_EQ(State::kReserved, State{4});
  for (const auto& [state, name] : kStates) {
    EXPECT_EQ(StateName(state), name);
    EXPECT_EQ(StateFromName(name), state);
  }
}

TEST(SessionTest, OtherNamesAreNoStates) {
  for (const absl::string_view name : {"", "Created", "created ", "in use", "terminal"}) {
    EXPECT_EQ(StateFromName(name), std::nullopt) << '"' << name << '"';
  }
}

TEST(SessionTest, RevokedAndExpiredAreTerminal) {
  for (const auto& [state, name] : kStates) {
    EXPECT_EQ(IsTerminal(state), state == State::kRevoked || state == State::kExpired) << name;
  }
}

}  // namespace
}  // namespace batonstore
