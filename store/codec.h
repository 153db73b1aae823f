// The bytes of keys and records: fixed-width big-endian numbers and length-prefixed strings, built
// and parsed with BoringSSL's CBB and CBS. docs/file_format.md draws them.

#ifndef BATONSTORE_STORE_CODEC_H_
#define BATONSTORE_STORE_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/event.h"
#include "batonstore/store/session.h"

namespace batonstore {

// Microseconds since 1970; the largest number stands for absl::InfiniteFuture().
uint64_t EncodeTime(absl::Time time);
absl::Time DecodeTime(uint64_t micros);

// The same for durations; the largest number stands for absl::InfiniteDuration().
uint64_t EncodeDuration(absl::Duration duration);
absl::Duration DecodeDuration(uint64_t micros);

// Below, each pair is a row before it is sealed. Decoding gives nothing when the bytes are not
// exactly one record.

// A row of `sessions`. Of `session`, the state is the stored one here, whatever deadlines and
// RevokeAlls say, and neither `deadline` nor `revoked_at` is kept: `ended_at` is. A session that is
// not terminal has neither that nor a new identity.
struct SessionRecord {
  Session session;
  std::optional<absl::Time> ended_at;  // of a terminal session, which always has it
  bool never_created = false;          // it was Reserved when it was revoked
  Alias moved_to;                      // the new identity of one that has got one, else 0
  absl::Time redirect_until;           // until when the old identity tells the new one
  std::string idempotency_key;
  std::string sealed_private_key;  // empty once shredded
};

// REQUIRES: `ended_at` if the session is terminal.
std::string EncodeSession(const SessionRecord& record);
std::optional<SessionRecord> DecodeSession(Alias alias, absl::string_view bytes);

// The same into `record`, which is default-constructed: false for what is no record. Half a
// kilobyte is felt when it is moved from hand to hand at each read.
bool DecodeSessionInto(Alias alias, absl::string_view bytes, SessionRecord& record);

// A row of `reservations`.
struct ReservationRecord {
  uint64_t epoch = 0;  // of the owner that reserved it
  absl::Time deadline;
  std::string intent;
};
std::string EncodeReservation(const ReservationRecord& record);
std::optional<ReservationRecord> DecodeReservation(absl::string_view bytes);

// A row of `turns`: the idle clock, and how far the session's baton has rotated. turns.h has the
// rules.
struct TurnRecord {
  // The last turn, which made this generation. The numbers are stored.
  enum class Last : uint8_t {
    kNone = 0,      // there has been none: generation 0
    kBegun = 1,     // it has begun, and is under way or was cut off
    kFinished = 2,  // it has finished
  };

  absl::Time last_used = {};
  uint64_t generation = 0;  // of the baton that is current
  Last last = Last::kNone;
  std::string digest = {};     // of its request
  std::string successor = {};  // the current baton, as it was handed on
  std::string reply = {};      // what it answered; empty while it is only begun
};
std::string EncodeTurn(const TurnRecord& record);
std::optional<TurnRecord> DecodeTurn(absl::string_view bytes);

// A row of `revoked`: the mark that a RevokeAll leaves.
struct RevocationRecord {
  absl::Time at;
  Alias except;  // the one session that it does not cover, or 0
  Alias done;    // sessions up to this one have been shredded
};
std::string EncodeRevocation(const RevocationRecord& record);
std::optional<RevocationRecord> DecodeRevocation(absl::string_view bytes);

// A row of `compensations`, whose key is the alias.
std::string EncodeCompensation(const Compensation& compensation);
std::optional<Compensation> DecodeCompensation(Alias alias, absl::string_view bytes);

// A row of `outbox`, whose key is the sequence.
std::string EncodeEvent(const Event& event);
std::optional<Event> DecodeEvent(uint64_t sequence, absl::string_view bytes);

// The row of `attributes` that a session with fields has beside them.
struct AttributesHead {
  uint64_t version = 0;
  uint64_t bytes = 0;  // of all names and values
  uint64_t fields = 0;
};
std::string EncodeAttributesHead(const AttributesHead& head);
std::optional<AttributesHead> DecodeAttributesHead(absl::string_view bytes);

// The row of a field.
std::string EncodeValue(const Value& value);
std::optional<Value> DecodeValue(absl::string_view bytes);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_CODEC_H_
