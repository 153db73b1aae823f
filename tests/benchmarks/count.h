// For tests of texts, pictures among them.

#ifndef BATONSTORE_TESTS_BENCHMARKS_COUNT_H_
#define BATONSTORE_TESTS_BENCHMARKS_COUNT_H_

#include <cstddef>
#include <string>

namespace batonstore::benchmarks {

// How often a part stands in a text.
inline size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_TESTS_BENCHMARKS_COUNT_H_
