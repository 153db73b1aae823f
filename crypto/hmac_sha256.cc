#include "batonstore/crypto/hmac_sha256.h"

#include <openssl/sha.h>

#include <algorithm>
#include <string>

#include "batonstore/crypto/hash.h"

namespace batonstore {
namespace {

using State = std::array<uint32_t, 8>;
using Block = std::array<uint8_t, SHA256_CBLOCK>;

constexpr uint8_t kInnerPad = 0x36;
constexpr uint8_t kOuterPad = 0x5c;

// Puts the hash state after the one block key ^ pad into `state`, where it is wiped.
void HashPadded(const Block& key, uint8_t pad, State& state) {
  Block block;
  std::transform(key.begin(), key.end(), block.begin(),
                 [pad](uint8_t byte) { return static_cast<uint8_t>(byte ^ pad); });
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Transform(&context, block.data());
  std::copy(std::begin(context.h), std::end(context.h), state.begin());
  WipeMemory(block.data(), block.size());
  WipeMemory(&context, sizeof(context));
}

// Goes on hashing from `state`, one block in.
void Finish(const State& state, const void* bytes, size_t size, uint8_t* digest) {
  SHA256_CTX context;
  std::copy(state.begin(), state.end(), context.h);
  context.Nl = SHA256_CBLOCK * 8;  // bits hashed so far
  context.Nh = 0;
  context.num = 0;
  context.md_len = SHA256_DIGEST_LENGTH;
  SHA256_Update(&context, bytes, size);
  SHA256_Final(digest, &context);
}

}  // namespace

HmacSha256::HmacSha256(const SecretBytes& key) : states_(std::make_unique<States>()) {
  Block block{};
  if (key.size() <= block.size()) {
    std::copy(key.Reveal().begin(), key.Reveal().end(), block.begin());
  } else {
    std::string digest = Sha256(key.Reveal());
    std::copy(digest.begin(), digest.end(), block.begin());
    WipeMemory(digest.data(), digest.size());
  }
  HashPadded(block, kInnerPad, states_->inner);
  HashPadded(block, kOuterPad, states_->outer);
  WipeMemory(block.data(), block.size());
  WipeStack();  // BoringSSL spreads the block out there
}

HmacSha256::Tag HmacSha256::Compute(absl::string_view message) const {
  Tag tag;
  Compute(message, absl::MakeSpan(tag));
  return tag;
}

void HmacSha256::Compute(absl::string_view message, absl::Span<uint8_t> out) const {
  Tag inner;
  Finish(states_->inner, message.data(), message.size(), inner.data());
  Finish(states_->outer, inner.data(), inner.size(), out.data());
}

}  // namespace batonstore
