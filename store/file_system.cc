#include "batonstore/store/file_system.h"

#include <sys/vfs.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/system_error.h"
#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

struct Refused {
  uint64_t magic;
  absl::string_view name;
};

constexpr Refused kRefused[] = {
    {0x6969, "NFS"},    {0xff534d42, "CIFS"}, {0xfe534d42, "SMB2"},    {0x517b, "SMB"},
    {0x01021997, "9p"}, {0x65735546, "FUSE"}, {0x794c7630, "overlay"},
};

}  // namespace

absl::Status CheckFileSystemMagic(uint64_t magic) {
  for (const Refused& refused : kRefused) {
    if (refused.magic != magic) continue;
    return Refuse(Verdict::kUnsupported,
                  absl::StrCat("a store cannot live on ", refused.name,
                               ": its locks and memory maps are not safe there; use a local file "
                               "system such as ext4, XFS, btrfs or tmpfs"));
  }
  return absl::OkStatus();
}

absl::Status CheckFileSystem(const std::string& path) {
  struct statfs info {};
  if (statfs(path.c_str(), &info) != 0) return SystemError(errno, absl::StrCat("statfs ", path));
  // f_type is signed and 32 bits wide on some machines: compare the magic's 32 bits.
  return CheckFileSystemMagic(static_cast<uint32_t>(info.f_type));
}

}  // namespace batonstore
