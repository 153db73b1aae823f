#include "batonstore/store/data_keys.h"

#include <cstring>
#include <utility>

#include "batonstore/base/verdict.h"

namespace batonstore {
namespace {

constexpr char kVersion = 1;
constexpr size_t kNumberedKeyBytes = 1 + DataKeys::kKeyBytes;
constexpr size_t kShortest = 1 + DataKeys::kKeyBytes + kNumberedKeyBytes;
constexpr size_t kLongest = kShortest + kNumberedKeyBytes;

char* Append(char* to, absl::string_view bytes) {
  std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

char* Append(char* to, const DataKeys::Key& key) {
  *to = static_cast<char>(key.number);
  return Append(to + 1, key.secret.Reveal());
}

DataKeys::Key NumberedKeyAt(absl::string_view bytes) {
  return {static_cast<uint8_t>(bytes[0]), SecretBytes(bytes.substr(1, DataKeys::kKeyBytes))};
}

DataKeys::Key CloneOf(const DataKeys::Key& key) { return {key.number, key.secret.Clone()}; }

}  // namespace

DataKeys::DataKeys(SecretBytes index_key, Key current, std::optional<Key> former)
    : index_key_(std::move(index_key)), current_(std::move(current)), former_(std::move(former)) {}

DataKeys DataKeys::Create(RandomSource& random) {
  SecretBytes index_key = RandomSecret(random, kKeyBytes);
  return DataKeys(std::move(index_key), {0, RandomSecret(random, kKeyBytes)}, std::nullopt);
}

DataKeys DataKeys::Rotated(RandomSource& random) const {
  const auto next = static_cast<uint8_t>(current_.number + 1);
  return DataKeys(index_key_.Clone(), {next, RandomSecret(random, kKeyBytes)}, CloneOf(current_));
}

DataKeys DataKeys::Finished() const {
  return DataKeys(index_key_.Clone(), CloneOf(current_), std::nullopt);
}

SecretBytes DataKeys::Serialize() const {
  SecretBytes serialized = SecretBytes::OfSize(former_.has_value() ? kLongest : kShortest);
  char* end = serialized.MutableData();
  *end++ = kVersion;
  end = Append(end, index_key_.Reveal());
  end = Append(end, current_);
  if (former_.has_value()) Append(end, *former_);
  return serialized;
}

absl::StatusOr<DataKeys> DataKeys::Parse(absl::string_view serialized) {
  const size_t size = serialized.size();
  if ((size != kShortest && size != kLongest) || serialized[0] != kVersion) {
    return Refuse(Verdict::kCorrupt, "the data keys do not parse; restore a backup");
  }
  absl::string_view rest = serialized.substr(1);
  SecretBytes index_key(rest.substr(0, kKeyBytes));
  rest.remove_prefix(kKeyBytes);
  Key current = NumberedKeyAt(rest);
  rest.remove_prefix(kNumberedKeyBytes);
  std::optional<Key> former;
  if (!rest.empty()) former = NumberedKeyAt(rest);
  if (former.has_value() && former->number == current.number) {
    return Refuse(Verdict::kCorrupt, "two data keys have one number; restore a backup");
  }
  return DataKeys(std::move(index_key), std::move(current), std::move(former));
}

}  // namespace batonstore
