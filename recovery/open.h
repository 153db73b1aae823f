// The front door: the only way to a session store.
//
//   absl::StatusOr<std::unique_ptr<recovery::Store>> store =
//       recovery::Open({.directory = "/var/lib/service/sessions"});
//   if (!store.ok()) return store.status();
//   SessionStore& sessions = (*store)->sessions();
//   const auto pending = sessions.PendingCompensations();  // registered, and never created
//   for (const Compensation& c : *pending) {
//     Undo(c.intent);
//     sessions.Acknowledge(c.alias);
//   }
//   sessions.Reserve(...);
//
// A store is a folder (mode 0700) with four files: data.mdb and lock.mdb are LMDB's, owner.lock
// says who owns it, key is the default key-encryption key. Back all of it up, or nothing of it:
// without the key the rest is noise.

#ifndef BATONSTORE_RECOVERY_OPEN_H_
#define BATONSTORE_RECOVERY_OPEN_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/recovery/backup.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/recovery_pass.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/session_reader.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/stream_options.h"
#include "batonstore/store/stream_registry.h"

namespace batonstore::recovery {

inline constexpr uint64_t kMinMapBytes = uint64_t{1} << 20;

// Whether an opening looks through the whole file (verify.h) before it lets LMDB near it.
enum class Verification : uint8_t {
  kNever,       // point reads notice records that were changed; the rest is trusted
  kAfterCrash,  // when the last owner did not live to close the store
  kAlways,      // a damaged file is never served: CORRUPT, naming table and key
};

struct Options {
  // The store's folder, on a local file system. Its parent must exist.
  std::string directory = {};

  // Create the store when the folder is missing or empty. Owners only. It is made beside its place
  // and renamed into it, so its place cannot be a mount point: name a folder inside the volume.
  bool create_if_missing = true;

  // The key-encryption key, 32 bytes, which seals the store's keys: KeyFromFile(path),
  // KeyFromPassphrase(...), or a callback to wherever it is kept. By default the file `key` inside
  // the folder, created at random with a new store; that protects a copy of data.mdb alone, and
  // nothing against who can read the folder.
  KeySource key_encryption_key = nullptr;

  // Address space for the data file, which grows (doubling, without failing anyone) up to the
  // maximum; at least kMinMapBytes. Sparse: it costs no disk. The maximum is what FULL means, if
  // the disk is not full first.
  uint64_t map_bytes = uint64_t{16} << 30;
  uint64_t max_map_bytes = uint64_t{4} << 40;

  // Disk space that is kept back, allocated in the data file behind its last page, for what has to
  // work on a full disk: revoking, abandoning, creating what is reserved, touching, sweeping,
  // acknowledging, rotating keys, recovery at opening, closing. Whatever else writes (new sessions
  // and identities, attributes, turns, consumers) is refused with FULL unless there is room for it
  // beside the reserve, so before the disk is full; it changes nothing then, and is let in again
  // once there is room: on the disk, or by sweeping, inside the file. What changes thousands of
  // rows at once (to revoke a session with thousands of fields, or a group with hundreds of
  // members) takes a page or two for each, and needs a reserve of that size. It costs so much disk
  // from the beginning. 0 keeps nothing back. Where a file system cannot allocate (fallocate),
  // nothing is kept back either, and what grows is refused once less than this is free; where it
  // writes nothing in place (btrfs, ZFS), allocation promises little.
  uint64_t reserved_bytes = uint64_t{8} << 20;

  // Snapshots at a time over all processes that have the store open; more are TOO_MANY. Only the
  // first process to open the store decides.
  unsigned int max_readers = 1024;

  // How many sessions there may be, and how long ended ones are remembered. Rules of this opening:
  // they are not stored.
  Policy policy = {};

  // How often, in real time, a thread of the store looks for what has fallen due (store/sweep.h),
  // or has still to be sealed again under a new data key.
  // absl::InfiniteDuration(): there is no such thread, and SessionStore::Sweep is the caller's
  // part.
  absl::Duration sweep_every = absl::Seconds(30);

  // How long streams live and how many there may be; rules of this opening too.
  StreamOptions streams = {};

  // Owners only. By default never, after a crash too: opening costs O(reserved) then, and a crash,
  // of the process or of the machine, does not damage the file. That is what LMDB's commits are
  // for, and what the tests show; disks and people damage files, at any time. To look at the file
  // takes some 4 us a session, which a service that was killed would have to wait for each time.
  // Always is for files that have been away: copied, restored, on a disk that is not trusted.
  Verification verify = Verification::kNever;

  // What the outside world is asked for; all must outlive the store. Tests put their own here.
  Clock* clock = &SystemClock();
  RandomSource* random = &SystemRandom();
  KeyPairSource* key_pairs = &SystemKeyPairs();
};

// An open store, of which this process is the owner. Thread-safe.
class Store {
 public:
  // Closes it. In a forked child this does nothing: the store is the parent's.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  SessionStore& sessions();

  // The streams, none at first. A store that is POISONED or CLOSED loses them: turns are refused,
  // and connections rolled back. Their turns must end before the store is destroyed.
  StreamRegistry& streams();

  const RecoveryReport& report() const;

  // Seals the store's keys under another key-encryption key, in one transaction, while it serves:
  // from then on it opens with `next`, which is asked once, and with nothing else. Without one, a
  // new random key takes the place of the file `key`; a crash in the middle leaves a store that
  // opens, by one of the two. A copy of the store from before still opens with the last key: keep
  // that for as long as the copy is to be of use, and no longer. Streams, batons and sessions
  // notice nothing; observers are told WRONG_KEY, and have to open the store again.
  //   INVALID, IO, or what the source says: nothing has changed
  absl::Status RotateKeyEncryptionKey(const KeySource& next = nullptr);

  // Copies one snapshot of the store to a file that must not exist, while it serves: synced,
  // verified and then named (backup.h). A file that has to grow meanwhile waits for the copy, and
  // so do those who write then; who cannot wait has another process call recovery::Backup.
  //   EXISTS, NOT_FOUND (no such folder), CORRUPT (the store is damaged), IO, FULL
  absl::StatusOr<BackupReport> Backup(const std::string& file,
                                      const VerifyProgress& progress = nullptr);

  // Stops sweeping and reaping, rolls idle streams back (busy ones when their turns end), waits for
  // calls under way, notes that the end was in order, and lets go of the folder: it can be opened
  // again, here or elsewhere, at once. Every later call of sessions() is CLOSED. Closing twice is
  // the same as once. This is also the way out of POISONED.
  absl::Status Close();

 private:
  friend absl::StatusOr<std::unique_ptr<Store>> Open(const Options& options);
  struct Parts;
  explicit Store(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

// Opens the store as its owner and recovers it: forces what an earlier owner wrote to the disk,
// then raises the epoch and removes every reservation of an earlier epoch: in one transaction, or,
// on a full disk, in several. Costs O(reserved), except that a file found short after a crash is
// first looked through, as is every file that Options::verify asks to be.
//
//   NOT_OWNER     another process owns it (its pid is in the message), or this one has it open
//   NOT_FOUND     the folder does not exist (with create_if_missing: its parent)
//   WRONG_FORMAT  the folder is not a store, or is one of another format
//   WRONG_KEY     the key-encryption key is missing or is not this store's
//   CORRUPT       the file is damaged (verify.h tells all about it)
//   UNSUPPORTED   a file system or a pid namespace on which LMDB is not safe
//   INVALID, FULL, IO, TOO_MANY, POISONED
// After an error the store is as it was, or a part of its recovery is done and the next opening
// does the rest; what it says tells what to do.
absl::StatusOr<std::unique_ptr<Store>> Open(const Options& options);

// An open store that this process only reads, while an owner serves or none does. Thread-safe.
class Observer {
 public:
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  // What is committed at the moment of each call. Reservations that recovery would remove are still
  // to be seen when there is no owner.
  const SessionReader& sessions() const;

 private:
  friend absl::StatusOr<std::unique_ptr<Observer>> OpenReadOnly(const Options& options);
  struct Parts;
  explicit Observer(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

// Opens an existing store for reading. Never writes a row; needs the key, and write access to the
// two lock files. The verdicts are those of Open, but for NOT_OWNER of another process.
absl::StatusOr<std::unique_ptr<Observer>> OpenReadOnly(const Options& options);

}  // namespace batonstore::recovery

#endif  // BATONSTORE_RECOVERY_OPEN_H_
