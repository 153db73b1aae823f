#include "benchmarks/peers/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace batonstore::benchmarks {
namespace {

std::string Processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!absl::StartsWith(line, "model name")) continue;
    return std::string(absl::StripLeadingAsciiWhitespace(line.substr(line.find(':') + 1)));
  }
  return "unknown";
}

// The type of the mount that lies deepest above the folder.
std::string FileSystemOf(const std::string& folder) {
  std::error_code error;
  const std::string path = std::filesystem::canonical(folder, error).string() + "/";
  std::ifstream file("/proc/self/mounts");
  std::string deepest;
  std::string type = "unknown";
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string device, point, type_here;
    words >> device >> point >> type_here;
    const std::string above = absl::StrCat(absl::StripSuffix(point, "/"), "/");
    if (!absl::StartsWith(path, above) || above.size() < deepest.size()) continue;
    deepest = above;
    type = type_here;
  }
  return type;
}

std::string Kernel() {
  utsname name{};
  if (uname(&name) != 0) return "unknown";
  return absl::StrCat(name.sysname, " ", name.release, " ", name.machine);
}

double Load() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : 0;
}

}  // namespace

Machine DescribeMachine(const std::string& folder) {
  Machine machine;
  machine.processor = Processor();
  machine.cores = static_cast<int>(std::thread::hardware_concurrency());
  machine.memory_bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGE_SIZE);
  machine.kernel = Kernel();
  machine.file_system = FileSystemOf(folder);
  machine.date = absl::FormatTime("%Y-%m-%d %H:%M", absl::Now(), absl::UTCTimeZone());
  machine.load = Load();
  return machine;
}

}  // namespace batonstore::benchmarks
