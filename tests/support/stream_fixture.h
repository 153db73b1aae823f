// A fixture for tests of streams without a store.

#ifndef BATONSTORE_TESTS_SUPPORT_STREAM_FIXTURE_H_
#define BATONSTORE_TESTS_SUPPORT_STREAM_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/store/stream_registry.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_streams.h"
#include "tests/support/status_matchers.h"

namespace batonstore::testing {

// How a stream ends whose connection is sound.
inline const std::vector<std::string> kCleanEnd = {"rollback", "return", "destroy", "release"};

class StreamFixture : public ::testing::Test {
 protected:
  // A new registry, with these options, of the same host.
  void Restart(const StreamOptions& options) {
    streams_.reset();
    streams_ = std::make_unique<StreamRegistry>(host_, clock_, options);
  }

  // A stream of alice's on "accounts", that notes what becomes of it.
  OpenStream Spec() {
    return {.database = "accounts",
            .principal = "alice",
            .connect = [this](absl::Time) { return std::make_unique<FakeConnection>(journal_); },
            .on_release = [this] { journal_.Note("release"); }};
  }

  StreamTurn OpenOrDie(OpenStream spec) {
    absl::StatusOr<StreamTurn> turn = streams_->Open(std::move(spec));
    EXPECT_THAT(turn, IsOk());
    return *std::move(turn);
  }
  StreamTurn OpenOrDie() { return OpenOrDie(Spec()); }

  // The baton of a new stream that is idle.
  std::string NewBaton(OpenStream spec) {
    absl::StatusOr<std::string> baton = OpenOrDie(std::move(spec)).Finish();
    EXPECT_THAT(baton, IsOk());
    return *std::move(baton);
  }
  std::string NewBaton() { return NewBaton(Spec()); }

  absl::StatusOr<StreamTurn> Resume(absl::string_view baton) {
    return streams_->Resume(baton, "accounts", "alice");
  }

  // The id of the only stream.
  uint64_t OnlyId() const {
    const std::vector<StreamInfo> list = streams_->List();
    EXPECT_EQ(list.size(), 1u);
    return list.empty() ? 0 : list.front().id;
  }

  FakeClock clock_;
  FakeStreamHost host_;
  Journal journal_;
  std::unique_ptr<StreamRegistry> streams_ = std::make_unique<StreamRegistry>(host_, clock_);
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_STREAM_FIXTURE_H_
