#include "tests/recovery/fault_kinds.h"

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace batonstore::testing {
namespace {

struct NamedError {
  const char* name;
  int error;
};

// Of what LMDB would try again for ever there is none for good: no kernel interrupts for ever.
std::vector<FaultKind> MakeFaultKinds() {
  std::vector<FaultKind> kinds;
  for (const NamedError& error : {NamedError{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}}) {
    for (const bool takes_effect : {false, true}) {
      for (const bool for_good : {false, true}) {
        kinds.push_back(
            {absl::StrCat(error.name, takes_effect ? "-persisted" : "",
                          for_good ? "-for-good" : "-once"),
             takes_effect ? FaultGroup::kPersisted : FaultGroup::kError,
             {.error = error.error, .for_good = for_good, .takes_effect = takes_effect}});
      }
    }
  }
  // LMDB takes back a meta page whose writing failed. Here it cannot: a commit that has failed is
  // durable.
  IoFault and_no_more{.error = EIO, .for_good = true, .takes_effect = true};
  and_no_more.only_first_takes_effect = true;
  kinds.push_back({"EIO-persisted-and-no-more", FaultGroup::kPersisted, and_no_more});
  kinds.push_back({"EINTR-once", FaultGroup::kEintr, {.error = EINTR}});
  kinds.push_back({"short-once", FaultGroup::kShort, {.error = EIO, .is_short = true}});
  kinds.push_back(
      {"short-for-good", FaultGroup::kShort, {.error = EIO, .for_good = true, .is_short = true}});
  kinds.push_back({"EIO-stale", FaultGroup::kStale, {.error = EIO, .echoes = true}});
  kinds.push_back({"ENOSPC-stale-persisted",
                   FaultGroup::kStale,
                   {.error = ENOSPC, .takes_effect = true, .echoes = true}});
  for (const NamedError& error :
       {NamedError{"EMFILE", EMFILE}, {"ENOLCK", ENOLCK}, {"ENOMEM", ENOMEM}}) {
    for (const bool for_good : {false, true}) {
      kinds.push_back({absl::StrCat(error.name, for_good ? "-for-good" : "-once"),
                       FaultGroup::kScarce,
                       {.error = error.error, .for_good = for_good}});
    }
  }
  for (const bool for_good : {false, true}) {
    kinds.push_back(
        {for_good ? "memory-for-good" : "memory-once", FaultGroup::kMemory, {}, for_good});
  }
  return kinds;
}

}  // namespace

absl::string_view NameOf(FaultGroup group) {
  static constexpr std::array<absl::string_view, kFaultGroups> kNames = {
      "error", "persisted", "EINTR", "short", "stale", "scarce", "memory"};
  return kNames[static_cast<size_t>(group)];
}

const std::vector<FaultKind>& AllFaultKinds() {
  static const auto* const kinds = new std::vector<FaultKind>(MakeFaultKinds());
  return *kinds;
}

std::optional<IoFault> FaultKind::For(IoCall call, size_t nth) const {
  if (is_memory() || !CanFailWith(call, io.error)) return std::nullopt;
  if (io.takes_effect && !IsChanging(call)) return std::nullopt;
  if (io.is_short && call != IoCall::kWrite) return std::nullopt;
  if (io.echoes && call != IoCall::kWrite && call != IoCall::kSync) return std::nullopt;
  IoFault fault = io;
  fault.any_call = true;
  fault.nth = nth;
  return fault;
}

bool FaultKind::Explains(Verdict verdict) const {
  if (is_memory()) return verdict == Verdict::kTooMany;
  switch (io.error) {
    case ENOSPC:
    case EDQUOT:
      return verdict == Verdict::kFull;
    case EMFILE:
    case ENOMEM:
      return verdict == Verdict::kTooMany;
    default:
      return verdict == Verdict::kIo || (io.is_short && verdict == Verdict::kFull);
  }
}

void ArmedFault::Begin() {
  if (kind_.is_memory()) {
    memory_fault_.emplace(nth_, kind_.for_good, Memory::kAny);
  } else {
    io_faults_.emplace(*io_);
  }
}

void ArmedFault::End() {
  if (memory_fault_.has_value()) {
    struck_ = memory_fault_->Struck();
    memory_fault_.reset();
    io_faults_.emplace();
  } else if (io_faults_.has_value() && !ended_) {
    struck_ = io_faults_->Struck();
    io_faults_->Relent();
    calls_ = io_faults_->AllCalls();
  }
  ended_ = true;
}

}  // namespace batonstore::testing
