// What the peers that keep keys and values in order have in common: the rows of a session, which
// are those that batonstore has, as plain keys.
//
//   "s" alias                              -> record
//   "k" first 8 bytes of SHA-256(key)      -> alias, by public key
//   "p" hash of principal, alias           -> nothing
//   "d" hash of database, alias            -> nothing
//   "e" expiry, alias                      -> nothing

#ifndef BATONSTORE_BENCHMARKS_PEERS_KEY_VALUE_PEER_H_
#define BATONSTORE_BENCHMARKS_PEERS_KEY_VALUE_PEER_H_

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/mutex.h"
#include "benchmarks/peers/peer.h"

namespace batonstore::benchmarks {

using KeyValue = std::pair<std::string, std::string>;

// A peer says how it opens, writes and reads, and all else follows.
class KeyValuePeer : public Peer {
 public:
  std::vector<Question> Questions() const override;
  void Fill(const PeerOptions& options) override;
  void Create(Caller& caller) override;
  void Turn(Caller& caller, int64_t session, uint64_t generation) override;
  void Find(Caller& caller, int64_t session) override;
  void FindByPublicKey(Caller& caller, int64_t session) override;
  void ListOfPrincipal(Caller& caller, int64_t principal) override;

 protected:
  virtual void Open(const std::string& folder) = 0;

  // All of it or nothing; `sync`: on the disk when it returns.
  virtual void Write(const std::vector<KeyValue>& rows, bool sync) = 0;

  // After filling, to have a store as it is after a while: compacted.
  virtual void Settle() {}

  virtual bool Get(const std::string& key, std::string* value) = 0;  // false: not there

  // Keys that begin with `prefix`, in their order.
  virtual void Scan(const std::string& prefix,
                    absl::FunctionRef<void(absl::string_view key)> each) = 0;

 private:
  SessionContent MustFind(uint64_t alias);

  // Held from a check to the end of the write that depends on it, since there are no transactions.
  // By what is checked, so that callers share syncs.
  Mutex& LockOf(absl::string_view key);
  std::array<Mutex, 4096> locks_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_KEY_VALUE_PEER_H_
