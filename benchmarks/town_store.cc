#include "benchmarks/town_store.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <random>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace batonstore::benchmarks {
namespace {

constexpr absl::Duration kBetweenLeaving = absl::Hours(1);
constexpr absl::Duration kSlack = absl::Seconds(1);
constexpr int64_t kFewDatabases = 20;
constexpr uint64_t kStride = 7919;  // a prime: steps by it look at random and miss nobody

// Names are of one length, so that all rows are.
std::string Principal(bool stays, int64_t number) {
  return absl::StrFormat("%s-%06d@example.com", stays ? "stays" : "leave", number);
}
std::string Database(bool stays, int64_t number) {
  return absl::StrFormat("%s-%06d", stays ? "stays" : "leave", number);
}

// The same order in every run.
template <typename T>
void Shuffle(std::vector<T>& values, uint64_t seed) {
  std::shuffle(values.begin(), values.end(), std::mt19937_64(seed));
}

// `size` places in shares of `share` places each, mixed.
std::vector<int64_t> Mixed(int64_t size, int64_t share, uint64_t seed) {
  std::vector<int64_t> shares(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) shares[static_cast<size_t>(i)] = i / share;
  Shuffle(shares, seed);
  return shares;
}

Filling TownFilling(int64_t size, TownStore::Order order, absl::Time begin) {
  const int64_t half = size / 2;
  Filling filling;
  filling.sessions = size;
  filling.spec = [half, order, begin, principals = Mixed(half, TownStore::kSharing, 1),
                  few_databases = Mixed(half, half / kFewDatabases, 2),
                  many_databases = Mixed(half, TownStore::kSharing, 3),
                  rounds = Mixed(half, TownStore::kLeaving, 4)](int64_t i) {
    const bool stays = i >= half;
    const auto place = static_cast<size_t>(i % half);
    const int64_t round =
        order == TownStore::Order::kScattered ? rounds[place] : i / TownStore::kLeaving;
    SessionSpec spec;
    spec.label = "a benchmark's session";
    spec.principal = Principal(stays, principals[place]);
    spec.database = Database(stays, (stays ? many_databases : few_databases)[place]);
    spec.expires_at = begin + (stays ? absl::Hours(24 * 3650) : (round + 1) * kBetweenLeaving);
    return spec;
  };
  return filling;
}

}  // namespace

TownStore& TownStore::OfSize(int64_t size, Order order) {
  static std::map<std::pair<int64_t, Order>, std::unique_ptr<TownStore>> towns;
  std::unique_ptr<TownStore>& town = towns[{size, order}];
  if (town != nullptr && town->all_have_left()) town.reset();
  if (town == nullptr) town = std::make_unique<TownStore>(size, order);
  return *town;
}

TownStore::TownStore(int64_t size, Order order)
    : size_(size), begin_(absl::Now()), filled_(TownFilling(size, order, begin_)) {
  staying_.assign(aliases().begin() + size_ / 2, aliases().end());
  Shuffle(staying_, 5);
}

Alias TownStore::AnyStaying() { return staying_[next_++ % staying_.size()]; }

Alias TownStore::BeforeStayingPage(int64_t size) {
  const auto half = static_cast<uint64_t>(size_ / 2);
  const uint64_t place = kStride * next_++ % (half - static_cast<uint64_t>(size));
  return aliases()[half + place];
}

std::string TownStore::AnyPrincipal() {
  const int64_t principals = size_ / 2 / kSharing;
  return Principal(/*stays=*/true, static_cast<int64_t>(kStride * next_++) % principals);
}

std::string TownStore::AnyDatabase() {
  const int64_t databases = size_ / 2 / kSharing;
  return Database(/*stays=*/true, static_cast<int64_t>(kStride * next_++) % databases);
}

void TownStore::LetLeave() {
  ++left_;
  filled_.clock().SkipTo(begin_ + left_ * kBetweenLeaving + kSlack);
}

}  // namespace batonstore::benchmarks
