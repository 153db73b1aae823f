// The store in which reading and sweeping are measured, small and large: the same kind of sessions,
// only more of them.

#ifndef BATONSTORE_BENCHMARKS_TOWN_STORE_H_
#define BATONSTORE_BENCHMARKS_TOWN_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/session_store.h"
#include "benchmarks/filled_store.h"

namespace batonstore::benchmarks {

// The first half, by creation, runs out: 1,000 sessions an hour, the next ones in the order of
// creation (as when all are given the same lifetime), or scattered at random over that half. What
// has run out stays as tombstones. The second half stays live, and is what reads look for.
//
// Every principal has 100 sessions, at random among those of its half. The sessions that run out
// are on 20 databases, at random; of those that stay, 100 are on each of many.
class TownStore {
 public:
  static constexpr int64_t kSharing = 100;    // sessions of a principal, and of a database
  static constexpr int64_t kLeaving = 1'000;  // sessions that run out together

  enum class Order { kOfCreation, kScattered };

  // Filled at the first call and kept until the program ends; filled anew when everybody who would
  // leave has left. References to an earlier one end then.
  static TownStore& OfSize(int64_t size, Order order = Order::kOfCreation);

  TownStore(int64_t size, Order order);

  SessionStore& sessions() { return filled_.sessions(); }
  const std::vector<Alias>& aliases() const { return filled_.aliases(); }
  size_t row_bytes() const { return filled_.row_bytes(); }

  const std::vector<Alias>& staying() const { return staying_; }  // shuffled

  // One of those who stay, at random: each before any comes again.
  Alias AnyStaying();

  // Where, at random, a page of `size` begins that has only such as stay.
  Alias BeforeStayingPage(int64_t size);

  // Who owns 100 sessions that stay, at random.
  std::string AnyPrincipal();
  std::string AnyDatabase();

  // Lets the next 1,000 fall due.
  void LetLeave();

 private:
  bool all_have_left() const { return left_ == size_ / 2 / kLeaving; }

  const int64_t size_;
  const absl::Time begin_;
  FilledStore filled_;
  std::vector<Alias> staying_;
  uint64_t next_ = 0;  // of them, and of pages and owners
  int64_t left_ = 0;   // rounds of kLeaving
};

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_TOWN_STORE_H_
