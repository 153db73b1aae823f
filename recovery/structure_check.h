// A look at an LMDB file with our own bounded reads, for when LMDB, which trusts its pages and maps
// them into memory, must not be let near it yet.
//
// The layout is that of LMDB 0.9 (lmdb's mdb.c, struct MDB_page, MDB_meta, MDB_db, MDB_node) on
// 64-bit little-endian machines.

#ifndef BATONSTORE_RECOVERY_STRUCTURE_CHECK_H_
#define BATONSTORE_RECOVERY_STRUCTURE_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace batonstore::recovery {

// OK if every page that the snapshot of `transaction_id` can reach lies within the file, is what it
// claims to be, and is reached once. CORRUPT, naming the first page that is not, otherwise.
//
// A file may be shorter than its last page number asks for and still be sound: freed pages at the
// end are never written. This tells that from one that was cut off, on which a read through the map
// would raise SIGBUS. Reads each page once; memory is one bit for each page of the file.
// REQUIRES: the caller holds a snapshot of that id, so that its pages are not reused.
absl::Status CheckStructure(const std::string& data_file, uint64_t transaction_id);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_STRUCTURE_CHECK_H_
