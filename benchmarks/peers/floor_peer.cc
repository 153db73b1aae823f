// The floor: what any store in memory would pay for the same tokens and look-ups, with nothing
// durable, nothing sealed and nothing to expire. A token is 24 bytes (kind, number, generation) and
// their HMAC-SHA256, kept as bytes.

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/mutex.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

constexpr size_t kSignedBytes = 24;

struct Claims {
  uint64_t kind = 0;
  uint64_t number = 0;
  uint64_t generation = 0;
};
static_assert(sizeof(Claims) == kSignedBytes);

struct Token {
  Claims claims;
  HmacSha256::Tag tag;
};

absl::string_view Bytes(const Claims& claims) {
  return {reinterpret_cast<const char*>(&claims), sizeof(claims)};
}

absl::string_view Bytes(const HmacSha256::Tag& tag) {
  return {reinterpret_cast<const char*>(tag.data()), tag.size()};
}

struct Stream {
  Mutex mu;
  uint64_t generation = 0;
};

class FloorPeer final : public Peer {
 public:
  std::string Name() const override { return "floor"; }
  std::string Version() const override { return "hash map and HMAC-SHA256"; }
  std::vector<Question> Questions() const override {
    return {Question::kFind,       Question::kFindKey,    Question::kVerify,
            Question::kVerifyFind, Question::kStreamTurn, Question::kHmac};
  }

  void Fill(const PeerOptions& options) override {
    const FilledSessions filled(options.sessions);
    for (int64_t i = 0; i < options.sessions; ++i) {
      SessionContent session = filled.Session(i);
      public_keys_.emplace(session.public_key, session.alias);
      tokens_.push_back(Sign({1, session.alias, 1}));
      sessions_.emplace(session.alias, EncodeContent(session));
    }
    for (uint64_t i = 0; i < static_cast<uint64_t>(options.callers); ++i) {
      streams_.emplace(i, std::make_unique<Stream>());
      stream_tokens_.push_back({Sign({2, i, 0})});
    }
  }

  void Find(Caller& caller, int64_t session) override {
    MustFind(FilledSessions(caller.sessions).AliasOf(session));
  }

  void FindByPublicKey(Caller& caller, int64_t session) override {
    const std::string public_key = FilledSessions(caller.sessions).PublicKeyOf(session);
    const auto alias = public_keys_.find(public_key);
    CheckThat(alias != public_keys_.end(), "the key is there");
    CheckThat(MustFind(alias->second).public_key == public_key, "the session has that key");
  }

  void Verify(Caller&, int64_t session) override { Check(tokens_[static_cast<size_t>(session)]); }

  void VerifyAndFind(Caller&, int64_t session) override {
    const Token& token = tokens_[static_cast<size_t>(session)];
    Check(token);
    CheckThat(MustFind(token.claims.number).generation == token.claims.generation,
              "the token is the current one");
  }

  void StreamTurn(Caller& caller) override {
    Token& token = stream_tokens_[static_cast<size_t>(caller.index)].token;
    Check(token);
    const auto stream = streams_.find(token.claims.number);
    CheckThat(stream != streams_.end(), "the stream is there");
    const MutexLock lock(stream->second->mu);
    CheckThat(stream->second->generation == token.claims.generation,
              "the token is the current one");
    token = Sign({2, token.claims.number, ++stream->second->generation});
  }

  void Hmac(Caller& caller) override {
    Token& token = stream_tokens_[static_cast<size_t>(caller.index)].spare;
    ++token.claims.generation;
    hmac_.Compute(Bytes(token.claims), absl::MakeSpan(token.tag));
  }

 private:
  struct alignas(128) StreamToken {
    Token token;
    Token spare = {};
  };

  Token Sign(const Claims& claims) const { return {claims, hmac_.Compute(Bytes(claims))}; }

  void Check(const Token& token) const {
    const HmacSha256::Tag tag = hmac_.Compute(Bytes(token.claims));
    CheckThat(EqualInConstantTime(Bytes(tag), Bytes(token.tag)), "the tag is ours");
  }

  SessionContent MustFind(uint64_t alias) const {
    const auto session = sessions_.find(alias);
    CheckThat(session != sessions_.end(), "the session is there");
    return DecodeContent(session->second);
  }

  // Not changed once filled, so read without a lock.
  const HmacSha256 hmac_{RandomSecret(SystemRandom(), 32)};
  absl::flat_hash_map<uint64_t, std::string> sessions_;  // alias -> record
  absl::flat_hash_map<std::string, uint64_t> public_keys_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Stream>> streams_;
  std::vector<Token> tokens_;               // of each session
  std::vector<StreamToken> stream_tokens_;  // of each caller, who alone changes it
};

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  batonstore::benchmarks::FloorPeer peer;
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
