// The sessions that every peer keeps: the same fields of the same sizes, as many for a principal
// and for a database.

#ifndef BATONSTORE_BENCHMARKS_PEERS_SESSION_CONTENT_H_
#define BATONSTORE_BENCHMARKS_PEERS_SESSION_CONTENT_H_

#include <cstdint>
#include <random>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/store/alias.h"

namespace batonstore::benchmarks {

inline constexpr int64_t kSessionsOfPrincipal = 4;  // on average
inline constexpr int64_t kDatabases = 20;
inline constexpr absl::string_view kLabel = "a benchmark's session";

// Who asks: one of several at a time, each with random numbers of its own.
struct Caller {
  int index = 0;
  int callers = 1;
  int64_t sessions = 0;  // that the store was filled with
  std::mt19937_64 random = {};
};

// "principal-000123@example.com" and "database-07".
std::string PrincipalName(int64_t number);
std::string DatabaseName(int64_t number);

struct SessionContent {
  uint64_t alias = 0;  // time-ordered: of a later session it is larger
  std::string principal;
  std::string database;
  int64_t created_at_us = 0;
  int64_t expires_at_us = 0;
  int64_t last_used_us = 0;
  uint64_t generation = 1;
  std::string public_key;          // 32 bytes
  std::string sealed_private_key;  // 60 bytes
};

// What a store of so many sessions is filled with: session 0, the first, 1, and so on. The same in
// every run. Keys are random bytes that belong to no curve.
class FilledSessions {
 public:
  explicit FilledSessions(int64_t sessions) : sessions_(sessions) {}

  int64_t sessions() const { return sessions_; }
  int64_t principals() const;

  uint64_t AliasOf(int64_t session) const;
  int64_t PrincipalOf(int64_t session) const;  // its number
  int64_t DatabaseOf(int64_t session) const;   // its number
  std::string PublicKeyOf(int64_t session) const;
  SessionContent Session(int64_t session) const;

 private:
  const int64_t sessions_;
};

// A session to create: its principal and database drawn by the caller, an X25519 key pair that is
// really made, its private key really sealed. The alias is the next one of this process.
SessionContent FreshSession(Caller& caller);

// The record under which a key-value store keeps a session: 256 bytes, in which the generation and
// the last use can be found again.
std::string EncodeContent(const SessionContent& session);
SessionContent DecodeContent(absl::string_view record);

int64_t NowMicros();

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_SESSION_CONTENT_H_
