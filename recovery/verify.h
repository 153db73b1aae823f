// Whether a store is sound: every page, every row, every index, every count.
//
//   const auto report = recovery::Verify({.directory = "/var/lib/service/sessions"});
//   if (!report.ok()) return report.status();          // it could not be verified
//   for (const Finding& finding : report->findings) Log(finding.ToString());
//   return report->is_sound();
//
// A point read notices a record that was changed, moved or swapped, by its seal. It does not notice
// a broken tree, a missing row, an index that lies or a count that is wrong: that is what this is
// for. To have it done before a store is served, see Options::verify in open.h.

#ifndef BATONSTORE_RECOVERY_VERIFY_H_
#define BATONSTORE_RECOVERY_VERIFY_H_

#include <string>

#include "absl/status/statusor.h"
#include "batonstore/base/clock.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/verify_file.h"
#include "batonstore/recovery/verify_report.h"

namespace batonstore::recovery {

struct VerifyRequest {
  std::string directory = {};

  // As Options::key_encryption_key.
  KeySource key_encryption_key = nullptr;

  VerifyProgress progress = nullptr;

  Clock* clock = &SystemClock();
};

// Verifies one snapshot of an existing store, which nobody owns, or which another process serves
// meanwhile: it is left to go on, and what it commits from now on is not looked at. Writes nothing
// but the two lock files, as every observer does.
//
// What is looked at: structure_check.h says it of the pages, row_check.h of the rows, and
// docs/file_format.md what no verification can see.
//
// Everything is read from the file by reads of its own, in bounds, never through LMDB's map. LMDB
// is there only to hold the snapshot, so that an owner does not reuse its pages, and is let near
// the file only once the two meta pages, which is all that it touches for that, have been found
// sound. So whatever the file holds, this ends, without a signal, with a report or a verdict.
//
// Cost: reads each page in use about twice and opens every seal, on the calling thread: some 4 us a
// session, and more than linear beyond a few million (index_check.h). Memory: at most 110 MiB for
// the window of sessions, a bit for each page of the file, and the largest row.
// An owner keeps the pages of the snapshot until this is done: its file grows by what it writes
// meanwhile.
//
// Thread-safe, but for one store at a time in a process: NOT_OWNER when this one has it open.
//   NOT_FOUND     there is no store in the folder
//   WRONG_FORMAT  it is not a store, or is one of another format
//   WRONG_KEY     the key-encryption key is missing or is not this store's
//   CORRUPT       the meta pages are damaged: no snapshot can be taken
//   BUSY          an owner commits so fast that its meta page was never seen whole: try again
//   UNSUPPORTED, INVALID, IO, TOO_MANY
// A page that cannot be read is a finding, with the error in it.
absl::StatusOr<VerifyReport> Verify(const VerifyRequest& request);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_VERIFY_H_
