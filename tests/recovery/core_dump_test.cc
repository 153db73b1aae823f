// No secret is in a core of a process that serves, and none is in its memory any longer than it is
// needed.
//
// Two kinds of core are looked through: one that the kernel writes (SIGABRT), where core_pattern
// names a plain file; and, everywhere, what the kernel would write, read from the living process by
// proc(5). That what is looked for is there to be found is shown each time: a mark that is no
// secret is in the core, and the keys in use are in the memory that the core leaves out.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/data_keys.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/store_keys.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "openssl/sha.h"
#include "tests/recovery/core_dump_marks.h"
#include "tests/support/process_memory.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::Conversation;
using ::batonstore::testing::EditRows;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::kReadField;
using ::batonstore::testing::kSecretSize;
using ::batonstore::testing::kWrittenField;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::MarkOf;
using ::batonstore::testing::MemoryOf;
using ::batonstore::testing::MemoryRegion;
using ::batonstore::testing::ReadMemoryOf;
using ::batonstore::testing::Runfile;
using ::batonstore::testing::SecretFor;
using ::batonstore::testing::TempDir;
using ::testing::UnorderedElementsAreArray;

// What is looked for, and what it is.
struct Needle {
  std::string name;
  std::string bytes;
};
using Needles = std::vector<Needle>;

// Names of those that were found.
using Found = std::vector<std::string>;

Needles operator+(Needles a, const Needles& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Found NamesOf(const Needles& needles) {
  Found names;
  for (const Needle& needle : needles) names.push_back(needle.name);
  return names;
}

// All but the ends of a key: some computations change a few bits there, and a list of free memory
// may use the beginning.
Needle Key(const std::string& name, absl::string_view bytes) {
  const size_t ends = std::min<size_t>(8, bytes.size() / 4);
  return {name, std::string(bytes.substr(ends, bytes.size() - 2 * ends))};
}

// The hash state after `key` with `pad`, as it lies in memory: as good as the key (RFC 2104, 4).
std::string HmacState(absl::string_view key, char pad) {
  std::string block(SHA256_CBLOCK, pad);
  for (size_t i = 0; i < key.size(); ++i) block[i] = static_cast<char>(key[i] ^ pad);
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Transform(&context, reinterpret_cast<const uint8_t*>(block.data()));
  return std::string(reinterpret_cast<const char*>(context.h), sizeof(context.h));
}

void Search(absl::string_view memory, const Needles& needles, Found& found) {
  for (const Needle& needle : needles) {
    const bool is_there =
        memmem(memory.data(), memory.size(), needle.bytes.data(), needle.bytes.size()) != nullptr;
    if (is_there && !std::count(found.begin(), found.end(), needle.name)) {
      found.push_back(needle.name);
    }
  }
}

// In those regions of a process that `where` wants.
template <typename Predicate>
Found FoundInMemory(pid_t pid, const Needles& needles, Predicate where) {
  constexpr uint64_t kPiece = uint64_t{8} << 20;
  constexpr uint64_t kOverlap = 4096;
  Found found;
  for (const MemoryRegion& region : MemoryOf(pid)) {
    if (!region.is_readable || !where(region)) continue;
    for (uint64_t at = region.begin; at < region.end; at += kPiece) {
      Search(ReadMemoryOf(pid, at, std::min(kPiece + kOverlap, region.end - at)), needles, found);
    }
  }
  return found;
}

Found FoundInFile(const std::string& path, const Needles& needles) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const size_t size = fs::file_size(path);
  void* const bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  Found found;
  if (bytes == MAP_FAILED) return found;
  Search(absl::string_view(static_cast<const char*>(bytes), size), needles, found);
  munmap(bytes, size);
  return found;
}

// Whether cores become files in the folder of the process, and are not given to a program.
bool CoresArePlainFiles() {
  std::ifstream file("/proc/sys/kernel/core_pattern");
  std::string pattern;
  std::getline(file, pattern);
  return !pattern.empty() && !absl::StrContains(pattern, '|') && !absl::StrContains(pattern, '/');
}

class CoreDumpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(cores_);
    MakeStore();
    ReadKeys();
    subject_.emplace(
        std::vector<std::string>{Runfile("tests/recovery/core_dump_subject"), directory_, cores_});
    ASSERT_EQ(subject_->Listen(), "serving");
  }

  void MakeStore() {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Store> store, Open({.directory = directory_}));
    SessionStore& sessions = store->sessions();
    ASSERT_OK_AND_ASSIGN(const Session session, sessions.ReserveAndCreate(LastingSpec()));
    const std::string read = SecretFor(session, kReadField);
    ASSERT_THAT(sessions.Merge(session.alias, {{kReadField, Change::Set(Value::Secret(read))}}),
                IsOk());
    ASSERT_OK_AND_ASSIGN(const SecretBytes private_key, sessions.PrivateKey(session.alias));
    past_ = {Key("private key", private_key.Reveal())};
    for (size_t at = 1000; at < kSecretSize; at += 4000) {
      const std::string written = SecretFor(session, kWrittenField);
      past_.push_back({absl::StrCat("secret that was read, at ", at), read.substr(at, 24)});
      past_.push_back({absl::StrCat("secret that was written, at ", at), written.substr(at, 24)});
    }
    public_ = {{"mark", MarkOf(session)}};
  }

  // As anybody could who has the key-encryption key.
  void ReadKeys() {
    ASSERT_OK_AND_ASSIGN(const SecretBytes key_encryption_key, KeyFromFile(directory_ + "/key")());
    EditRows(directory_, [&](Transaction& rows) {
      const std::string store_id = *GetMeta(rows, meta::kStoreId);
      const auto open = [&](absl::string_view name) {
        return *OpenUnderKeyEncryptionKey(key_encryption_key, store_id, name, *GetMeta(rows, name));
      };
      NoteKeys(key_encryption_key, store_id, *DataKeys::Parse(open(meta::kDataKeys).Reveal()));
      NoteSigningKey(open(meta::kKeyring), *GetMeta(rows, meta::kIncarnation));
    });
  }

  void NoteKeys(const SecretBytes& key_encryption_key, absl::string_view store_id,
                const DataKeys& keys) {
    // They seal the others, and will be sealed again when one of them is replaced.
    in_use_.push_back(Key("key-encryption key", key_encryption_key.Reveal()));
    in_use_.push_back(Key("data key", keys.current().secret.Reveal()));
    in_use_.push_back(Key("index key", keys.index_key().Reveal()));
    NoteDerived(keys.current().secret, store_id, "rows", Sealer::kKeySize);
    NoteDerived(keys.current().secret, store_id, "private keys", Sealer::kKeySize);
    NoteDerived(keys.index_key(), store_id, "principals", KeyedHash::kKeySize);
  }

  void NoteDerived(const SecretBytes& key, absl::string_view store_id, absl::string_view use,
                   size_t size) {
    const SecretBytes derived = DeriveKey(key, store_id, absl::StrCat("batonstore/1 ", use), size);
    in_use_.push_back(Key(absl::StrCat("key of ", use), derived.Reveal()));
  }

  void NoteSigningKey(const SecretBytes& keyring, absl::string_view incarnation) {
    const SecretBytes secret(keyring.Reveal().substr(keyring.size() - 32));  // the only one, last
    const SecretBytes key = DeriveKey(secret, incarnation, "batonstore/1 baton signing", 32);
    past_.push_back(Key("signing key", key.Reveal()));
    in_use_.push_back(Key("signing secret", secret.Reveal()));
    in_use_.push_back({"inner state of the signing key", HmacState(key.Reveal(), 0x36)});
    in_use_.push_back({"outer state of the signing key", HmacState(key.Reveal(), 0x5c)});
  }

  bool MayReadSubject() const {
    return !ReadMemoryOf(subject_->pid(), MemoryOf(subject_->pid()).at(0).begin, 1).empty();
  }

  // Of all sessions, one of which the subject has created. REQUIRES: the subject is gone.
  Needles PrivateKeys() const {
    const std::unique_ptr<Store> store = *Open({.directory = directory_});
    const ListPage page = *store->sessions().List({}, 10);
    Needles keys;
    for (const Session& session : page.sessions) {
      const SecretBytes key = *store->sessions().PrivateKey(session.alias);
      keys.push_back(Key("private key of " + session.alias.ToString(), key.Reveal()));
    }
    EXPECT_EQ(keys.size(), 2u);
    return keys;
  }

  TempDir folder_;
  const std::string directory_ = folder_ / "store";
  const std::string cores_ = folder_ / "cores";
  std::optional<Conversation> subject_;

  Needles past_;    // secrets that the subject has used and is done with
  Needles in_use_;  // secrets that it cannot do without
  Needles public_;  // what is none
};

TEST_F(CoreDumpTest, WhatTheKernelWouldWriteHasNoSecret) {
  if (!MayReadSubject()) GTEST_SKIP() << "this process may not read another one's memory";
  std::cout << "core: what the kernel would write, read from the living process\n";
  EXPECT_EQ(FoundInMemory(subject_->pid(), past_ + in_use_ + public_,
                          [](const MemoryRegion& region) { return region.IsInCore(); }),
            NamesOf(public_));
}

TEST_F(CoreDumpTest, TheCoreThatTheKernelWritesHasNoSecret) {
  if (!CoresArePlainFiles()) GTEST_SKIP() << "core_pattern gives cores to a program, or elsewhere";
  kill(subject_->pid(), SIGABRT);
  subject_.reset();
  if (fs::is_empty(cores_)) GTEST_SKIP() << "the kernel has written no core: not allowed here";
  const std::string core = fs::directory_iterator(cores_)->path().string();
  std::cout << "core: written by the kernel, " << fs::file_size(core) << " bytes\n";
  EXPECT_EQ(FoundInFile(core, past_ + in_use_ + public_ + PrivateKeys()), NamesOf(public_));
}

TEST_F(CoreDumpTest, WhatIsNotNeededAnyMoreIsNowhereInMemory) {
  if (!MayReadSubject()) GTEST_SKIP() << "this process may not read another one's memory";
  const Found found =
      FoundInMemory(subject_->pid(), past_ + in_use_, [](const MemoryRegion&) { return true; });
  EXPECT_THAT(found, UnorderedElementsAreArray(NamesOf(in_use_)));
}

}  // namespace
}  // namespace batonstore::recovery
