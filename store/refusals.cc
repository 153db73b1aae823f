#include "batonstore/store/refusals.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <new>
#include <numeric>
#include <utility>

#include "batonstore/store/session.h"

namespace batonstore {
namespace {

// Where it is in kCountedVerdicts, or past its end.
size_t IndexOf(Verdict verdict) {
  return static_cast<size_t>(std::find(kCountedVerdicts.begin(), kCountedVerdicts.end(), verdict) -
                             kCountedVerdicts.begin());
}

bool IsCounted(Verdict verdict) { return IndexOf(verdict) < kCountedVerdicts.size(); }

// Whether it is said only of an authentic baton whose database and principal fit.
bool IsOfTheOwner(Verdict verdict) {
  return verdict == Verdict::kExpired || verdict == Verdict::kRevoked ||
         verdict == Verdict::kReplayed || verdict == Verdict::kReused;
}

std::optional<uint64_t> IdToldWith(Verdict verdict, absl::string_view baton) {
  if (!IsOfTheOwner(verdict)) return std::nullopt;
  const std::optional<BatonAddress> address = ReadBatonAddress(baton);
  if (!address.has_value()) return std::nullopt;
  return address->id;
}

void Add(RefusalCounts& counts, Verdict verdict, absl::Time at) {
  ++counts.by_verdict[IndexOf(verdict)];
  counts.last = std::max(counts.last, at);
}

std::string_view ViewOf(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace

uint64_t RefusalCounts::Of(Verdict verdict) const {
  return IsCounted(verdict) ? by_verdict[IndexOf(verdict)] : 0;
}

uint64_t RefusalCounts::Sum() const {
  return std::accumulate(by_verdict.begin(), by_verdict.end(), uint64_t{0});
}

void Refusals::Place::GiveTo(std::string_view principal) {
  static_assert(kMaxPrincipalBytes <= std::tuple_size_v<decltype(name)>);
  static_assert(kMaxPrincipalBytes <= std::numeric_limits<decltype(size)>::max());
  std::copy(principal.begin(), principal.end(), name.begin());
  size = static_cast<uint8_t>(principal.size());
  counts = {};
}

Refusals::Refusals(const RefusalRules& rules) : rules_(rules) {}

RefusalCounts Refusals::Count(absl::string_view principal) const {
  MutexLock lock(mu_);
  const auto found = by_name_.find(ViewOf(principal));
  return found == by_name_.end() ? RefusalCounts() : found->second->counts;
}

RefusalCounts Refusals::Totals() const {
  MutexLock lock(mu_);
  return totals_;
}

std::vector<PrincipalRefusals> Refusals::Top(size_t n) const {
  std::vector<PrincipalRefusals> top;
  {
    MutexLock lock(mu_);
    top.reserve(by_name_.size());
    for (const auto& [name, place] : by_name_) top.push_back({std::string(name), place->counts});
  }
  std::sort(top.begin(), top.end(), [](const PrincipalRefusals& a, const PrincipalRefusals& b) {
    const uint64_t more = a.counts.Sum();
    const uint64_t less = b.counts.Sum();
    return more != less ? more > less : a.principal < b.principal;
  });
  if (top.size() > n) top.resize(n);
  return top;
}

void Refusals::Note(const absl::Status& answer, const PresentedBaton& presented,
                    absl::Time at) noexcept try {
  const std::optional<Verdict> verdict = VerdictOf(answer);
  if (!verdict.has_value() || !IsCounted(*verdict)) return;
  CountOne(*verdict, ViewOf(presented.principal), at);
  if (rules_.on_refusal == nullptr) return;
  rules_.on_refusal({.verdict = *verdict,
                     .presented_as = presented.presented_as,
                     .database = presented.database,
                     .principal = presented.principal,
                     .at = at,
                     .id = IdToldWith(*verdict, presented.text)});
} catch (...) {
  // The hook's: nothing else here throws. The refusal stands.
}

void Refusals::CountOne(Verdict verdict, std::string_view principal, absl::Time at) {
  MutexLock lock(mu_);
  Add(totals_, verdict, at);
  if (rules_.max_principals == 0 || principal.size() > kMaxPrincipalBytes) return;
  try {
    Add(PlaceOf(principal)->counts, verdict, at);
  } catch (const std::bad_alloc&) {
    // The totals have it.
  }
}

// Which is the first from here on.
Refusals::Places::iterator Refusals::PlaceOf(std::string_view principal) {
  const auto found = by_name_.find(principal);
  if (found != by_name_.end()) {
    places_.splice(places_.begin(), places_, found->second);
  } else if (places_.size() < rules_.max_principals) {
    AddPlace(principal);
  } else {
    ReuseLastPlace(principal);
  }
  return places_.begin();
}

void Refusals::AddPlace(std::string_view principal) {
  Places fresh(1);
  fresh.front().GiveTo(principal);
  by_name_.emplace(fresh.front().Name(), fresh.begin());
  places_.splice(places_.begin(), fresh);
}

void Refusals::ReuseLastPlace(std::string_view principal) {
  const auto last = std::prev(places_.end());
  ByName::node_type named = by_name_.extract(last->Name());
  last->GiveTo(principal);
  named.key() = last->Name();
  by_name_.insert(std::move(named));
  places_.splice(places_.begin(), places_, last);
}

}  // namespace batonstore
