// The bytes of keys and records: fixed-width big-endian numbers and length-prefixed strings, built
// and parsed with BoringSSL's CBB and CBS. docs/file_format.md draws them.

#ifndef BATONSTORE_STORE_CODEC_H_
#define BATONSTORE_STORE_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "batonstore/store/session.h"

namespace batonstore {

// Microseconds since 1970; the largest number stands for absl::InfiniteFuture().
uint64_t EncodeTime(absl::Time time);
absl::Time DecodeTime(uint64_t micros);

// A row of `sessions`, before it is sealed. `session.state` is the stored one here, deadline or
// not.
struct SessionRecord {
  Session session;
  std::string sealed_private_key;  // empty once shredded
};
std::string EncodeSession(const SessionRecord& record);
// Nothing when the bytes are not exactly one record.
std::optional<SessionRecord> DecodeSession(Alias alias, absl::string_view bytes);

// A row of `reservations`, before it is sealed.
struct ReservationRecord {
  uint64_t epoch = 0;  // of the owner that reserved it
  std::string intent;
};
std::string EncodeReservation(const ReservationRecord& record);
std::optional<ReservationRecord> DecodeReservation(absl::string_view bytes);

}  // namespace batonstore

#endif  // BATONSTORE_STORE_CODEC_H_
