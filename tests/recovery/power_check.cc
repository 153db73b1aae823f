#include "tests/recovery/power_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify_file.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scripted_keys.h"

namespace batonstore::testing {
namespace {

namespace fs = std::filesystem;

void Require(bool condition) {
  if (!condition) std::abort();
}

const Piece& Zeros() {
  static const auto* const zeros = new Piece;
  return *zeros;
}

class ScopedFd {
 public:
  ScopedFd(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {
    Require(fd_ >= 0);
  }
  ~ScopedFd() { close(fd_); }
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

bool HaveSameNames(const DiskImage& a, const DiskImage& b) {
  return a.folders == b.folders && a.files.size() == b.files.size() &&
         std::equal(a.files.begin(), a.files.end(), b.files.begin(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

}  // namespace

// ---- The folder ----

Node StateFolder::NodeOf(const std::string& path) const {
  struct stat info {};
  Require(lstat(absl::StrCat(root_, "/", path).c_str(), &info) == 0);
  return info.st_ino;
}

void StateFolder::Put(const DiskImage& image) {
  if (is_unknown_ || !HaveSameNames(now_, image)) return Rebuild(image);
  for (const auto& [path, file] : image.files) Write(path, file);
  now_ = image;
  dirty_.clear();
}

void StateFolder::Rebuild(const DiskImage& image) {
  for (const fs::directory_entry& entry : fs::directory_iterator(root_)) fs::remove_all(entry);
  now_ = {};
  dirty_.clear();
  paths_.clear();
  for (const std::string& folder : image.folders) fs::create_directory(root_ + "/" + folder);
  for (const std::string& folder : image.folders) {
    fs::permissions(root_ + "/" + folder, fs::perms::owner_all);
  }
  for (const auto& [path, file] : image.files) {
    { const ScopedFd created(absl::StrCat(root_, "/", path), O_WRONLY | O_CREAT); }
    now_.files[path] = {};
    paths_[NodeOf(path)] = path;
    Write(path, file);
  }
  now_ = image;
  is_unknown_ = false;
}

void StateFolder::Write(const std::string& path, const FileImage& file) {
  if (absl::EndsWith(path, kScratchFile)) return;
  const FileImage& old = now_.files.at(path);
  const auto dirty = dirty_.find(path);
  const auto is_dirty = [&](size_t i) {
    return dirty != dirty_.end() && i < dirty->second.size() && dirty->second[i];
  };
  if (dirty == dirty_.end() && file.size == old.size && file.pieces == old.pieces) return;
  size_t pieces = std::max(file.pieces.size(), old.pieces.size());
  if (dirty != dirty_.end()) pieces = std::max(pieces, dirty->second.size());
  const ScopedFd fd(absl::StrCat(root_, "/", path), O_WRONLY);
  for (size_t i = 0; i < pieces && i * kPieceBytes < file.size; ++i) {
    const PiecePtr piece = file.At(i);
    if (piece == old.At(i) && !is_dirty(i)) continue;
    const Piece& bytes = piece == nullptr ? Zeros() : *piece;
    const size_t size = std::min<size_t>(kPieceBytes, file.size - i * kPieceBytes);
    Require(pwrite(fd.get(), bytes.bytes.data(), size, static_cast<off_t>(i * kPieceBytes)) ==
            static_cast<ssize_t>(size));
  }
  Require(ftruncate(fd.get(), static_cast<off_t>(file.size)) == 0);
}

void StateFolder::WasChanged(const std::vector<LogRecord>& records) {
  for (const LogRecord& record : records) {
    if (record.kind == LogRecord::Kind::kEntries) {
      const bool is_scratch = record.changes.size() == 1 && record.changes[0].name == kScratchFile;
      is_unknown_ |= !is_scratch;
    }
    const auto path = paths_.find(record.node);
    if (path == paths_.end()) continue;
    std::vector<bool>& dirty = dirty_[path->second];
    const uint64_t end = record.offset + record.bytes.size();
    if (dirty.size() * kPieceBytes < end) dirty.resize(end / kPieceBytes + 1);
    for (uint64_t at = record.offset / kPieceBytes; at * kPieceBytes < end; ++at) dirty[at] = true;
  }
}

void StateFolder::Spoil(LockFile lock_file) {
  const std::string path = absl::StrCat(root_, "/store/", kScratchFile);
  std::error_code ignored;
  if (lock_file == LockFile::kAsItWas || !fs::exists(path, ignored)) return;
  if (lock_file == LockFile::kGone) {
    fs::remove(path, ignored);
    return;
  }
  const ScopedFd fd(path, O_WRONLY | O_TRUNC);
  const std::string noise(3000, '\xA5');
  Require(write(fd.get(), noise.data(), noise.size()) == static_cast<ssize_t>(noise.size()));
}

// ---- The check ----

std::string CheckWhole(const std::string& folder) {
  const absl::StatusOr<SecretBytes> key = recovery::KeyFromFile(folder + "/key")();
  if (!key.ok()) return key.status().ToString();
  const absl::StatusOr<recovery::VerifyReport> report =
      recovery::VerifyQuietFile(folder + "/data.mdb", *key, SystemClock(), nullptr);
  const absl::Status sound = report.ok() ? report->ToStatus() : report.status();
  return sound.ok() ? "" : sound.ToString();
}

namespace {

std::string CloseAndLook(recovery::Store& store, const std::string& directory) {
  const absl::Status closed = store.Close();
  return closed.ok() ? CheckWhole(directory) : absl::StrCat("Close: ", closed.ToString());
}

// What somebody sees of it who only reads.
std::string Observe(const recovery::Options& options, const Expectation& expected) {
  const absl::StatusOr<std::unique_ptr<recovery::Observer>> observer =
      recovery::OpenReadOnly(options);
  if (!observer.ok()) return absl::StrCat("OpenReadOnly: ", observer.status().ToString());
  const std::string differs = expected.DiffersToAnObserver((*observer)->sessions());
  return differs.empty() ? "" : absl::StrCat("to an observer: ", differs);
}

}  // namespace

const Expectation& PowerCheck::ExpectationOf(size_t snapshot) {
  std::unique_ptr<Expectation>& expectation = expectations_[snapshot];
  if (expectation == nullptr) {
    expectation = std::make_unique<Expectation>(history_.snapshots[snapshot]);
  }
  return *expectation;
}

PowerCheck::Outcome PowerCheck::Check(const DiskImage& image, const std::vector<size_t>& allowed,
                                      bool thorough) {
  std::vector<const Expectation*> expected;
  bool may_create = false;
  for (const size_t snapshot : allowed) {
    expected.push_back(&ExpectationOf(snapshot));
    may_create |= history_.snapshots[snapshot].fresh;
  }
  Outcome outcome = Check(image, expected, may_create, thorough);
  outcome.found = allowed[outcome.found];
  return outcome;
}

PowerCheck::Outcome PowerCheck::Check(const DiskImage& image,
                                      const std::vector<const Expectation*>& allowed,
                                      bool may_create, bool thorough) {
  Outcome outcome;
  for (;;) {
    folder_.Put(image);
    ScopedWriteLog log(folder_.root());
    const bool is_settled = Try(allowed, may_create, thorough, log, outcome);
    folder_.WasChanged(log.Take());
    if (outcome.trouble.empty()) return outcome;
    if (is_settled || ++outcome.found >= allowed.size()) break;
  }
  outcome.found = 0;
  return outcome;
}

// Looks for one of `allowed`, from outcome.found on. False if that one turned out to be wrong by
// what the store wrote: then another may be right.
bool PowerCheck::Try(const std::vector<const Expectation*>& allowed, bool may_create, bool thorough,
                     ScopedWriteLog& log, Outcome& outcome) {
  FakeClock clock(allowed[0]->wall());
  SeededRandom random(7);
  ScriptedKeys keys = Expectation::Keys();
  const std::string directory = folder_.root() + "/store";
  recovery::Options options = StoreOptions(directory, history_.policy, clock, random, keys);
  // What is there must open: only where nothing is, or nothing but an empty folder, may a store be
  // made.
  options.create_if_missing = may_create;
  absl::StatusOr<std::unique_ptr<recovery::Store>> store = recovery::Open(options);
  outcome.recovery = log.Take();
  folder_.WasChanged(outcome.recovery);
  if (!store.ok()) {
    outcome.trouble = absl::StrCat("Open: ", store.status().ToString());
    return true;
  }
  for (; outcome.found < allowed.size(); ++outcome.found) {
    const std::string differs = allowed[outcome.found]->Differs(**store);
    if (differs.empty()) break;
    absl::StrAppend(&outcome.trouble, "it is not what could be found (", outcome.found + 1, " of ",
                    allowed.size(), "): ", differs, "\n");
  }
  if (outcome.found == allowed.size()) return true;
  const Expectation& expected = *allowed[outcome.found];
  if (const std::string differs = expected.DiffersInWriting(**store); !differs.empty()) {
    absl::StrAppend(&outcome.trouble, "it goes on wrong: ", differs, "\n");
    return false;
  }
  outcome.trouble = CloseAndLook(**store, directory);
  if (!outcome.trouble.empty() || !thorough) return true;
  store = recovery::Open(options);
  if (!store.ok()) {
    outcome.trouble = absl::StrCat("Open again: ", store.status().ToString());
    return true;
  }
  outcome.trouble = expected.DiffersWhenOpenedAgain(**store);
  if (outcome.trouble.empty()) outcome.trouble = CloseAndLook(**store, directory);
  store->reset();
  if (outcome.trouble.empty()) outcome.trouble = Observe(options, expected);
  return true;
}

}  // namespace batonstore::testing
