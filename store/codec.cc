#include "batonstore/store/codec.h"

#include <openssl/bytestring.h>

#include <limits>
#include <new>
#include <utility>

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

  // REQUIRES: bytes.size() < 2^24.
  void LongBytes(absl::string_view bytes) {
    CBB child;
    Note(CBB_add_u24_length_prefixed(cbb_.get(), &child) &&
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

  // The long form: up to 16 MiB - 1 byte.
  std::string LongBytes() {
    CBS child;
    good_ = good_ && CBS_get_u24_length_prefixed(&cbs_, &child) == 1;
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
bool IsEventType(uint8_t number) {
  return number >= 1 && number <= static_cast<uint8_t>(EventType::kReplaySeen);
}

// Marks of a session.
constexpr uint8_t kNeverCreated = 1;
constexpr uint8_t kLinked = 2;

// What only a session has that has ended, and so most have not.
void EncodeEnding(Writer& writer, const SessionRecord& record) {
  writer.U64(EncodeTime(*record.ended_at));
  writer.U64(record.moved_to.value());
  writer.U64(EncodeTime(record.redirect_until));
}
void DecodeEnding(Reader& reader, SessionRecord& record) {
  record.ended_at = DecodeTime(reader.U64());
  record.moved_to = Alias(reader.U64());
  record.redirect_until = DecodeTime(reader.U64());
}

// A decoded record, if its bytes were exactly that.
template <typename Record>
std::optional<Record> Whole(const Reader& reader, Record record) {
  if (!reader.AtEnd()) return std::nullopt;
  return record;
}

constexpr char kPlain = 0;
constexpr char kSecret = 1;

}  // namespace

uint64_t EncodeTime(absl::Time time) {
  if (time == absl::InfiniteFuture()) return kNever;
  return static_cast<uint64_t>(absl::ToUnixMicros(time));
}

absl::Time DecodeTime(uint64_t micros) {
  if (micros == kNever) return absl::InfiniteFuture();
  return absl::FromUnixMicros(static_cast<int64_t>(micros));
}

uint64_t EncodeDuration(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return kNever;
  return static_cast<uint64_t>(absl::ToInt64Microseconds(duration));
}

absl::Duration DecodeDuration(uint64_t micros) {
  if (micros == kNever) return absl::InfiniteDuration();
  return absl::Microseconds(static_cast<int64_t>(micros));
}

std::string EncodeSession(const SessionRecord& record) {
  const Session& session = record.session;
  Writer writer;
  writer.U8(static_cast<uint8_t>(session.state));
  writer.U8(static_cast<uint8_t>(session.key_type));
  const bool is_linked = session.group != session.alias;
  writer.U8(
      static_cast<uint8_t>((record.never_created ? kNeverCreated : 0) | (is_linked ? kLinked : 0)));
  writer.U32(session.kind);
  if (is_linked) writer.U64(session.group.value());
  writer.U64(EncodeTime(session.expires_at));
  writer.U64(EncodeDuration(session.idle_timeout));
  if (IsTerminal(session.state)) EncodeEnding(writer, record);
  writer.Bytes(session.label);
  writer.Bytes(session.principal);
  writer.Bytes(session.database);
  writer.Bytes(record.idempotency_key);
  writer.Bytes(session.public_key);
  writer.Bytes(session.remote_public_key);
  writer.Bytes(record.sealed_private_key);
  return writer.Finish();
}

std::optional<SessionRecord> DecodeSession(Alias alias, absl::string_view bytes) {
  std::optional<SessionRecord> record(std::in_place);
  if (!DecodeSessionInto(alias, bytes, *record)) record.reset();
  return record;
}

bool DecodeSessionInto(Alias alias, absl::string_view bytes, SessionRecord& record) {
  Reader reader(bytes);
  Session& session = record.session;
  session.alias = alias;
  session.created_at = alias.time();
  const uint8_t state = reader.U8();
  const uint8_t key_type = reader.U8();
  const uint8_t marks = reader.U8();
  const bool is_linked = (marks & kLinked) != 0;
  session.kind = reader.U32();
  session.group = is_linked ? Alias(reader.U64()) : alias;
  session.expires_at = DecodeTime(reader.U64());
  session.idle_timeout = DecodeDuration(reader.U64());
  const bool has_ended = IsState(state) && IsTerminal(static_cast<State>(state));
  if (has_ended) DecodeEnding(reader, record);
  session.label = reader.Bytes();
  session.principal = reader.Bytes();
  session.database = reader.Bytes();
  record.idempotency_key = reader.Bytes();
  session.public_key = reader.Bytes();
  session.remote_public_key = reader.Bytes();
  record.sealed_private_key = reader.Bytes();
  if (!reader.AtEnd() || !IsState(state) || !IsKeyType(key_type) ||
      marks > (kNeverCreated | kLinked) || is_linked != (session.group != alias)) {
    return false;
  }
  record.never_created = (marks & kNeverCreated) != 0;
  session.state = static_cast<State>(state);
  session.key_type = static_cast<KeyType>(key_type);
  return true;
}

std::string EncodeReservation(const ReservationRecord& record) {
  Writer writer;
  writer.U64(record.epoch);
  writer.U64(EncodeTime(record.deadline));
  writer.Bytes(record.intent);
  return writer.Finish();
}

std::optional<ReservationRecord> DecodeReservation(absl::string_view bytes) {
  Reader reader(bytes);
  ReservationRecord record;
  record.epoch = reader.U64();
  record.deadline = DecodeTime(reader.U64());
  record.intent = reader.Bytes();
  return Whole(reader, std::move(record));
}

std::string EncodeTurn(const TurnRecord& record) {
  Writer writer;
  writer.U64(EncodeTime(record.last_used));
  writer.U64(record.generation);
  writer.U8(static_cast<uint8_t>(record.last));
  writer.Bytes(record.digest);
  writer.Bytes(record.successor);
  writer.LongBytes(record.reply);
  return writer.Finish();
}

std::optional<TurnRecord> DecodeTurn(absl::string_view bytes) {
  Reader reader(bytes);
  TurnRecord record;
  record.last_used = DecodeTime(reader.U64());
  record.generation = reader.U64();
  const uint8_t last = reader.U8();
  record.digest = reader.Bytes();
  record.successor = reader.Bytes();
  record.reply = reader.LongBytes();
  if (last > static_cast<uint8_t>(TurnRecord::Last::kFinished)) return std::nullopt;
  record.last = static_cast<TurnRecord::Last>(last);
  const bool has_rotated = record.last != TurnRecord::Last::kNone;
  if (has_rotated != (record.generation > 0) || has_rotated == record.digest.empty() ||
      has_rotated == record.successor.empty()) {
    return std::nullopt;
  }
  if (record.last != TurnRecord::Last::kFinished && !record.reply.empty()) return std::nullopt;
  return Whole(reader, std::move(record));
}

std::string EncodeRevocation(const RevocationRecord& record) {
  Writer writer;
  writer.U64(EncodeTime(record.at));
  writer.U64(record.except.value());
  writer.U64(record.done.value());
  return writer.Finish();
}

std::optional<RevocationRecord> DecodeRevocation(absl::string_view bytes) {
  Reader reader(bytes);
  RevocationRecord record;
  record.at = DecodeTime(reader.U64());
  record.except = Alias(reader.U64());
  record.done = Alias(reader.U64());
  return Whole(reader, record);
}

std::string EncodeCompensation(const Compensation& compensation) {
  Writer writer;
  writer.U64(compensation.epoch);
  writer.U64(EncodeTime(compensation.at));
  writer.Bytes(compensation.principal);
  writer.Bytes(compensation.database);
  writer.Bytes(compensation.intent);
  return writer.Finish();
}

std::optional<Compensation> DecodeCompensation(Alias alias, absl::string_view bytes) {
  Reader reader(bytes);
  Compensation compensation;
  compensation.alias = alias;
  compensation.epoch = reader.U64();
  compensation.at = DecodeTime(reader.U64());
  compensation.principal = reader.Bytes();
  compensation.database = reader.Bytes();
  compensation.intent = reader.Bytes();
  return Whole(reader, std::move(compensation));
}

std::string EncodeEvent(const Event& event) {
  Writer writer;
  writer.U8(static_cast<uint8_t>(event.type));
  writer.U64(EncodeTime(event.at));
  writer.U64(event.alias.value());
  writer.U64(event.other.value());
  writer.Bytes(event.principal);
  writer.Bytes(event.database);
  writer.Bytes(event.detail);
  return writer.Finish();
}

std::optional<Event> DecodeEvent(uint64_t sequence, absl::string_view bytes) {
  Reader reader(bytes);
  Event event;
  event.sequence = sequence;
  const uint8_t type = reader.U8();
  event.at = DecodeTime(reader.U64());
  event.alias = Alias(reader.U64());
  event.other = Alias(reader.U64());
  event.principal = reader.Bytes();
  event.database = reader.Bytes();
  event.detail = reader.Bytes();
  if (!IsEventType(type)) return std::nullopt;
  event.type = static_cast<EventType>(type);
  return Whole(reader, std::move(event));
}

std::string EncodeAttributesHead(const AttributesHead& head) {
  Writer writer;
  writer.U64(head.version);
  writer.U64(head.bytes);
  writer.U64(head.fields);
  return writer.Finish();
}

std::optional<AttributesHead> DecodeAttributesHead(absl::string_view bytes) {
  Reader reader(bytes);
  AttributesHead head;
  head.version = reader.U64();
  head.bytes = reader.U64();
  head.fields = reader.U64();
  return Whole(reader, head);
}

std::string EncodeValue(const Value& value) {
  return std::string(1, value.is_secret() ? kSecret : kPlain) + value.bytes();
}

std::optional<Value> DecodeValue(absl::string_view bytes) {
  if (bytes.empty() || (bytes[0] != kPlain && bytes[0] != kSecret)) return std::nullopt;
  std::string rest(bytes.substr(1));
  return bytes[0] == kSecret ? Value::Secret(std::move(rest)) : Value(std::move(rest));
}

}  // namespace batonstore
