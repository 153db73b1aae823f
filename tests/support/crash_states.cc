#include "tests/support/crash_states.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "absl/strings/match.h"

namespace batonstore::testing {
namespace {

constexpr absl::string_view kAdvisoryFile = "owner.lock";
constexpr size_t kSectors = kPieceBytes / kSectorBytes;

uint64_t Mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

uint64_t HashOf(absl::string_view bytes) {
  uint64_t hash = bytes.size();
  for (; !bytes.empty(); bytes.remove_prefix(std::min<size_t>(8, bytes.size()))) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), std::min<size_t>(8, bytes.size()));
    hash = Mix(hash, word);
  }
  return hash;
}

absl::string_view NameOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

// Without the six letters of mkdtemp.
absl::string_view Lasting(absl::string_view path) {
  const size_t made_up = path.find(".new-");
  return made_up == absl::string_view::npos ? path : path.substr(0, made_up);
}

template <typename Fill>
PiecePtr MakePiece(const PiecePtr& old, Fill fill) {
  auto piece = std::make_shared<Piece>();
  if (old != nullptr) piece->bytes = old->bytes;
  fill(piece->bytes);
  piece->hash = HashOf(absl::string_view(piece->bytes.data(), piece->bytes.size()));
  return piece;
}

// `old` with the part of `bytes`, which are at `offset` of the file, that falls into this piece.
PiecePtr Patched(const PiecePtr& old, size_t number, uint64_t offset, absl::string_view bytes) {
  return MakePiece(old, [&](std::array<char, kPieceBytes>& whole) {
    const uint64_t begin = uint64_t{number} * kPieceBytes;
    const uint64_t from = std::max(begin, offset);
    const uint64_t to = std::min(begin + kPieceBytes, offset + bytes.size());
    std::memcpy(whole.data() + (from - begin), bytes.data() + (from - offset), to - from);
  });
}

void CutOff(FileImage& file) {
  const size_t whole = file.size / kPieceBytes;
  const size_t rest = file.size % kPieceBytes;
  if (file.pieces.size() > whole + (rest > 0 ? 1 : 0)) file.pieces.resize(whole + (rest > 0));
  if (rest == 0 || file.At(whole) == nullptr) return;
  file.pieces[whole] = MakePiece(file.pieces[whole], [rest](std::array<char, kPieceBytes>& bytes) {
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(rest), bytes.end(), '\0');
  });
}

template <typename Visit>
void ForEachPiece(uint64_t offset, size_t size, Visit visit) {
  if (size == 0) return;
  for (size_t n = offset / kPieceBytes; n <= (offset + size - 1) / kPieceBytes; ++n) visit(n);
}

uint64_t Below(Disk::Random& random, uint64_t bound) { return random() % bound; }

// What lay on the disk where a new piece of the file was to be: another piece of it, which looks
// much like a right one, or noise.
PiecePtr StalePiece(const FileImage& file, Disk::Random& random) {
  if (!file.pieces.empty() && Below(random, 2) == 0) {
    const PiecePtr other = file.At(Below(random, file.pieces.size()));
    if (other != nullptr) return other;
  }
  return MakePiece(nullptr, [&random](std::array<char, kPieceBytes>& bytes) {
    for (size_t i = 0; i < bytes.size(); i += sizeof(uint64_t)) {
      const uint64_t word = random();
      std::memcpy(bytes.data() + i, &word, sizeof(word));
    }
  });
}

}  // namespace

void FileImage::Set(size_t piece, PiecePtr value) {
  if (piece >= pieces.size()) pieces.resize(piece + 1);
  pieces[piece] = std::move(value);
}

uint64_t DiskImage::Hash() const {
  uint64_t hash = 0;
  for (const std::string& folder : folders) hash = Mix(hash, HashOf(Lasting(folder)));
  for (const auto& [path, file] : files) {
    if (NameOf(path) == kScratchFile) continue;
    hash = Mix(hash, HashOf(absl::StartsWith(path, ".") ? NameOf(path) : path));
    if (NameOf(path) == kAdvisoryFile) continue;
    hash = Mix(hash, file.size);
    for (size_t i = 0; i < file.pieces.size(); ++i) {
      if (file.pieces[i] != nullptr) hash = Mix(hash, file.pieces[i]->hash + i);
    }
  }
  return hash;
}

// ---- The log ----

void Disk::Folders::Apply(const std::vector<EntryChange>& changes) {
  for (const EntryChange& change : changes) {
    if (change.node == 0) {
      entries[change.folder].erase(change.name);
    } else {
      entries[change.folder][change.name] = change.node;
    }
  }
}

Disk::Disk(Node root, const DiskImage& image, absl::FunctionRef<Node(const std::string&)> node_of)
    : root_(root) {
  const auto enter = [&](const std::string& path, bool is_folder) {
    const size_t slash = path.rfind('/');
    const Node parent = slash == std::string::npos ? root_ : node_of(path.substr(0, slash));
    const std::string name(NameOf(path));
    if (name == kAdvisoryFile) advisory_.insert(node_of(path));
    if (is_folder) folders_.insert(node_of(path));
    cached_.Apply({{parent, name, node_of(path), is_folder}});
  };
  for (const std::string& path : image.folders) enter(path, true);
  for (const auto& [path, file] : image.files) {
    enter(path, false);
    files_[node_of(path)] = {file, file, {}, {}};
  }
  durable_ = cached_;
}

void Disk::Apply(const LogRecord& record) {
  ++now_;
  switch (record.kind) {
    case LogRecord::Kind::kWrite:
      return Write(files_[record.node], record.offset, record.bytes);
    case LogRecord::Kind::kDurableWrite:
      return WriteThrough(files_[record.node], record.offset, record.bytes);
    case LogRecord::Kind::kTruncate:
      return Resize(files_[record.node], record.offset);
    case LogRecord::Kind::kSync:
      return Sync(files_[record.node]);
    case LogRecord::Kind::kFailedSync:
      for (auto& [number, pending] : files_[record.node].pending) pending.is_forgotten = true;
      return;
    case LogRecord::Kind::kEntries:
      for (const EntryChange& change : record.changes) {
        if (change.is_folder) folders_.insert(change.node);
        if (change.name == kAdvisoryFile) advisory_.insert(change.node);
      }
      cached_.Apply(record.changes);
      renamings_.push_back({now_, record.changes});
      return;
    case LogRecord::Kind::kSyncFolder:
      return SyncFolder(record.node);
  }
}

void Disk::Write(File& file, uint64_t offset, absl::string_view bytes) {
  ForEachPiece(offset, bytes.size(), [&](size_t number) {
    PiecePtr piece = Patched(file.cached.At(number), number, offset, bytes);
    Pending& pending = file.pending[number];
    pending.is_forgotten = false;
    pending.versions.push_back({now_, piece});
    file.cached.Set(number, std::move(piece));
  });
  if (offset + bytes.size() <= file.cached.size) return;
  file.cached.size = offset + bytes.size();
  file.sizes.push_back(file.cached.size);
}

void Disk::WriteThrough(File& file, uint64_t offset, absl::string_view bytes) {
  ForEachPiece(offset, bytes.size(), [&](size_t number) {
    const auto patch = [&](const PiecePtr& old) { return Patched(old, number, offset, bytes); };
    file.durable.Set(number, patch(file.durable.At(number)));
    file.cached.Set(number, patch(file.cached.At(number)));
    if (const auto found = file.pending.find(number); found != file.pending.end()) {
      for (Version& version : found->second.versions) version.piece = patch(version.piece);
    }
  });
  file.durable.size = std::max(file.durable.size, offset + bytes.size());
  file.cached.size = std::max(file.cached.size, offset + bytes.size());
}

void Disk::Resize(File& file, uint64_t size) {
  file.cached.size = size;
  file.sizes.push_back(size);
  CutOff(file.cached);
}

void Disk::Sync(File& file) {
  for (auto pending = file.pending.begin(); pending != file.pending.end();) {
    if (pending->second.is_forgotten) {
      ++pending;
      continue;
    }
    file.durable.Set(pending->first, pending->second.versions.back().piece);
    pending = file.pending.erase(pending);
  }
  file.durable.size = file.cached.size;
  CutOff(file.durable);
  file.sizes.clear();
}

void Disk::SyncFolder(Node folder) {
  const auto is_of_folder = [folder](const Renaming& renaming) {
    return std::any_of(renaming.changes.begin(), renaming.changes.end(),
                       [folder](const EntryChange& change) { return change.folder == folder; });
  };
  for (const Renaming& renaming : renamings_) {
    if (is_of_folder(renaming)) durable_.Apply(renaming.changes);
  }
  renamings_.erase(std::remove_if(renamings_.begin(), renamings_.end(), is_of_folder),
                   renamings_.end());
}

// ---- States ----

DiskImage Disk::Tree(const Folders& folders, absl::FunctionRef<FileImage(Node)> file_of) const {
  DiskImage image;
  std::vector<std::pair<std::string, Node>> left = {{"", root_}};
  while (!left.empty()) {
    const auto [prefix, folder] = left.back();
    left.pop_back();
    const auto entries = folders.entries.find(folder);
    if (entries == folders.entries.end()) continue;
    for (const auto& [name, node] : entries->second) {
      const std::string path = prefix + name;
      if (folders_.contains(node)) {
        image.folders.insert(path);
        left.emplace_back(path + "/", node);
      } else {
        image.files[path] = file_of(node);
      }
    }
  }
  return image;
}

DiskImage Disk::Cached() const {
  return Tree(cached_, [this](Node node) {
    const auto file = files_.find(node);
    return file == files_.end() ? FileImage() : file->second.cached;
  });
}

std::vector<Disk::Unit> Disk::Units() const {
  std::vector<Unit> units;
  for (const auto& [node, file] : files_) {
    if (advisory_.contains(node)) continue;
    for (const auto& [number, pending] : file.pending) {
      units.push_back({node, number, pending.versions.size(), 0, pending.versions.front().when});
    }
  }
  for (size_t i = 0; i < renamings_.size(); ++i) {
    units.push_back({0, 0, 0, i, renamings_[i].when});
  }
  std::stable_sort(units.begin(), units.end(),
                   [](const Unit& a, const Unit& b) { return a.when < b.when; });
  return units;
}

size_t Disk::pending() const { return Units().size(); }

PiecePtr Disk::PieceOf(const Unit& unit, size_t kept, uint8_t torn) const {
  const File& file = files_.at(unit.node);
  const std::vector<Version>& versions = file.pending.at(unit.piece).versions;
  const auto version = [&](size_t number) {
    return number == 0 ? file.durable.At(unit.piece) : versions[number - 1].piece;
  };
  if (torn == 0) return version(kept);
  const PiecePtr before = version(kept - 1);
  return MakePiece(version(kept), [&](std::array<char, kPieceBytes>& bytes) {
    for (size_t sector = 0; sector < kSectors; ++sector) {
      if ((torn >> sector & 1) == 0) continue;
      char* const at = bytes.data() + sector * kSectorBytes;
      if (before == nullptr) {
        std::memset(at, 0, kSectorBytes);
      } else {
        std::memcpy(at, before->bytes.data() + sector * kSectorBytes, kSectorBytes);
      }
    }
  });
}

uint64_t Disk::SizeOf(const File& file, const FileImage& kept, Choice::Size choice,
                      Random& random) {
  switch (choice) {
    case Choice::Size::kDurable:
      return file.durable.size;
    case Choice::Size::kCached:
      return file.cached.size;
    case Choice::Size::kBetween:
      return file.sizes.empty() ? file.durable.size : file.sizes[Below(random, file.sizes.size())];
    case Choice::Size::kAsKept:
      break;
  }
  return std::min(file.cached.size,
                  std::max(file.durable.size, uint64_t{kept.pieces.size()} * kPieceBytes));
}

FileImage Disk::FileOf(Node node, const std::vector<Unit>& units, const Choice& choice,
                       Random& random) const {
  const auto found = files_.find(node);
  if (found == files_.end()) return {};
  const File& file = found->second;
  if (advisory_.contains(node)) return Below(random, 2) == 0 ? file.durable : file.cached;
  if (file.pending.empty() && file.sizes.empty()) return file.durable;
  FileImage image = file.durable;
  for (size_t i = 0; i < units.size(); ++i) {
    const Unit& unit = units[i];
    if (unit.versions == 0 || unit.node != node) continue;
    if (choice.kept[i] > 0) {
      image.Set(unit.piece, PieceOf(unit, choice.kept[i], choice.torn[i]));
    } else if (choice.is_stale && file.durable.At(unit.piece) == nullptr) {
      image.Set(unit.piece, StalePiece(file.durable, random));
    }
  }
  image.size = SizeOf(file, image, choice.size, random);
  CutOff(image);
  return image;
}

DiskImage Disk::ImageOf(const std::vector<Unit>& units, const Choice& choice,
                        Random& random) const {
  Folders folders = durable_;
  for (size_t i = 0; i < units.size(); ++i) {
    if (units[i].versions == 0 && choice.kept[i] > 0) {
      folders.Apply(renamings_[units[i].renaming].changes);
    }
  }
  return Tree(folders, [&](Node node) { return FileOf(node, units, choice, random); });
}

// Makes choices until there are enough different states.
class Disk::Chooser {
 public:
  Chooser(const Disk& disk, size_t limit, Random& random)
      : disk_(disk), units_(disk.Units()), limit_(limit), random_(random) {
    for (const auto& [node, file] : disk.files_) has_sizes_ |= !file.sizes.empty();
  }

  std::vector<DiskImage> Choose() {
    AddInOrder();
    if (Combinations() <= limit_ / 2) AddAll();
    AddOneByOne();
    size_t misses = 0;
    while (images_.size() < limit_ && misses < 64) {
      misses = Add(AtRandom()) ? 0 : misses + 1;
    }
    return std::move(images_);
  }

 private:
  size_t Versions(size_t unit) const { return std::max<size_t>(1, units_[unit].versions); }

  Choice Nothing() const {
    return {.kept = std::vector<size_t>(units_.size()),
            .torn = std::vector<uint8_t>(units_.size())};
  }
  Choice Everything() const {
    Choice choice = Nothing();
    for (size_t i = 0; i < units_.size(); ++i) choice.kept[i] = Versions(i);
    return choice;
  }

  // False if there is such a state already, or no more are wanted.
  bool Add(const Choice& choice) {
    if (images_.size() >= limit_) return false;
    DiskImage image = disk_.ImageOf(units_, choice, random_);
    if (!seen_.insert(image.Hash()).second) return false;
    images_.push_back(std::move(image));
    return true;
  }

  uint64_t Combinations() const {
    uint64_t combinations = 1;
    for (size_t i = 0; i < units_.size() && combinations <= limit_; ++i) {
      combinations *= Versions(i) + 1;
    }
    return combinations;
  }

  void AddAll() {
    Choice choice = Nothing();
    for (size_t i = 0; i < units_.size();) {  // counts, with a digit for each unit
      if (choice.kept[i] < Versions(i)) {
        ++choice.kept[i];
        Add(choice);
        i = 0;
      } else {
        choice.kept[i++] = 0;
      }
    }
  }

  // What a disk leaves that writes in order.
  void AddInOrder() {
    Add(Nothing());
    Add(Everything());
    Choice choice = Nothing();
    for (size_t i = 0; i < units_.size(); ++i) {
      for (choice.kept[i] = 1; choice.kept[i] < Versions(i); ++choice.kept[i]) Add(choice);
      Add(choice);
    }
  }

  void AddOneByOne() {
    for (size_t i = 0; i < units_.size(); ++i) {
      Choice without = Everything();
      without.kept[i] = 0;
      Add(without);
      Choice alone = Nothing();
      alone.kept[i] = Versions(i);
      Add(alone);
    }
  }

  Choice AtRandom() {
    Choice choice = Nothing();
    const uint64_t of_eight = 1 + Below(random_, 7);  // how much of it got to the disk
    const bool is_torn = Below(random_, 3) == 0;
    for (size_t i = 0; i < units_.size(); ++i) {
      if (Below(random_, 8) >= of_eight) continue;
      choice.kept[i] = 1 + Below(random_, Versions(i));
      if (is_torn && units_[i].versions > 0 && Below(random_, 3) == 0) choice.torn[i] = Tear();
    }
    choice.is_stale = Below(random_, 4) == 0;
    if (has_sizes_) choice.size = static_cast<Choice::Size>(Below(random_, 4));
    return choice;
  }

  // The sectors that are not written: all behind some point, all before it, or any.
  uint8_t Tear() {
    const auto low = static_cast<uint8_t>((1u << (1 + Below(random_, kSectors - 1))) - 1);
    switch (Below(random_, 3)) {
      case 0:
        return low;
      case 1:
        return static_cast<uint8_t>(~low);
      default:
        return static_cast<uint8_t>(Below(random_, 256));
    }
  }

  const Disk& disk_;
  const std::vector<Unit> units_;
  const size_t limit_;
  Random& random_;
  bool has_sizes_ = false;
  std::vector<DiskImage> images_;
  std::unordered_set<uint64_t> seen_;
};

std::vector<DiskImage> Disk::CrashStates(size_t limit, Random& random) const {
  return Chooser(*this, limit, random).Choose();
}

}  // namespace batonstore::testing
