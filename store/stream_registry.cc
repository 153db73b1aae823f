// How streams come to be and go from turn to turn; stream_endings.cc is about how they end.

#include "batonstore/store/stream_registry.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/session.h"
#include "batonstore/store/stream_refusals.h"

namespace batonstore {
namespace {

absl::Status TooLong(absl::string_view field, size_t limit) {
  return Refuse(Verdict::kInvalid,
                absl::StrCat("the stream's ", field, " has more than ", limit, " bytes"));
}

absl::Status CheckSpec(const OpenStream& spec, const StreamHoldings& holdings) {
  if (spec.database.size() > kMaxDatabaseBytes) return TooLong("database", kMaxDatabaseBytes);
  if (spec.principal.size() > kMaxPrincipalBytes) return TooLong("principal", kMaxPrincipalBytes);
  if (spec.connect != nullptr && holdings.connection != nullptr) {
    return Refuse(Verdict::kInvalid, "give a connection or a factory of one, not both");
  }
  return absl::OkStatus();
}

bool IsTaken(SlotState state) { return state == SlotState::kIdle || state == SlotState::kBusy; }

}  // namespace

static_assert(StreamSlot::kIndexBits <= DeadlineQueue::kNumberBits, "slots lie in the queue");

StreamRegistry::StreamRegistry(const StreamHost& host, Clock& clock, const StreamOptions& options)
    : host_(host),
      clock_(clock),
      options_(options.WithDefaults()),
      epoch_(host.Epoch()),
      pid_(getpid()) {
  Refused();  // so that the first refusal does not allocate either
}

StreamRegistry::~StreamRegistry() {
  Shut();
  if (IsForkedChild()) slots_.Leak();  // even closing a connection might disturb the parent's
}

bool StreamRegistry::IsForkedChild() const { return getpid() != pid_; }

absl::Duration StreamRegistry::TooOld(const StreamSlot& slot) const {
  return slot.Opened() + options_.max_age;
}

absl::Duration StreamRegistry::Due(const StreamSlot& slot) const {
  return std::min(slot.LastUsed() + options_.idle_timeout, TooOld(slot));
}

// ---- Opening ----

absl::StatusOr<StreamTurn> StreamRegistry::Open(OpenStream spec) try {
  // From here on what the caller holds is ours to give back, whatever happens.
  StreamHoldings holdings{.connection = std::move(spec.connection),
                          .on_release = std::move(spec.on_release)};
  const auto give_back = [&] {
    holdings.GiveBack(clock_, options_.rollback_timeout).IgnoreError();
  };
  const absl::Cleanup give_back_what_is_left = give_back;
  BATONSTORE_RETURN_IF_ERROR(host_.Usable());
  BATONSTORE_RETURN_IF_ERROR(CheckSpec(spec, holdings));
  const absl::Duration timeout = spec.deadline == absl::InfiniteFuture()
                                     ? absl::InfiniteDuration()
                                     : spec.deadline - clock_.Wall();
  BATONSTORE_ASSIGN_OR_RETURN(StreamSlot* const slot, Occupy(spec));
  absl::Cleanup leave = [&] {
    give_back();  // first: the place is free only when nothing stands behind it any more
    Vacate(*slot);
  };
  BATONSTORE_RETURN_IF_ERROR(Pin(spec, timeout, holdings));
  std::move(leave).Cancel();
  *slot->holdings = std::exchange(holdings, {});
  MutexLock lock(slot->mu);
  return StreamTurn(*this, *slot, slot->id, slot->next_generation);
} catch (const std::bad_alloc&) {
  return Refused().no_memory;
}

absl::Status StreamRegistry::Pin(const OpenStream& spec, absl::Duration timeout,
                                 StreamHoldings& holdings) const {
  if (spec.connect == nullptr) return absl::OkStatus();
  if (timeout <= absl::ZeroDuration()) {
    return Refuse(Verdict::kBusy, "the deadline for a connection has passed already");
  }
  const absl::Duration began = clock_.SinceBoot();
  try {
    BATONSTORE_ASSIGN_OR_RETURN(holdings.connection, spec.connect(spec.deadline));
  } catch (const std::bad_alloc&) {
    return Refused().no_memory;
  } catch (const std::exception& thrown) {
    return Refuse(Verdict::kIo, absl::StrCat("the connection factory threw: ", thrown.what()));
  } catch (...) {
    return Refuse(Verdict::kIo, "the connection factory threw");
  }
  if (holdings.connection == nullptr) {
    return Refuse(Verdict::kInvalid, "the connection factory returned none");
  }
  if (clock_.SinceBoot() - began > timeout) {
    return Refuse(Verdict::kBusy, "the connection came after the deadline; retry");
  }
  return absl::OkStatus();
}

// Takes a place under the database's limit, and a slot.
absl::StatusOr<StreamSlot*> StreamRegistry::Occupy(OpenStream& spec) {
  // Tells the coarse clock, by which the stream will live, of the time that the machine slept.
  (void)clock_.SinceBoot();
  const absl::Duration now = clock_.SinceBootCoarse();
  decltype(StreamSlot::principal) principal(spec.principal.begin(), spec.principal.end());
  MutexLock lock(mu_);
  if (shut_) return Refuse(Verdict::kClosed, "the streams are closed");
  const auto database = databases_.try_emplace(std::move(spec.database), 0).first;
  if (database->second >= options_.max_per_database) {
    return Refuse(Verdict::kTooMany, absl::StrCat("the database has ", options_.max_per_database,
                                                  " streams, which is as many as it may"));
  }
  const absl::Cleanup drop_if_unused = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (database->second == 0) databases_.erase(database);
  };
  BATONSTORE_ASSIGN_OR_RETURN(StreamSlot* const taken, TakeSlot());
  ++database->second;
  ++taken_;
  StreamSlot& slot = *taken;
  MutexLock slot_lock(slot.mu);
  slot.state = SlotState::kBusy;
  slot.next_generation = 0;
  slot.has_baton = false;
  slot.read_only = spec.read_only;
  slot.principal = std::move(principal);
  slot.database = &database->first;
  slot.opened_ns = slot.last_used_ns = absl::ToInt64Nanoseconds(now);
  return &slot;
}

absl::StatusOr<StreamSlot*> StreamRegistry::TakeSlot() {
  if (first_free_ != StreamSlot::kMaxSlots) {
    StreamSlot* const slot = slots_.Find(first_free_);
    first_free_ = slot->next_free;
    return slot;
  }
  if (slots_.size() == StreamSlot::kMaxSlots) {
    return Refuse(Verdict::kTooMany, "there are as many streams as one process can have");
  }
  // First room in the queue for one entry a slot, so that later it never allocates, nor throws.
  queue_.Reserve(slots_.size() + 1);
  return &slots_.Grow();
}

// ---- Turns ----

absl::StatusOr<StreamTurn> StreamRegistry::Resume(absl::string_view baton,
                                                  absl::string_view database,
                                                  absl::string_view principal) {
  absl::StatusOr<StreamTurn> turn = TakeTurn(baton, database, principal);
  if (!turn.ok()) {
    host_.NoteRefusal(turn.status(), {BatonKind::kStream, baton, database, principal});
  }
  return turn;
}

absl::StatusOr<StreamTurn> StreamRegistry::TakeTurn(absl::string_view baton,
                                                    absl::string_view database,
                                                    absl::string_view principal) {
  const std::optional<BatonAddress> address = ReadBatonAddress(baton);
  StreamSlot* const slot =
      address.has_value() ? slots_.Find(StreamSlot::IndexOf(address->id)) : nullptr;
  if (slot != nullptr) slot->Prefetch();
  // Meanwhile what needs no slot.
  BATONSTORE_RETURN_IF_ERROR(host_.Usable());
  const absl::Duration now = clock_.SinceBootCoarse();
  if (slot != nullptr && !host_.Ring().HasRetired(address->key_id)) {
    MutexLock lock(slot->mu);
    // Byte for byte what was minted for this very turn: all of it is right, and of this epoch.
    if (slot->id == address->id && IsTaken(slot->state) && slot->has_baton &&
        EqualInConstantTime(baton, {slot->baton.data(), slot->baton.size()})) {
      return Take(*slot, database, principal, slot->next_generation - 1, now);
    }
  }
  return ResumeUnexpected(baton, database, principal, now);
}

// With a baton that no stream waits for: says why not. Only a MAC tells what it is.
absl::StatusOr<StreamTurn> StreamRegistry::ResumeUnexpected(absl::string_view baton,
                                                            absl::string_view database,
                                                            absl::string_view principal,
                                                            absl::Duration now) {
  BATONSTORE_ASSIGN_OR_RETURN(const BatonClaims claims, host_.Ring().Verify(baton));
  if (claims.kind != BatonKind::kStream) return Refused().not_a_stream;
  if (claims.epoch != epoch_) return Refused().earlier_epoch;
  StreamSlot* const slot = slots_.Find(StreamSlot::IndexOf(claims.id));
  if (slot == nullptr) return Refused().not_found;
  MutexLock lock(slot->mu);
  if (slot->id != claims.id || !IsTaken(slot->state)) return Refused().not_found;
  return Take(*slot, database, principal, claims.generation, now);
}

// REQUIRES: the stream lives, and the baton is authentic.
absl::StatusOr<StreamTurn> StreamRegistry::Take(StreamSlot& slot, absl::string_view database,
                                                absl::string_view principal, uint64_t generation,
                                                absl::Duration now) {
  if (*slot.database != database) return Refused().wrong_database;
  if (slot.Principal() != principal) return Refused().wrong_principal;
  const bool is_busy = slot.state == SlotState::kBusy;
  if (now >= (is_busy ? TooOld(slot) : Due(slot))) return Refused().expired;
  const bool is_peeked = is_busy && generation == slot.next_generation;
  if (generation + 1 != slot.next_generation && !is_peeked) return Refused().replayed;
  if (is_busy) return Refused().busy;
  slot.state = SlotState::kBusy;
  return StreamTurn(*this, slot, slot.id, slot.next_generation);
}

// Makes `baton` the one for the next turn, and ends this one; if it refuses, it has done nothing.
absl::Status StreamRegistry::HandOn(StreamSlot& slot, absl::string_view baton) {
  BATONSTORE_RETURN_IF_ERROR(host_.Usable());
  const absl::Duration now = clock_.SinceBootCoarse();
  absl::Duration due;
  uint32_t index = 0;
  {
    MutexLock lock(slot.mu);
    if (slot.state == SlotState::kDoomed) return Refused().killed;
    std::memcpy(slot.baton.data(), baton.data(), kBatonLength);
    slot.has_baton = true;
    ++slot.next_generation;
    slot.last_used_ns = absl::ToInt64Nanoseconds(now);
    slot.state = SlotState::kIdle;
    if (std::exchange(slot.is_queued, true)) return absl::OkStatus();
    due = Due(slot);
    index = StreamSlot::IndexOf(slot.id);
  }
  MutexLock lock(mu_);
  queue_.Push(due, index);
  return absl::OkStatus();
}

}  // namespace batonstore
