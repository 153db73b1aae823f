// Which file systems can carry a store. LMDB needs coherent shared memory maps, byte-range locks
// and syncs that hold; network and stacked file systems promise less.

#ifndef BATONSTORE_STORE_FILE_SYSTEM_H_
#define BATONSTORE_STORE_FILE_SYSTEM_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace batonstore {

// OK, or UNSUPPORTED naming the file system, for a `statfs` magic number (statfs(2),
// linux/magic.h). Refused: NFS, CIFS and SMB, 9p, FUSE, overlay.
absl::Status CheckFileSystemMagic(uint64_t magic);

// The same for the file system that `path` lies on; IO when it cannot be asked.
absl::Status CheckFileSystem(const std::string& path);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_FILE_SYSTEM_H_
