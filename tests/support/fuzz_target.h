// What a fuzzer is: a function of one input. libFuzzer calls it, in a program of its own
// (libfuzzer_entry.cc), and in the ordinary tests fuzz_driver.cc does. bazel/fuzz.bzl makes both.

#ifndef BATONSTORE_TESTS_SUPPORT_FUZZ_TARGET_H_
#define BATONSTORE_TESTS_SUPPORT_FUZZ_TARGET_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace batonstore::testing {

// ---- Defined by each fuzzer ----

// Tries one input, and ends the program if a promise is broken. True if the input got past the
// first check, as every file of the corpus must: else the corpus is stale.
bool TryInput(absl::string_view input);

// The corpus as it was first made, by name.
std::map<std::string, std::string> MakeSeeds();

// ---- For use by them ----

// Ends the program, saying `what` is wrong, unless `condition`.
void Require(bool condition, absl::string_view what);

// The same unless it is OK or has a verdict. True for OK.
bool RequireVerdict(const absl::Status& status);

// Takes numbers off the beginning of an input; zeros when nothing is left.
class InputBytes {
 public:
  explicit InputBytes(absl::string_view bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  uint8_t U8() { return static_cast<uint8_t>(Big(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Big(2)); }
  uint32_t U24() { return static_cast<uint32_t>(Big(3)); }
  uint64_t U64() { return Big(8); }
  absl::string_view rest() const { return bytes_; }

 private:
  uint64_t Big(int bytes);

  absl::string_view bytes_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_FUZZ_TARGET_H_
