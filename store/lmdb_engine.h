// The engine that keeps a store on disk, in LMDB.

#ifndef BATONSTORE_STORE_LMDB_ENGINE_H_
#define BATONSTORE_STORE_LMDB_ENGINE_H_

#include <array>
#include <memory>

#include "batonstore/store/engine.h"
#include "batonstore/store/lmdb_environment.h"

namespace batonstore {

class LmdbEngine final : public Engine {
 public:
  // The tables of a store that exists; WRONG_FORMAT when one is missing.
  static absl::StatusOr<std::unique_ptr<LmdbEngine>> Open(
      std::unique_ptr<LmdbEnvironment> environment);

  // The same, and makes the tables of a new store.
  static absl::StatusOr<std::unique_ptr<LmdbEngine>> Create(
      std::unique_ptr<LmdbEnvironment> environment);

  LmdbEnvironment& environment() { return *environment_; }

  absl::Status Grow() override { return environment_->Grow(); }
  absl::StatusOr<int> ClearStaleReaders() override { return environment_->ClearStaleReaders(); }
  void Close() override { environment_->Close(); }
  absl::StatusOr<Space> MeasureSpace() override;

 private:
  using Tables = std::array<LmdbTable, kAllTables.size()>;

  static absl::StatusOr<std::unique_ptr<LmdbEngine>> OpenTables(
      std::unique_ptr<LmdbEnvironment> environment, bool create);
  LmdbEngine(std::unique_ptr<LmdbEnvironment> environment, const Tables& tables)
      : environment_(std::move(environment)), tables_(tables) {}

  absl::StatusOr<std::unique_ptr<Snapshot>> DoRead() override;
  void DoWrite(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome) override;

  std::unique_ptr<LmdbEnvironment> environment_;
  const Tables tables_;
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_LMDB_ENGINE_H_
