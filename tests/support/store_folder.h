// What tests of whole stores on disk have in common.

#ifndef BATONSTORE_TESTS_SUPPORT_STORE_FOLDER_H_
#define BATONSTORE_TESTS_SUPPORT_STORE_FOLDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "batonstore/store/engine.h"

namespace batonstore::testing {

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);

// Everything below `directory`: path -> type, permissions and bytes.
std::map<std::string, std::string> FilesBelow(const std::string& directory);

// What LMDB itself says of the data file of a store that nobody has open.
struct DataFilePages {
  uint64_t page_size = 0;
  uint64_t last = 0;            // the highest page number ever given
  uint64_t transaction_id = 0;  // of the last commit
  std::set<uint64_t> free;      // of 2 to `last`; all others are in use

  uint64_t last_in_use() const;
  bool in_use(uint64_t page) const { return page >= 2 && page <= last && !free.contains(page); }
};
DataFilePages ReadPages(const std::string& directory);

// Copies a store, which may be open but not at work, to a folder that does not exist yet: what is
// committed is there, the note of an orderly end is not.
void CopyAsACrashWouldLeaveIt(const std::string& from, const std::string& to);

// Changes the rows of a store that nobody has open, behind its back. The root row is moved along,
// as if the store had done it, or left as it is. The key is the store's own key file.
enum class RootRow { kMoved, kLeft };
void EditRows(const std::string& directory, const std::function<void(Transaction&)>& edit,
              RootRow root_row = RootRow::kMoved);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_STORE_FOLDER_H_
