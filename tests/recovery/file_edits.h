// Edits of a file that any bytes spell: what the fuzzers do to a store's file.

#ifndef BATONSTORE_TESTS_RECOVERY_FILE_EDITS_H_
#define BATONSTORE_TESTS_RECOVERY_FILE_EDITS_H_

#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace batonstore::testing {

// The file with a list of edits: where (4 bytes, of the file's size), how many bytes (1, up to 16),
// the bytes. The last edit may be short. Where the place's highest bit is set, the file is cut
// there.
std::string EditFile(std::string file, absl::string_view edits);

// Such lists, by name: seeds for a corpus. They hit pages in use, free ones, and what nobody reads.
std::map<std::string, std::string> SomeEdits();

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_RECOVERY_FILE_EDITS_H_
