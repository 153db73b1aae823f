// Fuzzes verification, and the file that it walks: whatever is done to a sound store's bytes, it
// ends without a signal, and calls the file sound only if every row reads as before, or as a commit
// ago; but for hints that are true all the same (WithoutHints).
//
// An input is a list of edits (file_edits.h).

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/verify_file.h"
#include "tests/recovery/file_edits.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/full_store.h"
#include "tests/support/fuzz_target.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::testing {
namespace {

// A store, made once, and the file that takes the edits.
struct Subject {
  Subject() {
    MakeFullStore(folder / "store");
    sound = ReadFile(folder / "store/data.mdb");
    rows = WithoutHints(*ReadFileRows(folder / "store/data.mdb"));
    rows_before = WithoutHints(*ReadFileRowsBefore(folder / "store/data.mdb"));
    key.emplace(*recovery::KeyFromFile(folder / "store/key")());
  }

  TempDir folder;
  std::string sound;
  FileRows rows;
  FileRows rows_before;  // the last commit
  std::optional<SecretBytes> key;
  const std::string edited = folder / "data.mdb";
};

}  // namespace

bool TryInput(absl::string_view input) {
  KeepTempDirsInMemory();
  static const Subject subject;
  WriteFile(subject.edited, EditFile(subject.sound, input));
  const absl::StatusOr<recovery::VerifyReport> report =
      recovery::VerifyQuietFile(subject.edited, *subject.key, SystemClock(), nullptr);
  if (!RequireVerdict(report.status())) return false;
  if (report->is_sound()) {
    const std::optional<FileRows> edited = ReadFileRows(subject.edited);
    Require(edited.has_value(), "what cannot be read is sound");
    const FileRows rows = WithoutHints(*edited);
    Require(rows == subject.rows || rows == subject.rows_before,
            "a row reads otherwise, and is sound");
  }
  return true;
}

std::map<std::string, std::string> MakeSeeds() { return SomeEdits(); }

}  // namespace batonstore::testing
