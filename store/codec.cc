#include "batonstore/store/codec.h"

#include <openssl/bytestring.h>

#include <limits>
#include <new>

namespace batonstore {
namespace {

constexpr uint64_t kNever = std::numeric_limits<int64_t>::max();

// Collects fields; running out of memory is remembered and thrown at the end.
class Writer {
 public:
  Writer() : good_(CBB_init(cbb_.get(), 256) == 1) {}

  void U8(uint8_t value) { Note(CBB_add_u8(cbb_.get(), value)); }
  void U32(uint32_t value) { Note(CBB_add_u32(cbb_.get(), value)); }
  void U64(uint64_t value) { Note(CBB_add_u64(cbb_.get(), value)); }

  // REQUIRES: bytes.size() < 65536.
  void Bytes(absl::string_view bytes) {
    CBB child;
    Note(CBB_add_u16_length_prefixed(cbb_.get(), &child) &&
         CBB_add_bytes(&child, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) &&
         CBB_flush(cbb_.get()));
  }

  std::string Finish() {
    if (!good_ || !CBB_flush(cbb_.get())) throw std::bad_alloc();
    return std::string(reinterpret_cast<const char*>(CBB_data(cbb_.get())), CBB_len(cbb_.get()));
  }

 private:
  void Note(int result) { good_ = good_ && result == 1; }

  bssl::ScopedCBB cbb_;
  bool good_;
};

// Takes fields off; the first that is missing makes the whole record bad.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) {
    CBS_init(&cbs_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }

  uint8_t U8() { return Number<uint8_t>(CBS_get_u8); }
  uint32_t U32() { return Number<uint32_t>(CBS_get_u32); }
  uint64_t U64() { return Number<uint64_t>(CBS_get_u64); }

  std::string Bytes() {
    CBS child;
    good_ = good_ && CBS_get_u16_length_prefixed(&cbs_, &child) == 1;
    if (!good_) return "";
    return std::string(reinterpret_cast<const char*>(CBS_data(&child)), CBS_len(&child));
  }

  bool AtEnd() const { return good_ && CBS_len(&cbs_) == 0; }

 private:
  template <typename T>
  T Number(int (*get)(CBS*, T*)) {
    T value = 0;
    good_ = good_ && get(&cbs_, &value) == 1;
    return value;
  }

  CBS cbs_;
  bool good_ = true;
};

bool IsState(uint8_t number) { return number <= static_cast<uint8_t>(State::kReserved); }

}  // namespace

uint64_t EncodeTime(absl::Time time) {
  if (time == absl::InfiniteFuture()) return kNever;
  return static_cast<uint64_t>(absl::ToUnixMicros(time));
}

absl::Time DecodeTime(uint64_t micros) {
  if (micros == kNever) return absl::InfiniteFuture();
  return absl::FromUnixMicros(static_cast<int64_t>(micros));
}

std::string EncodeSession(const SessionRecord& record) {
  const Session& session = record.session;
  Writer writer;
  writer.U8(static_cast<uint8_t>(session.state));
  writer.U8(static_cast<uint8_t>(session.key_type));
  writer.U32(session.kind);
  writer.U64(session.group.value());
  writer.U64(EncodeTime(session.expires_at));
  writer.U64(session.revoked_at.has_value() ? EncodeTime(*session.revoked_at) : 0);
  writer.Bytes(session.label);
  writer.Bytes(session.principal);
  writer.Bytes(session.database);
  writer.Bytes(session.public_key);
  writer.Bytes(session.remote_public_key);
  writer.Bytes(record.sealed_private_key);
  return writer.Finish();
}

std::optional<SessionRecord> DecodeSession(Alias alias, absl::string_view bytes) {
  Reader reader(bytes);
  SessionRecord record;
  Session& session = record.session;
  session.alias = alias;
  session.created_at = alias.time();
  const uint8_t state = reader.U8();
  const uint8_t key_type = reader.U8();
  session.kind = reader.U32();
  session.group = Alias(reader.U64());
  session.expires_at = DecodeTime(reader.U64());
  if (const uint64_t revoked_at = reader.U64(); revoked_at != 0) {
    session.revoked_at = DecodeTime(revoked_at);
  }
  session.label = reader.Bytes();
  session.principal = reader.Bytes();
  session.database = reader.Bytes();
  session.public_key = reader.Bytes();
  session.remote_public_key = reader.Bytes();
  record.sealed_private_key = reader.Bytes();
  if (!reader.AtEnd() || !IsState(state) || !IsKeyType(key_type)) return std::nullopt;
  session.state = static_cast<State>(state);
  session.key_type = static_cast<KeyType>(key_type);
  return record;
}

std::string EncodeReservation(const ReservationRecord& record) {
  Writer writer;
  writer.U64(record.epoch);
  writer.Bytes(record.intent);
  return writer.Finish();
}

std::optional<ReservationRecord> DecodeReservation(absl::string_view bytes) {
  Reader reader(bytes);
  ReservationRecord record;
  record.epoch = reader.U64();
  record.intent = reader.Bytes();
  if (!reader.AtEnd()) return std::nullopt;
  return record;
}

}  // namespace batonstore
