// How often batons were refused, to whom and why, for who watches a service; and a hook, for who
// wants to react at once.
//
//   for (const PrincipalRefusals& worst : store.sessions().refusals().Top(10)) {
//     Show(worst.principal, worst.counts.Of(Verdict::kForged), worst.counts.last);
//   }
//
// Counted is the principal that *presented* the baton, as the service has authenticated it: of a
// forged baton there is no other, and of a stolen one the owner must not pay for it. An attacker
// can have somebody else counted only where the service lets it act as somebody else. And counts
// hurt nobody: they report, and nothing in the store is decided by them. They live in memory and
// begin with zero when the store is opened.

#ifndef BATONSTORE_STORE_REFUSALS_H_
#define BATONSTORE_STORE_REFUSALS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/mutex.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/baton.h"

namespace batonstore {

// The verdicts that are about a baton, and so are counted. What else Verify and Resume may say
// (BUSY, MOVED, CORRUPT, FULL, ...) is no failure of whoever presents it.
inline constexpr std::array<Verdict, 9> kCountedVerdicts = {
    Verdict::kForged,   Verdict::kReplayed,       Verdict::kReused,
    Verdict::kExpired,  Verdict::kRevoked,        Verdict::kLost,
    Verdict::kNotFound, Verdict::kWrongPrincipal, Verdict::kWrongDatabase};

// One refusal, as the hook is told of it. Holds no part of the baton but the id, and no secret.
struct BatonRefusal {
  Verdict verdict = Verdict::kForged;     // one of kCountedVerdicts
  BatonKind presented_as = {};            // to sessions, or to streams
  absl::string_view database, principal;  // as presented; valid while the hook runs
  absl::Time at;                          // of the store

  // The session (the value of its alias) or the stream, once the baton was found authentic and
  // bound to this database and principal: of EXPIRED, REVOKED, REPLAYED and REUSED. Otherwise
  // nobody is told what a stolen or forged baton points to.
  std::optional<uint64_t> id;
};

struct RefusalRules {
  // Principals that are counted one by one; a new one takes the place of the one whose last refusal
  // is the longest ago. Each takes some 500 bytes from its first refusal on. 0 counts none.
  size_t max_principals = 4096;

  // Called for each refusal by the thread that is refused, once the answer is decided and what
  // belongs to it committed, with no lock held. Every refusal waits for it, in a flood too: it must
  // be quick, thread-safe, and present no baton itself. It may look at the counts, and revoke. What
  // it throws is dropped, and changes no answer.
  std::function<void(const BatonRefusal&)> on_refusal = nullptr;
};

struct RefusalCounts {
  // 0 for what is not in kCountedVerdicts.
  uint64_t Of(Verdict verdict) const;
  uint64_t Sum() const;

  std::array<uint64_t, kCountedVerdicts.size()> by_verdict = {};  // in their order
  absl::Time last = absl::InfinitePast();                         // refusal
};

struct PrincipalRefusals {
  std::string principal;
  RefusalCounts counts;
};

// A baton as somebody presented it.
struct PresentedBaton {
  BatonKind presented_as;
  absl::string_view text, database, principal;
};

// Thread-safe. Its lock is held for a few comparisons of names, but by Top.
class Refusals {
 public:
  explicit Refusals(const RefusalRules& rules = {});
  Refusals(const Refusals&) = delete;
  Refusals& operator=(const Refusals&) = delete;

  // Since the store was opened. All zeros for a principal that was not refused, or so long ago that
  // others have taken its place.
  RefusalCounts Count(absl::string_view principal) const;

  // Everybody's, also of principals that have lost their place.
  RefusalCounts Totals() const;

  // Those with the most refusals, most first. Looks at every principal; refusals wait meanwhile.
  std::vector<PrincipalRefusals> Top(size_t n) const;

  // Counts the answer that a baton got and tells the hook, if it is one of kCountedVerdicts. Takes
  // memory only for a principal that is new while there is room for more; if there is none, or the
  // principal's name is longer than a name can be, only the totals count.
  void Note(const absl::Status& answer, const PresentedBaton& presented, absl::Time at) noexcept;

 private:
  // Of a fixed size, so that a place changes hands without memory.
  struct Place {
    std::string_view Name() const { return {name.data(), size}; }
    void GiveTo(std::string_view principal);

    std::array<char, 255> name;
    uint8_t size = 0;
    RefusalCounts counts;
  };
  // Not hashed: nobody can choose names that collide, and nothing is ever moved to a larger table.
  using Places = std::list<Place>;
  using ByName = std::map<std::string_view, Places::iterator>;

  void CountOne(Verdict verdict, std::string_view principal, absl::Time at);
  Places::iterator PlaceOf(std::string_view principal) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddPlace(std::string_view principal) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReuseLastPlace(std::string_view principal) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const RefusalRules rules_;

  mutable Mutex mu_;
  RefusalCounts totals_ ABSL_GUARDED_BY(mu_);
  Places places_ ABSL_GUARDED_BY(mu_);  // who was refused last comes first
  ByName by_name_ ABSL_GUARDED_BY(mu_);
};

}  // namespace batonstore

#endif  // BATONSTORE_STORE_REFUSALS_H_
