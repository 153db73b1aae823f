// libjwt: a session as a signed token, HS256, with what its reader would look for. Nothing is kept,
// so a token can neither rotate nor be revoked.

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/server_process.h"
#include "benchmarks/peers/session_content.h"
#include "benchmarks/scratch.h"
#include "jwt.h"

namespace batonstore::benchmarks {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr int64_t kMicrosPerSecond = 1'000'000;

// libjwt brings OpenSSL along, whose functions have the names of those of BoringSSL, which our own
// code calls. Loaded like this, and not linked, each finds its own.
class Libjwt {
  template <typename Function>
  Function* Find(const char* name) const {
    void* const found = dlsym(library_, name);
    CheckThat(found != nullptr, name);
    return reinterpret_cast<Function*>(found);
  }

  static void* Load() {
    void* const library = dlopen("libjwt.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (library == nullptr) EndMissing("libjwt", "libjwt-dev");
    return library;
  }

  void* const library_ = Load();  // for ever

 public:
  decltype(jwt_new)* const make = Find<decltype(jwt_new)>("jwt_new");
  decltype(jwt_free)* const free = Find<decltype(jwt_free)>("jwt_free");
  decltype(jwt_set_alg)* const set_alg = Find<decltype(jwt_set_alg)>("jwt_set_alg");
  decltype(jwt_add_grant)* const add = Find<decltype(jwt_add_grant)>("jwt_add_grant");
  decltype(jwt_add_grant_int)* const add_int =
      Find<decltype(jwt_add_grant_int)>("jwt_add_grant_int");
  decltype(jwt_get_grant)* const get = Find<decltype(jwt_get_grant)>("jwt_get_grant");
  decltype(jwt_get_grant_int)* const get_int =
      Find<decltype(jwt_get_grant_int)>("jwt_get_grant_int");
  decltype(jwt_encode_str)* const encode = Find<decltype(jwt_encode_str)>("jwt_encode_str");
  decltype(jwt_decode)* const decode = Find<decltype(jwt_decode)>("jwt_decode");
};

class LibjwtPeer final : public Peer {
 public:
  std::string Name() const override { return "libjwt"; }
  std::string Version() const override { return "libjwt"; }  // it does not tell more
  std::vector<Question> Questions() const override { return {Question::kVerify}; }

  void Fill(const PeerOptions& options) override {
    const FilledSessions filled(options.sessions);
    for (int64_t session = 0; session < options.sessions; ++session) {
      tokens_.push_back(TokenOf(filled.Session(session)));
    }
  }

  void Verify(Caller&, int64_t session) override {
    jwt_t* decoded = nullptr;
    CheckThat(jwt_.decode(&decoded, tokens_[static_cast<size_t>(session)].c_str(), Key(),
                          static_cast<int>(kKeyBytes)) == 0,
              "a token of ours is authentic");
    const absl::Cleanup freeing = [&] { jwt_.free(decoded); };
    CheckThat(jwt_.get_int(decoded, "exp") > NowMicros() / kMicrosPerSecond,
              "the session has not ended");
    CheckThat(jwt_.get(decoded, "sub") != nullptr && jwt_.get(decoded, "aud") != nullptr &&
                  jwt_.get(decoded, "jti") != nullptr,
              "the token names principal, database and session");
  }

 private:
  const unsigned char* Key() const {
    return reinterpret_cast<const unsigned char*>(key_.Reveal().data());
  }

  std::string TokenOf(const SessionContent& session) const {
    jwt_t* made = nullptr;
    CheckThat(jwt_.make(&made) == 0, "a token can be made");
    const absl::Cleanup freeing = [&] { jwt_.free(made); };
    const std::string alias = absl::StrFormat("%016x", session.alias);
    CheckThat(jwt_.set_alg(made, JWT_ALG_HS256, Key(), static_cast<int>(kKeyBytes)) == 0 &&
                  jwt_.add(made, "jti", alias.c_str()) == 0 &&
                  jwt_.add(made, "sub", session.principal.c_str()) == 0 &&
                  jwt_.add(made, "aud", session.database.c_str()) == 0 &&
                  jwt_.add_int(made, "exp", session.expires_at_us / kMicrosPerSecond) == 0 &&
                  jwt_.add_int(made, "gen", static_cast<long>(session.generation)) == 0,
              "a token can be filled");
    char* const text = jwt_.encode(made);
    CheckThat(text != nullptr, "a token can be signed");
    const absl::Cleanup freeing_text = [&] { std::free(text); };
    return text;
  }

  const Libjwt jwt_;
  const SecretBytes key_ = RandomSecret(SystemRandom(), kKeyBytes);
  std::vector<std::string> tokens_;
};

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  batonstore::benchmarks::LibjwtPeer peer;
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
