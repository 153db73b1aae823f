// Fuzzes verification, and the file that it walks: whatever is done to a sound store's bytes, it
// ends without a signal, and calls the file sound only if every row reads as before, or as a commit
// ago.
//
//   ./bazelw run --config=fuzz //tests/recovery:verify_fuzzer -- -max_total_time=600 -timeout=10
//
// An input is a list of edits: where (4 bytes, of the file's size), how many bytes (1, up to 16),
// the bytes. The last edit may be short. Where the place's highest bit is set, the file is cut
// there.

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/verify_file.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/full_store.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::testing {
namespace {

constexpr size_t kMostBytes = 16;

// A store, made once, and the file that takes the edits.
struct Subject {
  Subject() {
    MakeFullStore(folder / "store");
    sound = ReadFile(folder / "store/data.mdb");
    rows = *ReadFileRows(folder / "store/data.mdb");
    rows_before = *ReadFileRowsBefore(folder / "store/data.mdb");
    key.emplace(*recovery::KeyFromFile(folder / "store/key")());
  }

  TempDir folder;
  std::string sound;
  FileRows rows;
  FileRows rows_before;  // the last commit
  std::optional<SecretBytes> key;
  const std::string edited = folder / "data.mdb";
};

std::string Edit(std::string file, absl::string_view edits) {
  while (edits.size() > sizeof(uint32_t) + 1) {
    uint32_t at = 0;
    std::memcpy(&at, edits.data(), sizeof(at));
    const size_t size = static_cast<uint8_t>(edits[sizeof(at)]) % kMostBytes + 1;
    edits.remove_prefix(sizeof(at) + 1);
    const absl::string_view bytes = edits.substr(0, size);
    edits.remove_prefix(bytes.size());
    if (file.empty()) break;
    const size_t place = (at & 0x7FFFFFFF) % file.size();
    if (at >> 31 != 0) {
      file.resize(place);
    } else {
      file.replace(place, std::min(bytes.size(), file.size() - place), bytes.data(),
                   std::min(bytes.size(), file.size() - place));
    }
  }
  return file;
}

void Require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "%s\n", what);
  std::abort();
}

void Try(const Subject& subject, absl::string_view edits) {
  WriteFile(subject.edited, Edit(subject.sound, edits));
  const absl::StatusOr<recovery::VerifyReport> report =
      recovery::VerifyQuietFile(subject.edited, *subject.key, SystemClock(), nullptr);
  if (!report.ok()) return Require(VerdictOf(report.status()).has_value(), "it has no verdict");
  if (report->is_sound()) {
    const std::optional<FileRows> rows = ReadFileRows(subject.edited);
    Require(rows == subject.rows || rows == subject.rows_before,
            "a row reads otherwise, and is sound");
  }
}

}  // namespace
}  // namespace batonstore::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const subject = new batonstore::testing::Subject;
  batonstore::testing::Try(*subject, {reinterpret_cast<const char*>(data), size});
  return 0;
}
