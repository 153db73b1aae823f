// What constant_time_test runs under valgrind's memcheck: code that handles secrets, with the
// secrets marked as undefined. Memcheck then reports every jump and every address that depends on
// one, which is every way in which time does (but for instructions that are themselves slower with
// some operands). One name of a check as argument.
//
// What is public is marked as defined again, and the comment says why it is.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/base64url.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/hmac_sha256.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/stream_registry.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(memory, size) ((void)(memory), (void)(size))
#define VALGRIND_MAKE_MEM_DEFINED(memory, size) ((void)(memory), (void)(size))
#define VALGRIND_GET_VBITS(memory, bits, size) 0
#endif

namespace batonstore {
namespace {

constexpr absl::string_view kIncarnation = "one incarnation.";
constexpr BatonClaims kClaims = {.id = 7, .generation = 41, .epoch = 3};

void MakeSecret(absl::Span<char> bytes) { VALGRIND_MAKE_MEM_UNDEFINED(bytes.data(), bytes.size()); }
void MakePublic(absl::string_view bytes) { VALGRIND_MAKE_MEM_DEFINED(bytes.data(), bytes.size()); }

// An answer that the caller gets to see.
bool Public(bool answer) {
  MakePublic({reinterpret_cast<const char*>(&answer), sizeof(answer)});
  return answer;
}

void Require(bool condition) {
  if (condition) return;
  std::cerr << "a wrong answer" << std::endl;
  std::abort();
}

absl::string_view View(const HmacSha256::Tag& tag) {
  return {reinterpret_cast<const char*>(tag.data()), tag.size()};
}

SecretBytes Secret(size_t size, char filling = 'k') {
  SecretBytes secret(std::string(size, filling));
  MakeSecret({secret.MutableData(), secret.size()});
  return secret;
}

// Every byte that it gives is a secret.
class SecretRandom final : public RandomSource {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    std::memset(out.data(), 'r', out.size());
    MakeSecret({reinterpret_cast<char*>(out.data()), out.size()});
  }
};

// Whether memcheck takes a part of it for undefined. Also true where nobody can tell.
bool IsSecret(absl::string_view bytes) {
  std::string undefined(bytes.size(), '\0');
  const bool can_tell = VALGRIND_GET_VBITS(bytes.data(), undefined.data(), bytes.size()) == 1;
  return !can_tell || undefined.find_first_not_of('\0') != std::string::npos;
}

// What a client has been handed is no secret from the client. Until then it was one: what follows
// from a secret is a secret, or the check would check nothing.
std::string HandedOut(absl::string_view secret) {
  Require(IsSecret(secret));
  std::string copy(secret);
  MakePublic(copy);
  return copy;
}

// The same baton with another tag.
std::string Forged(std::string baton) {
  baton[baton.size() - 3] = baton[baton.size() - 3] == 'A' ? 'B' : 'A';
  return baton;
}

void CheckComparison() {
  const SecretBytes expected = Secret(83);
  const std::string right(83, 'k');
  for (const size_t at : {0, 40, 82}) {
    std::string wrong = right;
    wrong[at] = 'K';
    Require(!Public(EqualInConstantTime(expected.Reveal(), wrong)));
    Require(!Public(EqualInConstantTime(wrong, expected.Reveal())));
  }
  Require(Public(EqualInConstantTime(expected.Reveal(), right)));
  Require(Public(expected == Secret(83)));
}

void CheckHmac() {
  for (const size_t key_size : {32, 100}) {
    const HmacSha256 hmac(Secret(key_size));
    const HmacSha256 same(SecretBytes(std::string(key_size, 'k')));
    const SecretBytes message = Secret(200, 'm');
    Require(HandedOut(View(hmac.Compute(message.Reveal()))) ==
            View(same.Compute(std::string(200, 'm'))));
  }
}

void CheckTag() {
  const HmacSha256 key(Secret(32));
  const std::string baton = HandedOut(MintBaton(key, 1, kClaims));
  Require(Public(ParsedBaton::Parse(baton)->CarriesTagOf(key)));
  Require(!Public(ParsedBaton::Parse(Forged(baton))->CarriesTagOf(key)));
}

// Verify itself jumps by its answer, which the caller gets to see: constant_time.supp knows that
// one place.
void CheckKeyring() {
  SecretRandom random;
  const Keyring ring = Keyring::Create(random, kIncarnation).Rotated(random, kIncarnation);
  const std::string baton = HandedOut(ring.Mint(kClaims));
  Require(ring.Verify(baton).ok());
  Require(!ring.Verify(Forged(baton)).ok());
  const SecretBytes stored = ring.Serialize();
}

class Host final : public StreamHost {
 public:
  uint64_t Epoch() const override { return 3; }
  const Keyring& Ring() const override { return ring_; }
  absl::Status Usable() const override { return absl::OkStatus(); }
  void NoteRefusal(const absl::Status&, const PresentedBaton&) const noexcept override {}

 private:
  SecretRandom random_;
  const Keyring ring_ = Keyring::Create(random_, kIncarnation);
};

// The same of Resume.
void CheckStream() {
  const Host host;
  StreamRegistry streams(host, SystemClock());
  absl::StatusOr<StreamTurn> turn = streams.Open({.database = "main", .principal = "alice"});
  for (int i = 0; i < 3; ++i) {
    const std::string baton = HandedOut(*turn->Finish());
    Require(!streams.Resume(Forged(baton), "main", "alice").ok());
    turn = streams.Resume(baton, "main", "alice");
    Require(turn.ok());
  }
}

void CheckEncoding() {
  for (size_t size = 0; size < 100; ++size) {
    const SecretBytes secret = Secret(size);
    std::string text(Base64UrlLength(size), '\0');
    Base64UrlEncode({reinterpret_cast<const uint8_t*>(secret.Reveal().data()), size},
                    absl::MakeSpan(text.data(), text.size()));
    Require(size == 0 || IsSecret(text));
  }
}

void CheckDerivation() {
  const SecretBytes key = DeriveKey(Secret(32), "salt", "info", KeyedHash::kKeySize);
  Require(IsSecret(key.Reveal()));
  (void)KeyedHash(key)("a principal");
}

void CheckSealing() {
  const Sealer sealer(Secret(Sealer::kKeySize), SystemRandom());
  Require(IsSecret(sealer.Seal("context", Secret(100).Reveal())));
}

void CheckKeyPairs() {
  for (const KeyType type : {KeyType::kX25519, KeyType::kEd25519}) {
    Require(IsSecret(*PublicKeyOf(type, Secret(32))));
  }
}

// ---- What must be reported, or nothing of the above means anything.

void ControlMemcmp() {
  const SecretBytes expected = Secret(32);
  const std::string presented(32, 'k');
  Require(std::memcmp(expected.Reveal().data(), presented.data(), presented.size()) == 0);
}

void ControlEarlyExit() {
  const SecretBytes expected = Secret(32);
  volatile int equal = 0;
  for (const char c : expected.Reveal()) {
    if (c != 'k') break;
    equal = equal + 1;
  }
}

void ControlTable() {
  static volatile char table[256] = {};
  const SecretBytes secret = Secret(1);
  (void)table[static_cast<uint8_t>(secret.Reveal()[0])];
}

const std::map<std::string, std::function<void()>>& Checks() {
  static const auto* const checks = new std::map<std::string, std::function<void()>>{
      {"comparison", CheckComparison},
      {"hmac", CheckHmac},
      {"tag", CheckTag},
      {"keyring", CheckKeyring},
      {"stream", CheckStream},
      {"encoding", CheckEncoding},
      {"derivation", CheckDerivation},
      {"sealing", CheckSealing},
      {"key_pairs", CheckKeyPairs},
      {"control_memcmp", ControlMemcmp},
      {"control_early_exit", ControlEarlyExit},
      {"control_table", ControlTable},
  };
  return *checks;
}

}  // namespace
}  // namespace batonstore

int main(int argc, char** argv) {
#if !__has_include(<valgrind/memcheck.h>)
  std::cout << "no header\n";
  return 0;
#endif
  if (argc != 2) return 2;
  batonstore::Checks().at(argv[1])();
  std::cout << "done\n";
}
