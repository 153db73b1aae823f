// Redis with its append-only file, over a unix socket: a connection for each caller, and a script,
// which nothing comes between, for each change.
//
//   "s" alias       -> record
//   "k" public key  -> alias
//   "p" principal   -> aliases, in order
//   "d" database    -> aliases, in order
//   "e"             -> aliases, by expiry

#ifndef BATONSTORE_BENCHMARKS_PEERS_REDIS_PEER_H_
#define BATONSTORE_BENCHMARKS_PEERS_REDIS_PEER_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/server_process.h"
#include "hiredis/hiredis.h"

namespace batonstore::benchmarks {

struct RedisReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using RedisReply = std::unique_ptr<redisReply, RedisReplyDeleter>;

// For one caller at a time. Errors end the program.
class RedisConnection {
 public:
  using Arguments = std::initializer_list<absl::string_view>;

  // Waits until the server listens at the socket.
  RedisConnection(const std::string& socket, ServerProcess& server);

  RedisReply Ask(Arguments arguments);

  // In a pipeline: as many replies as there were commands.
  void Append(Arguments arguments);
  RedisReply Next();

 private:
  struct Closing {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  std::unique_ptr<redisContext, Closing> context_;
};

class RedisPeer final : public Peer {
 public:
  // `fsync` is "always" or "everysec".
  explicit RedisPeer(absl::string_view fsync) : fsync_(fsync) {}

  std::string Name() const override;
  std::string Version() const override { return version_; }
  std::vector<Question> Questions() const override;
  void Fill(const PeerOptions& options) override;
  double CpuSeconds() override;
  void Create(Caller& caller) override;
  void Turn(Caller& caller, int64_t session, uint64_t generation) override;
  void Find(Caller& caller, int64_t session) override;
  void FindByPublicKey(Caller& caller, int64_t session) override;
  void ListOfPrincipal(Caller& caller, int64_t principal) override;

 private:
  // SHA-1 digests, by which a script is called.
  struct Scripts {
    std::string create;
    std::string turn;
    std::string find_by_public_key;
    std::string list;
  };

  void StartServer(const std::string& folder, int callers);
  void LoadScripts();
  void FillAll(const FilledSessions& filled);
  void Settle();
  RedisConnection& ConnectionOf(const Caller& caller);

  const std::string fsync_;
  std::string version_;
  std::unique_ptr<ServerProcess> server_;
  std::vector<std::unique_ptr<RedisConnection>> connections_;  // one for each caller
  Scripts scripts_;
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_REDIS_PEER_H_
