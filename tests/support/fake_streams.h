// What a stream registry needs around it, for tests: a host, and connections that note what is done
// to them.

#ifndef BATONSTORE_TESTS_SUPPORT_FAKE_STREAMS_H_
#define BATONSTORE_TESTS_SUPPORT_FAKE_STREAMS_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
#include "batonstore/store/pinned_connection.h"
#include "batonstore/store/stream_registry.h"

namespace batonstore::testing {

// A store that signs, and can be poisoned or closed. Thread-safe, but for SetRing.
class FakeStreamHost final : public StreamHost {
 public:
  explicit FakeStreamHost(uint64_t epoch = 7) : epoch_(epoch) {
    rings_.push_back(std::make_unique<Keyring>(Keyring::Create(SystemRandom(), "incarnation")));
  }
  // The same store after a restart.
  FakeStreamHost(const FakeStreamHost& before, uint64_t epoch) : epoch_(epoch) {
    rings_.push_back(
        std::make_unique<Keyring>(*Keyring::Parse(before.Ring().Serialize().Reveal())));
  }

  uint64_t Epoch() const override { return epoch_; }
  const Keyring& Ring() const override { return *rings_.back(); }
  absl::Status Usable() const override {
    const int why = why_;
    return why == 0 ? absl::OkStatus() : Refuse(static_cast<Verdict>(why), "the test says so");
  }
  void NoteRefusal(const absl::Status&, const PresentedBaton&) const noexcept override {}

  void SetRing(Keyring ring) { rings_.push_back(std::make_unique<Keyring>(std::move(ring))); }
  void Break(Verdict why) { why_ = static_cast<int>(why); }
  void Mend() { why_ = 0; }

 private:
  const uint64_t epoch_;
  std::vector<std::unique_ptr<Keyring>> rings_;
  std::atomic<int> why_ = 0;
};

// What happened, in its order. Thread-safe.
class Journal {
 public:
  void Note(std::string what) {
    MutexLock lock(mu_);
    notes_.push_back(std::move(what));
  }
  std::vector<std::string> Notes() const {
    MutexLock lock(mu_);
    return notes_;
  }
  std::vector<std::string> Take() {
    MutexLock lock(mu_);
    return std::exchange(notes_, {});
  }

 private:
  mutable Mutex mu_;
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mu_);
};

// Notes "rollback", "return", "discard" and "destroy".
class FakeConnection final : public PinnedConnection {
 public:
  explicit FakeConnection(Journal& journal,
                          std::function<absl::Status(absl::Time)> rollback = nullptr)
      : journal_(journal), rollback_(std::move(rollback)) {}
  ~FakeConnection() override { journal_.Note("destroy"); }

  absl::Status Rollback(absl::Time deadline) override {
    journal_.Note("rollback");
    return rollback_ ? rollback_(deadline) : absl::OkStatus();
  }
  void ReturnToPool() noexcept override { journal_.Note("return"); }
  void Discard() noexcept override { journal_.Note("discard"); }

  int number = 0;

 private:
  Journal& journal_;
  const std::function<absl::Status(absl::Time)> rollback_;
};

// Notes "close capture".
class FakeCapture final : public Capture {
 public:
  explicit FakeCapture(Journal& journal) : journal_(journal) {}
  ~FakeCapture() override { journal_.Note("close capture"); }

 private:
  Journal& journal_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_FAKE_STREAMS_H_
