#include "tests/support/any_call.h"

#include "absl/strings/str_cat.h"

namespace batonstore::testing {
namespace {

// One of the aliases, the later ones more often, or one that was never given.
Alias AnyAlias(uint32_t which, const Surroundings& surroundings) {
  const std::vector<Alias>& aliases = surroundings.aliases;
  const size_t back = which % 3 == 0 ? which / 3 % (aliases.size() + 1) : which / 3 % 5;
  return back >= aliases.size() ? Alias(1) : aliases[aliases.size() - 1 - back];
}

// Mostly one of the last sessions that can be used, so that batons get on in generations.
Alias AnyHolder(uint32_t which, const Surroundings& surroundings) {
  std::vector<Alias> holders;
  for (auto alias = surroundings.aliases.rbegin();
       alias != surroundings.aliases.rend() && holders.size() < 3; ++alias) {
    const std::optional<Session> session = surroundings.find(*alias);
    if (session.has_value() && session->state == State::kCreated) holders.push_back(*alias);
  }
  if (holders.empty() || which % 8 == 0) return AnyAlias(which, surroundings);
  return holders[which / 8 % holders.size()];
}

const std::string& AnyPrincipal(uint32_t detail, const Surroundings& surroundings) {
  return surroundings.principals[detail % surroundings.principals.size()];
}

SessionSpec AnySpec(uint32_t which, uint32_t detail, const Surroundings& surroundings) {
  SessionSpec spec;
  spec.label = std::string(detail % 31 == 0 ? kMaxLabelBytes + 1 : detail % 3, 'l');
  spec.kind = detail % 2;
  spec.principal = AnyPrincipal(detail / 2, surroundings);
  spec.database = detail % 8 < 4 ? "" : "main";
  const absl::Time moments[] = {absl::InfiniteFuture(), surroundings.now + absl::Seconds(2),
                                absl::InfiniteFuture(), surroundings.now + absl::Seconds(20),
                                absl::InfiniteFuture(), surroundings.now + absl::Seconds(5),
                                absl::InfiniteFuture(), surroundings.now};
  spec.expires_at = moments[detail / 3 % 8];
  // In a long one, not each use moves the deadline by enough.
  constexpr int kIdleSeconds[] = {1, 2, 16, 3};
  if (detail % 5 == 0) spec.idle_timeout = absl::Seconds(kIdleSeconds[detail % 4]);
  if (detail % 7 == 0) spec.reserve_for = absl::Seconds(1 + detail % 3);
  if (detail % 6 < 2) spec.group = AnyAlias(which, surroundings);
  if (detail % 4 > 0) spec.intent = absl::StrCat("intent ", detail);
  if (which % 4 == 0) spec.idempotency_key = absl::StrCat("request ", which % 5);
  return spec;
}

Value AnyValue(uint32_t detail) {
  const std::string bytes = absl::StrCat(detail % 5);
  return detail % 7 == 0 ? Value::Secret(bytes) : Value(bytes);
}

std::string AnyField(uint32_t detail) {
  return std::string(1, static_cast<char>('f' + detail % 4));
}

Fields AnyFields(uint32_t detail) {
  Fields fields;
  for (uint32_t i = 0; i < detail % 4; ++i) fields[AnyField(detail / 4 + i)] = AnyValue(detail + i);
  if (detail % 9 == 0) fields[AnyField(detail)] = Value::Withheld();
  if (detail % 61 == 0) fields[std::string(kMaxFieldNameBytes + 1, 'n')] = "too long";
  return fields;
}

Change AnyChange(uint32_t detail) {
  switch (detail % 8) {
    case 0:
      return Change::Remove();
    case 1:
      return Change::CompareAndSet(absl::StrCat(detail / 8 % 5), AnyValue(detail / 8));
    case 2:
      return Change::SetIfAbsent(AnyValue(detail / 8));
    case 3:
    case 4:
    case 5:
      return Change::Add(static_cast<int64_t>(detail / 8 % 5) - 1);
    default:
      return Change::Set(AnyValue(detail / 8));
  }
}

Changes AnyChanges(uint32_t detail) {
  Changes changes;
  for (uint32_t i = 0; i <= detail % 3; ++i) {
    changes.insert_or_assign(AnyField(detail / 3 + i), AnyChange(detail / 3 + 7 * i));
  }
  return changes;
}

// The generation that is current, mostly, or one near it.
uint64_t AnyGeneration(uint32_t detail, uint64_t current) {
  switch (detail % 16) {
    case 0:
    case 1:
      return current + 1;  // which another call may make in the meantime
    case 2:
      return current > 1 ? current - 2 : 0;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
      return current > 0 ? current - 1 : 0;
    default:
      return current;
  }
}

// A few, so that a request is often the same as one before.
std::string AnyDigest(uint32_t detail) {
  if (detail % 61 == 0) return "";
  if (detail % 61 == 1) return std::string(kMaxDigestBytes + 1, 'd');
  return detail % 3 == 0 ? "another request" : "request";
}

Presentation AnyPresentation(Alias alias, uint32_t which, uint32_t detail,
                             const Surroundings& surroundings) {
  Presentation presented;
  if (detail % 37 == 0) presented.kind = BatonKind::kStream;
  presented.generation = AnyGeneration(detail, surroundings.generation_of(alias));
  presented.epoch = 1 + which % surroundings.epoch;
  presented.digest = AnyDigest(detail / 16);
  if (detail / 48 % 3 == 0) presented.cut_off = CutOff::kAtMostOnce;
  if (const std::optional<Session> session = surroundings.find(alias); session.has_value()) {
    presented.principal = session->principal;
    presented.database = session->database;
  }
  if (detail % 29 == 0) presented.principal += "x";
  if (detail % 23 == 0) presented.database += "x";
  return presented;
}

ListFilter AnyFilter(uint32_t which, const Surroundings& surroundings) {
  ListFilter filter;
  if (which % 2 == 0) filter.principal = AnyPrincipal(which / 2, surroundings);
  if (which % 5 < 2) filter.state = static_cast<State>(which % 7 % 5);
  if (which % 11 < 4) filter.kind = which % 3;
  if (which % 13 < 5) filter.database = which % 4 < 2 ? "" : "main";
  return filter;
}

}  // namespace

Call AnyCall(Do what, uint32_t which, uint32_t detail, const Surroundings& surroundings) {
  Call call;
  call.what = what;
  call.alias = AnyAlias(which, surroundings);
  call.state = static_cast<State>(detail % 5);
  call.text = AnyPrincipal(detail, surroundings);
  switch (what) {
    case Do::kReserve:
    case Do::kReserveAndCreate:
      call.spec = AnySpec(which, detail, surroundings);
      break;
    case Do::kSaveOrCreate:
      call.spec = AnySpec(which, detail, surroundings);
      call.fields = AnyFields(detail);
      for (auto& [field, value] : call.fields) {
        if (value.is_withheld()) value = "5";  // there is nothing that it could stand for
      }
      break;
    case Do::kCycleKey:
      call.cycle.redirect_for = absl::Milliseconds(detail % 3 * 700);
      call.cycle.privilege_change = detail % 5 == 0;
      break;
    case Do::kSaveIf:
      call.number = surroundings.version_of(call.alias);
      if (detail % 8 == 0) ++call.number;
      if (detail % 8 == 1 && call.number > 0) --call.number;
      call.fields = AnyFields(detail);
      break;
    case Do::kMerge:
    case Do::kMergeInTurn:
      call.changes = AnyChanges(detail);
      break;
    case Do::kIssue:
      call.alias = AnyHolder(which, surroundings);
      break;
    case Do::kVerify:
    case Do::kResume:
      call.alias = AnyHolder(which, surroundings);
      call.presentation = AnyPresentation(call.alias, which, detail, surroundings);
      break;
    case Do::kRetireSigningKey:
      call.number = detail % (surroundings.primary_key_id + 2);
      break;
    case Do::kFinishTurn:
      call.text = absl::StrCat("reply ", detail % (detail % 8 == 0 ? 1'000'000 : 10));
      break;
    case Do::kSecret:
      call.text = AnyField(detail);
      break;
    case Do::kSetRemotePublicKey: {
      constexpr size_t kSizes[] = {0, 1, 32, kMaxRemotePublicKeyBytes,
                                   kMaxRemotePublicKeyBytes + 1};
      call.text = std::string(kSizes[detail % 5], static_cast<char>('r' + detail / 5 % 2));
      break;
    }
    case Do::kList:
      call.number = detail % 2;
      [[fallthrough]];
    case Do::kCount:
      call.filter = AnyFilter(which, surroundings);
      break;
    case Do::kAddConsumer:
    case Do::kRemoveConsumer:
    case Do::kReadEvents:
      call.text = detail % 31 == 0 ? "" : absl::StrCat("consumer ", detail % 2);
      break;
    case Do::kAcknowledgeEvents:
      call.text = absl::StrCat("consumer ", detail % 2);
      call.number = surroundings.last_event + (detail % 16 == 0 ? 1000 : 0);
      break;
    default:
      break;
  }
  return call;
}

}  // namespace batonstore::testing
