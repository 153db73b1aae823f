#include "tests/support/process_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace batonstore::testing {
namespace {

// "7f0000000000-7f0000001000 rw-p 00000000 00:00 0   [stack]"; false for a line that is no head.
bool ReadHead(const std::string& line, MemoryRegion& region) {
  std::istringstream words(line);
  std::string range, permissions, offset, device, inode;
  words >> range >> permissions >> offset >> device >> inode;
  const std::vector<std::string> ends = absl::StrSplit(range, '-');
  if (ends.size() != 2 || permissions.size() != 4 || !absl::SimpleHexAtoi(ends[0], &region.begin) ||
      !absl::SimpleHexAtoi(ends[1], &region.end)) {
    return false;
  }
  region.is_readable = permissions[0] == 'r';
  region.is_writable = permissions[1] == 'w';
  region.is_shared = permissions[3] == 's';
  region.is_of_file = inode != "0";
  return true;
}

}  // namespace

bool MemoryRegion::IsInCore() const {
  return is_readable && !is_not_dumped && (!is_of_file || (is_writable && !is_shared));
}

std::vector<MemoryRegion> MemoryOf(pid_t pid) {
  std::ifstream smaps(absl::StrCat("/proc/", pid, "/smaps"));
  std::vector<MemoryRegion> regions;
  for (std::string line; std::getline(smaps, line);) {
    MemoryRegion region;
    if (ReadHead(line, region)) {
      regions.push_back(region);
    } else if (absl::StartsWith(line, "VmFlags:")) {
      regions.back().is_not_dumped = absl::StrContains(line, " dd");
    }
  }
  return regions;
}

std::string ReadMemoryOf(pid_t pid, uint64_t address, size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  const int fd = open(absl::StrCat("/proc/", pid, "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  while (have < size) {
    const ssize_t got =
        pread(fd, bytes.data() + have, size - have, static_cast<off_t>(address + have));
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  close(fd);
  bytes.resize(have);
  return bytes;
}

bool IsLeftOutOfCore(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  const std::vector<MemoryRegion> regions = MemoryOf(getpid());
  return std::any_of(regions.begin(), regions.end(), [at](const MemoryRegion& region) {
    return region.begin <= at && at < region.end && region.is_not_dumped;
  });
}

}  // namespace batonstore::testing
