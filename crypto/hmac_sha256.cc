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

// The hash state after the one block key ^ pad.
State StateAfter(const Block& key, uint8_t pad) {
  Block block;
  std::transform(key.begin(), key.end(), block.begin(),
                 [pad](uint8_t byte) { return static_cast<uint8_t>(byte ^ pad); });
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Transform(&context, block.data());
  State state;
  std::copy(std::begin(context.h), std::end(context.h), state.begin());
  WipeMemory(block.data(), block.size());
  WipeMemory(&context, sizeof(context));
  return state;
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

HmacSha256::HmacSha256(const SecretBytes& key) {
  Block block{};
  if (key.size() <= block.size()) {
    std::copy(key.Reveal().begin(), key.Reveal().end(), block.begin());
  } else {
    std::string digest = Sha256(key.Reveal());
    std::copy(digest.begin(), digest.end(), block.begin());
    WipeMemory(digest.data(), digest.size());
  }
  inner_ = StateAfter(block, kInnerPad);
  outer_ = StateAfter(block, kOuterPad);
  WipeMemory(block.data(), block.size());
}

HmacSha256::~HmacSha256() {
  WipeMemory(inner_.data(), sizeof(inner_));
  WipeMemory(outer_.data(), sizeof(outer_));
}

HmacSha256::Tag HmacSha256::Compute(absl::string_view message) const {
  Tag tag;
  Compute(message, absl::MakeSpan(tag));
  return tag;
}

void HmacSha256::Compute(absl::string_view message, absl::Span<uint8_t> out) const {
  Tag inner;
  Finish(inner_, message.data(), message.size(), inner.data());
  Finish(outer_, inner.data(), inner.size(), out.data());
}

}  // namespace batonstore
