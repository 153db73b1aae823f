// What every benchmark here stands on: a folder to work in, and a way to give up.

#ifndef BATONSTORE_BENCHMARKS_SCRATCH_H_
#define BATONSTORE_BENCHMARKS_SCRATCH_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace batonstore::benchmarks {

// Ends the program unless all is well: what did not happen must not be measured.
void CheckOk(const absl::Status& status);
void CheckThat(bool condition, absl::string_view what);

template <typename T>
T ValueOf(absl::StatusOr<T> value) {
  CheckOk(value.status());
  return *std::move(value);
}

// A fresh folder below $TMPDIR (or /tmp), removed with this object.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_SCRATCH_H_
