// Whether the pages of an LMDB file are sound: the first half of verification, and what tells a
// short file from one that was cut off before LMDB may touch it.

#ifndef BATONSTORE_RECOVERY_STRUCTURE_CHECK_H_
#define BATONSTORE_RECOVERY_STRUCTURE_CHECK_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/lmdb_layout.h"
#include "batonstore/recovery/page_file.h"

namespace batonstore::recovery {

// The last snapshot of a file, if its meta pages are those of two transactions of which one follows
// the other, and neither claims to be an earlier one than the trees that it names: else an older
// snapshot would be taken for the last. CORRUPT. Of the older snapshot it reads the free list,
// which is whole until two more transactions have come; so beside an owner look again.
absl::StatusOr<lmdb::Meta> FindLastSnapshot(const PageFile& file);

// The trees of a snapshot by the names of their tables. Names that no store has are kept up to a
// thousand.
struct Structure {
  std::map<std::string, lmdb::Tree> tables;
  uint64_t pages_read = 0;
};

// Walks every tree of the snapshot and its free list. Sound is: every page in use lies within the
// file, is what it claims to be, and is reached once (tree_cursor.h says what is checked of each);
// each tree has the pages, rows and depth that its owner writes down; and pages in use, free pages
// and the two meta pages make up the file from 0 to the last page, each exactly once. Goes on after
// damage with what lies beside it.
//
// Each page in use is read once, but for the tails of values that lie on pages of their own. Memory
// is a bit for each page up to the last one, which is at most a 64th of the file's size and mostly
// a 32,768th, and a page for each level of a tree.
//
// `progress` is told now and then how many pages have been met.
Structure CheckStructure(const PageFile& file, const lmdb::Meta& meta, FindingList& findings,
                         absl::FunctionRef<void(uint64_t pages)> progress);

// The same for the snapshot of `transaction_id`: CORRUPT, naming the first damage.
//
// A file may be shorter than its last page number asks for and still be sound: freed pages at the
// end are never written. This tells that from one that was cut off, on which a read through the map
// would raise SIGBUS.
// REQUIRES: the caller holds a snapshot of that id, so that its pages are not reused.
absl::Status CheckStructure(const std::string& data_file, uint64_t transaction_id);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_STRUCTURE_CHECK_H_
