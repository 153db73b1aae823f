#include "batonstore/recovery/verify.h"

#include <memory>
#include <new>

#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/default_key.h"
#include "batonstore/recovery/lmdb_layout.h"
#include "batonstore/recovery/observed_file.h"
#include "batonstore/recovery/page_file.h"
#include "batonstore/store/lmdb_environment.h"

namespace batonstore::recovery {
namespace {

// The key at once, unless it takes the store's id: whoever has none waits for nothing.
absl::StatusOr<KeySource> Fetched(const KeySource& source) {
  if (source.AsksForStoreId()) return source.Remembered();
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes key, source());
  return KeySource(key);
}

// What a reader gets that begins now.
absl::StatusOr<uint64_t> LastSnapshot(LmdbEnvironment& environment) {
  BATONSTORE_ASSIGN_OR_RETURN(const LmdbTransaction last, environment.BeginRead());
  return last.id();
}

absl::StatusOr<VerifyReport> VerifyObserved(ObservedFile& observed, const KeySource& source,
                                            const VerifyRequest& request) {
  BATONSTORE_ASSIGN_OR_RETURN(const KeySource key, Fetched(source));
  absl::Status unseen;
  for (int look = 0; look < kLooks; ++look) {
    // The snapshot first: from then on its pages stay, and all of them are in the file.
    BATONSTORE_ASSIGN_OR_RETURN(const LmdbTransaction snapshot, observed.environment().BeginRead());
    BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file,
                                PageFile::Open(observed.data_file()));
    // Its meta page does not stay: two commits later it is another's. If a reader that comes now
    // still gets the same snapshot, the first of them is not done, and the second has not begun.
    const absl::StatusOr<lmdb::Meta> meta = file->ReadMetaOf(snapshot.id());
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t last, LastSnapshot(observed.environment()));
    const bool in_time = last == snapshot.id();
    if (meta.ok() && in_time) {
      return VerifySnapshot(*file, *meta, key, *request.clock, request.progress);
    }
    unseen = !in_time ? Refuse(Verdict::kBusy, "the owner commits too fast to look at its file")
                      : meta.status();
  }
  return unseen;
}

}  // namespace

absl::StatusOr<VerifyReport> Verify(const VerifyRequest& request) try {
  if (request.directory.empty() || request.clock == nullptr) {
    return Refuse(Verdict::kInvalid, "the request has no directory, or a null clock");
  }
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<ObservedFile> observed,
                              ObservedFile::Open(request.directory));
  return WithKey<VerifyReport>(
      request.directory, request.key_encryption_key,
      [&](const KeySource& source) { return VerifyObserved(*observed, source, request); });
} catch (const std::bad_alloc&) {
  return NoMemory();
}

}  // namespace batonstore::recovery
