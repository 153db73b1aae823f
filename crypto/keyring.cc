#include "batonstore/crypto/keyring.h"

#include <openssl/bytestring.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/hash.h"

namespace batonstore {
namespace {

constexpr uint8_t kFormatVersion = 1;
constexpr size_t kSecretSize = 32;
constexpr absl::string_view kKeyUse = "batonstore/1 baton signing";

// Built once, so that refusing allocates nothing: an attacker's flood is no load on the heap.
const absl::Status& Forged() {
  static const absl::Status* const kStatus =
      new absl::Status(Refuse(Verdict::kForged, "this store never signed that baton"));
  return *kStatus;
}
const absl::Status& Lost() {
  static const absl::Status* const kStatus = new absl::Status(
      Refuse(Verdict::kLost, "the key that signed this baton is retired; issue a new baton"));
  return *kStatus;
}

absl::Status Corrupt() {
  return Refuse(Verdict::kCorrupt, "the keyring does not parse; restore a backup");
}

}  // namespace

Keyring::Key::Key(uint32_t id_in, KeyStatus status_in, std::string incarnation_in,
                  SecretBytes secret_in)
    : id(id_in),
      status(status_in),
      incarnation(std::move(incarnation_in)),
      secret(std::move(secret_in)),
      hmac(DeriveKey(secret, incarnation, kKeyUse, kSecretSize)) {}

Keyring::Key Keyring::Key::Clone(KeyStatus with_status) const {
  return Key(id, with_status, incarnation, secret.Clone());
}

Keyring Keyring::Create(RandomSource& random, absl::string_view incarnation) {
  Keyring ring;
  ring.keys_.emplace_back(1, KeyStatus::kPrimary, std::string(incarnation),
                          RandomSecret(random, kSecretSize));
  return ring;
}

Keyring Keyring::Rotated(RandomSource& random, absl::string_view incarnation) const {
  Keyring ring;
  for (const Key& key : keys_) {
    ring.keys_.push_back(
        key.Clone(key.status == KeyStatus::kPrimary ? KeyStatus::kActive : key.status));
  }
  ring.keys_.emplace_back(keys_.back().id + 1, KeyStatus::kPrimary, std::string(incarnation),
                          RandomSecret(random, kSecretSize));
  return ring;
}

Keyring Keyring::Reincarnated(RandomSource& random, absl::string_view incarnation) const {
  Keyring ring;
  for (const Key& key : keys_) ring.keys_.push_back(key.Clone(KeyStatus::kRetired));
  ring.keys_.emplace_back(keys_.back().id + 1, KeyStatus::kPrimary, std::string(incarnation),
                          RandomSecret(random, kSecretSize));
  return ring;
}

absl::StatusOr<Keyring> Keyring::Retired(uint32_t key_id) const {
  const auto named = [key_id](const Key& key) { return key.id == key_id; };
  const auto found = std::find_if(keys_.begin(), keys_.end(), named);
  if (found == keys_.end()) {
    return Refuse(Verdict::kNotFound, absl::StrCat("the ring has no signing key ", key_id));
  }
  if (found->status == KeyStatus::kPrimary) {
    return Refuse(
        Verdict::kInvalid,
        absl::StrCat("signing key ", key_id, " is the primary one: rotate before retiring it"));
  }
  Keyring ring;
  for (const Key& key : keys_) {
    ring.keys_.push_back(key.Clone(key.id == key_id ? KeyStatus::kRetired : key.status));
  }
  return ring;
}

const Keyring::Key& Keyring::primary() const {
  return *std::find_if(keys_.begin(), keys_.end(),
                       [](const Key& key) { return key.status == KeyStatus::kPrimary; });
}

uint32_t Keyring::primary_key_id() const { return primary().id; }

absl::string_view Keyring::primary_incarnation() const { return primary().incarnation; }

bool Keyring::HasRetired(uint32_t key_id) const {
  return std::any_of(keys_.begin(), keys_.end(), [key_id](const Key& key) {
    return key.id == key_id && key.status == KeyStatus::kRetired;
  });
}

std::vector<Keyring::KeyInfo> Keyring::Keys() const {
  std::vector<KeyInfo> infos;
  for (const Key& key : keys_) infos.push_back({key.id, key.status});
  return infos;
}

std::string Keyring::Mint(const BatonClaims& claims) const {
  return MintBaton(primary().hmac, primary().id, claims);
}

absl::StatusOr<BatonClaims> Keyring::Verify(absl::string_view text) const {
  const std::optional<ParsedBaton> baton = ParsedBaton::Parse(text);
  if (!baton.has_value()) return Forged();
  const auto key = std::find_if(keys_.begin(), keys_.end(), [&](const Key& candidate) {
    return candidate.id == baton->key_id();
  });
  if (key == keys_.end() || !baton->CarriesTagOf(key->hmac)) return Forged();
  if (key->status == KeyStatus::kRetired) return Lost();
  return baton->claims();
}

SecretBytes Keyring::Serialize() const {
  bssl::ScopedCBB writer;
  CBB keys;
  CBB incarnation;
  size_t most = 16;
  for (const Key& key : keys_) most += 16 + key.incarnation.size() + kSecretSize;
  SecretBytes buffer =
      SecretBytes::OfSize(most);  // fixed, so that no copy stays behind in the heap
  if (!CBB_init_fixed(writer.get(), reinterpret_cast<uint8_t*>(buffer.MutableData()), most)) {
    throw std::bad_alloc();
  }
  bool fits =
      CBB_add_u8(writer.get(), kFormatVersion) && CBB_add_u24_length_prefixed(writer.get(), &keys);
  for (const Key& key : keys_) {
    fits = fits && CBB_add_u32(&keys, key.id) &&
           CBB_add_u8(&keys, static_cast<uint8_t>(key.status)) &&
           CBB_add_u8_length_prefixed(&keys, &incarnation) &&
           CBB_add_bytes(&incarnation, reinterpret_cast<const uint8_t*>(key.incarnation.data()),
                         key.incarnation.size()) &&
           CBB_add_bytes(&keys, reinterpret_cast<const uint8_t*>(key.secret.Reveal().data()),
                         key.secret.size());
  }
  size_t size = 0;
  fits = fits && CBB_finish(writer.get(), nullptr, &size);
  if (!fits) std::abort();  // the buffer was sized for exactly these fields
  return SecretBytes(buffer.Reveal().substr(0, size));
}

absl::StatusOr<Keyring> Keyring::Parse(absl::string_view serialized) {
  CBS reader;
  CBS keys;
  uint8_t version = 0;
  CBS_init(&reader, reinterpret_cast<const uint8_t*>(serialized.data()), serialized.size());
  if (!CBS_get_u8(&reader, &version) || version != kFormatVersion ||
      !CBS_get_u24_length_prefixed(&reader, &keys) || CBS_len(&reader) != 0) {
    return Corrupt();
  }
  Keyring ring;
  int primaries = 0;
  while (CBS_len(&keys) > 0) {
    uint32_t id = 0;
    uint8_t status = 0;
    CBS incarnation;
    CBS secret;
    if (!CBS_get_u32(&keys, &id) || !CBS_get_u8(&keys, &status) ||
        !CBS_get_u8_length_prefixed(&keys, &incarnation) ||
        !CBS_get_bytes(&keys, &secret, kSecretSize) ||
        status < static_cast<uint8_t>(KeyStatus::kPrimary) ||
        status > static_cast<uint8_t>(KeyStatus::kRetired) ||
        (!ring.keys_.empty() && id <= ring.keys_.back().id)) {
      return Corrupt();
    }
    const auto view = [](const CBS& part) {
      return absl::string_view(reinterpret_cast<const char*>(CBS_data(&part)), CBS_len(&part));
    };
    primaries += status == static_cast<uint8_t>(KeyStatus::kPrimary) ? 1 : 0;
    ring.keys_.emplace_back(id, static_cast<KeyStatus>(status), std::string(view(incarnation)),
                            SecretBytes(view(secret)));
  }
  if (primaries != 1) return Corrupt();
  return ring;
}

}  // namespace batonstore
