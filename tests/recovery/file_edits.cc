#include "tests/recovery/file_edits.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace batonstore::testing {
namespace {

constexpr size_t kMostBytes = 16;
constexpr uint32_t kCut = uint32_t{1} << 31;

// REQUIRES: 1 to 16 bytes.
std::string EditOf(uint32_t place, absl::string_view bytes) {
  std::string edit(sizeof(place), '\0');
  std::memcpy(edit.data(), &place, sizeof(place));
  edit += static_cast<char>(bytes.size() - 1);
  return edit + std::string(bytes);
}

std::string CutAt(uint32_t place) { return EditOf(place | kCut, "-"); }

}  // namespace

std::string EditFile(std::string file, absl::string_view edits) {
  while (edits.size() > sizeof(uint32_t) + 1) {
    uint32_t at = 0;
    std::memcpy(&at, edits.data(), sizeof(at));
    const size_t size = static_cast<uint8_t>(edits[sizeof(at)]) % kMostBytes + 1;
    edits.remove_prefix(sizeof(at) + 1);
    const absl::string_view bytes = edits.substr(0, size);
    edits.remove_prefix(bytes.size());
    if (file.empty()) break;
    const size_t place = (at & ~kCut) % file.size();
    if ((at & kCut) != 0) {
      file.resize(place);
    } else {
      const size_t fits = std::min(bytes.size(), file.size() - place);
      file.replace(place, fits, bytes.data(), fits);
    }
  }
  return file;
}

std::map<std::string, std::string> SomeEdits() {
  constexpr uint32_t kPage = 4096;
  std::string scattered;
  for (uint32_t page = 2; page < 48; page += 5) scattered += EditOf(page * kPage + 99 * page, "!");
  return {{"nothing", ""},
          {"meta_address", EditOf(24, "\x10")},
          {"meta_rest", EditOf(kPage + 160, "nobody reads it") + EditOf(160, "nor that")},
          {"page_header", EditOf(5 * kPage + 8, std::string(16, '\0'))},
          {"node_offsets", EditOf(7 * kPage + 16, "\xf0\x0f\xe0\x0f")},
          {"value", EditOf(9 * kPage - 40, "another value")},
          {"two_pages", EditOf(11 * kPage + 200, "one") + EditOf(20 * kPage + 3000, "two")},
          {"scattered", scattered},
          {"cut", CutAt(30 * kPage)}};
}

}  // namespace batonstore::testing
