// LMDB environments for tests: small ones, in folders of their own.

#ifndef BATONSTORE_TESTS_SUPPORT_LMDB_FOLDER_H_
#define BATONSTORE_TESTS_SUPPORT_LMDB_FOLDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/lmdb_environment.h"
#include "tests/support/temp_dir.h"

namespace batonstore::testing {

// A folder and how to open the environment in it. Each opening registers it first, as recovery
// does.
class LmdbFolder {
 public:
  using Environment = absl::StatusOr<std::unique_ptr<LmdbEnvironment>>;
  using Engine = absl::StatusOr<std::unique_ptr<LmdbEngine>>;

  LmdbFolder();

  Environment CreateEnvironment() const;
  Environment OpenEnvironment() const;
  Engine CreateEngine() const;
  Engine OpenEngine() const;

  const std::string& path() const { return folder_.path(); }
  std::string DataFile() const { return folder_ / "data.mdb"; }

  // Change these before opening.
  LmdbEnvironment::Options options;
  std::function<void()> in_forked_child = [] {};

 private:
  using Opener = decltype(&LmdbEnvironment::Open);
  Environment Register(Opener open) const;

  TempDir folder_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_LMDB_FOLDER_H_
