// What libFuzzer calls.

#include <cstddef>
#include <cstdint>

#include "tests/support/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  batonstore::testing::TryInput({reinterpret_cast<const char*>(data), size});
  return 0;
}
