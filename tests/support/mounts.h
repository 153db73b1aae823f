// File systems of a test's own, which real kernels fill up and cut off. They are mounted in a
// namespace that only this process and its children see: whatever becomes of the test, they and
// their loop devices go when the last of these has ended.

#ifndef BATONSTORE_TESTS_SUPPORT_MOUNTS_H_
#define BATONSTORE_TESTS_SUPPORT_MOUNTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace batonstore::testing {

// Gives this process mounts of its own, with the help of a user namespace if it is not root. An
// error says why this machine does not allow it. REQUIRES: the process has one thread.
absl::Status EnterPrivateMounts();

// An empty tmpfs that holds so many bytes.
absl::Status MountTmpfs(const std::string& at, uint64_t bytes);
absl::Status ResizeTmpfs(const std::string& at, uint64_t bytes);

// Makes a sparse file with an empty ext4 in it, without space that is reserved for root.
absl::Status MakeExt4Image(const std::string& image, uint64_t bytes);

// By a loop device; an error says why this machine does not allow it.
absl::Status MountExt4Image(const std::string& image, const std::string& at);

// Cuts an ext4 off as a power failure does: nothing that is not on its device by now will be, its
// journal's last commit included (EXT4_IOC_SHUTDOWN). To be unmounted next.
absl::Status CutOff(const std::string& at);

// REQUIRES: no file of it is open.
absl::Status Unmount(const std::string& at);

// Takes what is left of a file system's room, to the last block.
absl::Status FillUp(const std::string& file);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_MOUNTS_H_
