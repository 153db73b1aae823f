// Fuzzes the records before they are sealed, and the mark of the indexes: whatever the bytes are,
// they are refused, or exactly those that the record is encoded to.
//
// The first byte of an input chooses the type of the record, the rest is the record.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/event.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/session.h"
#include "tests/support/fuzz_target.h"

namespace batonstore::testing {
namespace {

const Alias kAlias(0x0000018000000001);  // whose record it is
constexpr uint64_t kSequence = 7;

template <typename Record>
bool IsCanonical(absl::string_view bytes, const std::optional<Record>& record,
                 std::string (*encode)(const Record&)) {
  if (!record.has_value()) return false;
  Require(encode(*record) == bytes, "a record has two spellings");
  return true;
}

// By their numbers in an input.
using Trial = bool (*)(absl::string_view bytes);
constexpr std::array<Trial, 9> kTrials = {
    [](absl::string_view bytes) {
      return IsCanonical(bytes, DecodeSession(kAlias, bytes), EncodeSession);
    },
    [](absl::string_view bytes) {
      return IsCanonical(bytes, DecodeReservation(bytes), EncodeReservation);
    },
    [](absl::string_view bytes) { return IsCanonical(bytes, DecodeTurn(bytes), EncodeTurn); },
    [](absl::string_view bytes) {
      return IsCanonical(bytes, DecodeRevocation(bytes), EncodeRevocation);
    },
    [](absl::string_view bytes) {
      return IsCanonical(bytes, DecodeCompensation(kAlias, bytes), EncodeCompensation);
    },
    [](absl::string_view bytes) {
      return IsCanonical(bytes, DecodeEvent(kSequence, bytes), EncodeEvent);
    },
    [](absl::string_view bytes) {
      return IsCanonical(bytes, DecodeAttributesHead(bytes), EncodeAttributesHead);
    },
    [](absl::string_view bytes) { return IsCanonical(bytes, DecodeValue(bytes), EncodeValue); },
    [](absl::string_view bytes) {
      return IsCanonical(bytes, DecodeIndexMark(bytes), EncodeIndexMark);
    },
};

std::string Input(char type, absl::string_view record) { return type + std::string(record); }

SessionRecord LiveSession() {
  SessionRecord record;
  record.session.alias = kAlias;
  record.session.group = kAlias;
  record.session.state = State::kCreated;
  record.session.kind = 5;
  record.session.expires_at = absl::InfiniteFuture();
  record.session.idle_timeout = absl::Minutes(30);
  record.session.label = "a phone";
  record.session.principal = "alice";
  record.session.database = "main";
  record.session.public_key = std::string(32, 'p');
  record.idempotency_key = "request 7";
  record.sealed_private_key = std::string(60, 's');
  return record;
}

SessionRecord EndedSession() {
  SessionRecord record = LiveSession();
  record.session.state = State::kRevoked;
  record.session.group = Alias(0x0000017000000001);
  record.session.remote_public_key = std::string(65, 'r');
  record.ended_at = absl::FromUnixSeconds(1'800'000'000);
  record.never_created = true;
  record.moved_to = Alias(0x0000019000000001);
  record.redirect_until = absl::FromUnixSeconds(1'800'000'060);
  record.sealed_private_key = "";
  return record;
}

TurnRecord FinishedTurn() {
  return {.last_used = absl::FromUnixSeconds(1'800'000'000),
          .generation = 3,
          .last = TurnRecord::Last::kFinished,
          .digest = std::string(32, 'd'),
          .successor = std::string(83, 'b'),
          .reply = "ordered: 7"};
}

Event SomeEvent() {
  Event event;
  event.sequence = kSequence;
  event.type = EventType::kReplaySeen;
  event.at = absl::FromUnixSeconds(1'800'000'000);
  event.alias = kAlias;
  event.principal = "alice";
  event.detail = "generation 2";
  return event;
}

Compensation SomeCompensation() {
  Compensation compensation;
  compensation.alias = kAlias;
  compensation.epoch = 2;
  compensation.at = absl::FromUnixSeconds(1'800'000'000);
  compensation.principal = "alice";
  compensation.intent = "tell them";
  return compensation;
}

}  // namespace

bool TryInput(absl::string_view input) {
  InputBytes bytes(input);
  const Trial trial = kTrials[bytes.U8() % kTrials.size()];
  return trial(bytes.rest());
}

std::map<std::string, std::string> MakeSeeds() {
  const absl::Time at = absl::FromUnixSeconds(1'800'000'000);
  const IndexMark merging = {.done = Alias(5),
                             .target = kAlias,
                             .cursor = {.table = Table::kPrincipals, .hash = 9, .alias = Alias(6)}};
  return {{"session_live", Input(0, EncodeSession(LiveSession()))},
          {"session_ended", Input(0, EncodeSession(EndedSession()))},
          {"reservation", Input(1, EncodeReservation({2, at, "tell them"}))},
          {"turn_none", Input(2, EncodeTurn({.last_used = at}))},
          {"turn_finished", Input(2, EncodeTurn(FinishedTurn()))},
          {"revocation", Input(3, EncodeRevocation({at, kAlias, Alias(5)}))},
          {"compensation", Input(4, EncodeCompensation(SomeCompensation()))},
          {"event", Input(5, EncodeEvent(SomeEvent()))},
          {"attributes_head", Input(6, EncodeAttributesHead({3, 40, 2}))},
          {"value", Input(7, EncodeValue(Value("dark")))},
          {"value_secret", Input(7, EncodeValue(Value::Secret("1234")))},
          {"index_mark", Input(8, EncodeIndexMark({}))},
          {"index_mark_merging", Input(8, EncodeIndexMark(merging))}};
}

}  // namespace batonstore::testing
