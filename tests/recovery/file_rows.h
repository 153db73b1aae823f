// What a store's file says, read past LMDB.

#ifndef BATONSTORE_TESTS_RECOVERY_FILE_ROWS_H_
#define BATONSTORE_TESTS_RECOVERY_FILE_ROWS_H_

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "batonstore/store/index_entry.h"
#include "batonstore/store/schema.h"

namespace batonstore::testing {

// All rows, by table and key.
using FileRows = std::map<std::pair<Table, std::string>, std::string>;

// Nothing if the file cannot be read. REQUIRES: nobody writes it.
std::optional<FileRows> ReadFileRows(const std::string& path);

// Without what a row says that need not be so: where the search for a population's oldest session
// begins, which may be anywhere before that one. Verification reports what is behind it.
FileRows WithoutHints(FileRows rows);

// How far the indexes are merged. Nothing where there is no store. REQUIRES: nobody writes it.
std::optional<IndexMark> ReadFileMark(const std::string& path);

// As of the commit before the last one, whose pages are all still there: what is read, and rightly,
// once the last meta page is replaced by the other.
std::optional<FileRows> ReadFileRowsBefore(const std::string& path);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_FILE_ROWS_H_
