// The memory of a process, seen from outside (proc(5): smaps and mem).

#ifndef BATONSTORE_TESTS_SUPPORT_PROCESS_MEMORY_H_
#define BATONSTORE_TESTS_SUPPORT_PROCESS_MEMORY_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace batonstore::testing {

struct MemoryRegion {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool is_readable = false;
  bool is_writable = false;
  bool is_shared = false;
  bool is_of_file = false;
  bool is_not_dumped = false;  // MADV_DONTDUMP

  // At the least what the kernel puts into a core (core(5), with the filter that is usual): what is
  // anonymous, and what is private and may have been written.
  bool IsInCore() const;
};

// All of them, in the order of their addresses.
std::vector<MemoryRegion> MemoryOf(pid_t pid);

// The bytes at an address; fewer where they cannot be read.
std::string ReadMemoryOf(pid_t pid, uint64_t address, size_t size);

// Whether what lies there is left out of a core of this process.
bool IsLeftOutOfCore(const void* address);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_PROCESS_MEMORY_H_
