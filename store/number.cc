#include "batonstore/store/number.h"

#include <openssl/bytestring.h>

namespace batonstore {

std::string EncodeNumber(uint64_t number) {
  std::string bytes(sizeof(number), '\0');
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte, number >>= 8) {
    *byte = static_cast<char>(number & 0xff);
  }
  return bytes;
}

std::optional<uint64_t> DecodeNumber(absl::string_view bytes) {
  CBS reader;
  CBS_init(&reader, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  uint64_t number = 0;
  if (!CBS_get_u64(&reader, &number) || CBS_len(&reader) != 0) return std::nullopt;
  return number;
}

}  // namespace batonstore
