// Numbers as keys and values: 8 bytes, big-endian, so that the order of the bytes is that of the
// numbers.

#ifndef BATONSTORE_STORE_NUMBER_H_
#define BATONSTORE_STORE_NUMBER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace batonstore {

std::string EncodeNumber(uint64_t number);

// Nothing unless `bytes` are exactly 8.
std::optional<uint64_t> DecodeNumber(absl::string_view bytes);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_NUMBER_H_
