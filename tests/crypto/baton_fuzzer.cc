// Fuzzes what reads batons and keyrings: whatever the bytes are, nothing but what a ring has minted
// verifies, and what parses has one spelling.
//
// The first byte of an input chooses what the rest is: a baton, the 62 bytes of one, or a keyring.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/base64url.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
#include "tests/support/fuzz_target.h"

namespace batonstore::testing {
namespace {

enum class Kind : uint8_t { kText, kBytes, kKeyring };
constexpr int kKinds = 3;

// The same rings in every run, so that a corpus can hold batons that they have minted.
class Counting final : public RandomSource {
 public:
  void Fill(absl::Span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = next_++;
  }

 private:
  uint8_t next_ = 0;
};

constexpr absl::string_view kIncarnation = "incarnation no 1";

// A ring whose first key is retired and whose second one is active, and what it was before: the
// ring of number n has minted with key n.
struct Rings {
  Rings()
      : first(Keyring::Create(random, kIncarnation)),
        second(first.Rotated(random, kIncarnation)),
        last(*second.Rotated(random, kIncarnation).Retired(1)) {}

  // Nothing for an id that none has.
  const Keyring* MinterOf(uint32_t key_id) const {
    const std::map<uint32_t, const Keyring*> minters = {{1, &first}, {2, &second}, {3, &last}};
    const auto found = minters.find(key_id);
    return found == minters.end() ? nullptr : found->second;
  }

  Counting random;
  const Keyring first;
  const Keyring second;
  const Keyring last;
};

const Rings& TheRings() {
  static const auto* const rings = new Rings;
  return *rings;
}

std::string Spell(absl::string_view bytes) {
  std::string text(Base64UrlLength(bytes.size()), '\0');
  Base64UrlEncode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                  absl::MakeSpan(text.data(), text.size()));
  return text;
}

// ---- Batons ----

// Where a text has the form of a baton, its address is that baton's.
void CheckAddress(absl::string_view text, const std::optional<ParsedBaton>& baton) {
  const std::optional<BatonAddress> address = ReadBatonAddress(text);
  if (!baton.has_value()) return;
  Require(address.has_value(), "a baton has no address");
  Require(*address == BatonAddress{baton->key_id(), baton->claims().id},
          "a baton's address is another one's");
}

// Whether a ring of ours says those claims by this very text.
bool IsMinted(absl::string_view text, const std::optional<ParsedBaton>& baton) {
  if (!baton.has_value()) return false;
  const Keyring* const minter = TheRings().MinterOf(baton->key_id());
  return minter != nullptr && minter->Mint(baton->claims()) == text;
}

bool TryBaton(absl::string_view text) {
  const std::optional<ParsedBaton> baton = ParsedBaton::Parse(text);
  CheckAddress(text, baton);
  const bool is_minted = IsMinted(text, baton);
  const absl::StatusOr<BatonClaims> claims = TheRings().last.Verify(text);
  RequireVerdict(claims.status());
  if (claims.ok()) {
    Require(is_minted, "a text verifies that no ring has minted");
    Require(*claims == baton->claims(), "a baton says what it was not minted with");
  } else if (VerdictOf(claims.status()) == Verdict::kLost) {
    Require(is_minted && baton->key_id() == 1, "a text is lost that was never there");
  } else {
    Require(VerdictOf(claims.status()) == Verdict::kForged, "neither good, nor lost, nor forged");
    Require(!is_minted, "a baton that was minted is forged");
  }
  return baton.has_value();
}

// ---- Keyrings ----

bool TryKeyring(absl::string_view bytes) {
  const absl::StatusOr<Keyring> ring = Keyring::Parse(bytes);
  if (!RequireVerdict(ring.status())) return false;
  Require(ring->Serialize().Reveal() == bytes, "a keyring has two spellings");
  const BatonClaims claims = {BatonKind::kStream, 1, 2, 3};
  const absl::StatusOr<BatonClaims> verified = ring->Verify(ring->Mint(claims));
  Require(verified.ok() && *verified == claims, "a ring does not know its own baton");
  TryBaton(ring->Mint(claims));  // to our rings, which may have that key, it is as any other
  return true;
}

std::string Input(Kind kind, absl::string_view rest) {
  return static_cast<char>(kind) + std::string(rest);
}

}  // namespace

bool TryInput(absl::string_view input) {
  InputBytes bytes(input);
  switch (static_cast<Kind>(bytes.U8() % kKinds)) {
    case Kind::kText:
      return TryBaton(bytes.rest());
    case Kind::kBytes:
      return TryBaton(Spell(bytes.rest()));
    case Kind::kKeyring:
      return TryKeyring(bytes.rest());
  }
  return false;
}

std::map<std::string, std::string> MakeSeeds() {
  const Rings& rings = TheRings();
  const BatonClaims session = {BatonKind::kSession, 0x0000018000000001, 7, 2};
  const BatonClaims stream = {BatonKind::kStream, 3, uint64_t{1} << 63, 0xFBEFBEFBEFBEFBEF};
  std::string bytes(kBatonSize, '\0');
  Base64UrlDecode(rings.last.Mint(stream),
                  {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()});
  return {{"session", Input(Kind::kText, rings.last.Mint(session))},
          {"stream", Input(Kind::kText, rings.last.Mint(stream))},
          {"active", Input(Kind::kText, rings.second.Mint(session))},
          {"retired", Input(Kind::kText, rings.first.Mint(session))},
          {"bytes", Input(Kind::kBytes, bytes)},
          {"keyring", Input(Kind::kKeyring, rings.first.Serialize().Reveal())},
          {"keyring_rotated", Input(Kind::kKeyring, rings.last.Serialize().Reveal())}};
}

}  // namespace batonstore::testing
