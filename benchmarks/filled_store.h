// Stores with many sessions in them, filled in seconds: 50,000 sessions share a commit, which no
// number of callers would. Everything else is as SessionStore::ReserveAndCreate does it.

#ifndef BATONSTORE_BENCHMARKS_FILLED_STORE_H_
#define BATONSTORE_BENCHMARKS_FILLED_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/skipping_clock.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/session_table.h"
#include "batonstore/store/store_keys.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {

struct Filling {
  int64_t sessions = 0;
  std::function<SessionSpec(int64_t)> spec;  // of the first, 0, the second, 1, and so on
  Fields fields = {};                        // of each
};

// An open store on a SkippingClock, which nobody sweeps but by calling Sweep. The sessions were
// created one a millisecond, the last one just now. Their key pairs are random bytes that belong to
// no curve: nobody asks for them here, and a million real ones would take a minute to make.
class FilledStore {
 public:
  explicit FilledStore(const Filling& filling);

  SessionStore& sessions() { return store_->sessions(); }
  SkippingClock& clock() { return clock_; }
  const std::vector<Alias>& aliases() const { return aliases_; }  // in the order of creation
  size_t row_bytes() const { return row_bytes_; }                 // of the last session's record
  std::string data_file() const { return folder_.path() + "/data.mdb"; }
  static SecretBytes KeyEncryptionKey();

  // Makes every RevokeAll unsaid that no sweep has begun to work off, so that the same sessions can
  // be revoked again. Closes the store, deletes the marks, and opens it.
  void UnsayRevocations();

  // Has the baton of every session rotate once, as by a turn with this digest and an empty reply.
  // Closes the store, writes the rows, and opens it.
  void RotateBatons(absl::string_view digest);

 private:
  void Open();
  void EditClosed(absl::FunctionRef<void(Engine&, const recovery::Identity&)> edit);
  void WithClosed(absl::FunctionRef<void(Engine&, const recovery::Identity&)> edit);
  void Fill(Engine& engine, const StoreKeys& keys, const Filling& filling);
  void FillOne(Transaction& transaction, const SessionTable& table, const SessionSpec& spec,
               const Fields& fields, absl::Time now);

  Folder folder_;
  SkippingClock clock_;
  std::vector<Alias> aliases_;
  size_t row_bytes_ = 0;
  std::unique_ptr<recovery::Store> store_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_FILLED_STORE_H_
