// A simulated disk, and what a power failure may leave on it. It knows which writes were forced to
// the disk; of all others any part may be there: 4 KiB pieces in any order, torn at 512 bytes, file
// sizes that lag behind, and entries of folders that were not synced.

#ifndef BATONSTORE_TESTS_SUPPORT_CRASH_STATES_H_
#define BATONSTORE_TESTS_SUPPORT_CRASH_STATES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "tests/support/write_log.h"

namespace batonstore::testing {

inline constexpr size_t kPieceBytes = 4096;
inline constexpr size_t kSectorBytes = 512;

// 4 KiB of a file, never changed once made, so that states share them.
struct Piece {
  std::array<char, kPieceBytes> bytes{};
  uint64_t hash = 0;
};
using PiecePtr = std::shared_ptr<const Piece>;  // null: zeros

struct FileImage {
  std::vector<PiecePtr> pieces;  // those behind the last are zeros
  uint64_t size = 0;

  PiecePtr At(size_t piece) const { return piece < pieces.size() ? pieces[piece] : nullptr; }
  void Set(size_t piece, PiecePtr value);
};

// Folders and files by their path below the root, "store/data.mdb".
struct DiskImage {
  std::set<std::string> folders;
  std::map<std::string, FileImage> files;

  // The same for the same bytes under the same names. kScratchFile and the pids in owner.lock do
  // not count, nor does what mkdtemp made up.
  uint64_t Hash() const;
};

class Disk {
 public:
  explicit Disk(Node root) : root_(root) {}

  // One on which all of `image` is durable; `node_of` says what its paths are called in a log.
  Disk(Node root, const DiskImage& image, absl::FunctionRef<Node(const std::string&)> node_of);

  void Apply(const LogRecord& record);

  // What those see that read the files: as if the power stayed.
  DiskImage Cached() const;

  // States that a power failure may leave now, each another, at most `limit`. All of them if they
  // are few; else every prefix of the pending writes, all but one, one alone, and random ones.
  using Random = std::mt19937_64;
  std::vector<DiskImage> CrashStates(size_t limit, Random& random) const;

  // How many pieces are pending, entries of folders included.
  size_t pending() const;

 private:
  struct Version {
    uint64_t when = 0;
    PiecePtr piece;
  };
  struct Pending {
    std::vector<Version> versions;  // the disk has one of them, or what was durable before
    bool is_forgotten = false;      // by the kernel, after a sync that failed
  };
  struct File {
    FileImage durable;
    FileImage cached;
    std::map<size_t, Pending> pending;
    std::vector<uint64_t> sizes;  // that it has had since the last sync
  };
  using Entries = std::map<std::string, Node>;
  struct Folders {
    std::map<Node, Entries> entries;
    void Apply(const std::vector<EntryChange>& changes);
  };
  struct Renaming {
    uint64_t when = 0;
    std::vector<EntryChange> changes;
  };

  // What of the pending there is in a state.
  struct Unit {  // what can be there or not
    Node node = 0;
    size_t piece = 0;
    size_t versions = 0;
    size_t renaming = 0;  // its number, if versions == 0
    uint64_t when = 0;
  };
  struct Choice {
    std::vector<size_t> kept;   // for each unit: 0 for nothing of it, else which version
    std::vector<uint8_t> torn;  // for each unit: the sectors that are of the version before
    enum class Size : uint8_t { kAsKept, kDurable, kCached, kBetween } size = Size::kAsKept;
    bool is_stale = false;  // what was never written holds old bytes of something else
  };
  class Chooser;

  void Write(File& file, uint64_t offset, absl::string_view bytes);
  void WriteThrough(File& file, uint64_t offset, absl::string_view bytes);
  void Resize(File& file, uint64_t size);
  static void Sync(File& file);
  void SyncFolder(Node folder);

  std::vector<Unit> Units() const;
  PiecePtr PieceOf(const Unit& unit, size_t kept, uint8_t torn) const;
  DiskImage ImageOf(const std::vector<Unit>& units, const Choice& choice, Random& random) const;
  FileImage FileOf(Node node, const std::vector<Unit>& units, const Choice& choice,
                   Random& random) const;
  static uint64_t SizeOf(const File& file, const FileImage& kept, Choice::Size choice,
                         Random& random);
  DiskImage Tree(const Folders& folders, absl::FunctionRef<FileImage(Node)> file_of) const;

  Node root_;
  uint64_t now_ = 0;
  std::map<Node, File> files_;
  std::set<Node> folders_;   // which nodes are folders
  std::set<Node> advisory_;  // files whose bytes matter to nobody: owner.lock
  Folders durable_;
  Folders cached_;
  std::vector<Renaming> renamings_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_CRASH_STATES_H_
