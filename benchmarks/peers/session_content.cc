#include "benchmarks/peers/session_content.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/store/number.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

constexpr size_t kRecordBytes = 256;
constexpr size_t kKeyBytes = 32;
constexpr size_t kSealedBytes = kKeyBytes + Sealer::kOverhead;
constexpr int64_t kLifetimeUs = int64_t{365} * 24 * 3600 * 1'000'000;
constexpr int64_t kFilledFromUs = int64_t{1'767'225'600} * 1'000'000;  // 2026-01-01

// Of SplitMix64: bytes that no compression and no cache can guess, the same in every run.
uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// The first bytes of a sequence that `session` and `use` choose.
std::string MixedBytes(int64_t session, uint64_t use, size_t size) {
  std::string bytes;
  for (uint64_t i = 0; bytes.size() < size; ++i) {
    bytes += EncodeNumber(Mix(Mix(static_cast<uint64_t>(session)) + (use << 32) + i));
  }
  bytes.resize(size);
  return bytes;
}

uint64_t NextAlias() {
  static std::atomic<uint64_t> last{0};
  uint64_t before = last.load();
  uint64_t next = 0;
  do {
    next = Alias::Next(absl::Now(), Alias(before)).value();
  } while (!last.compare_exchange_weak(before, next));
  return next;
}

const Sealer& PrivateKeySealer() {
  static const Sealer& sealer =
      *new Sealer(RandomSecret(SystemRandom(), Sealer::kKeySize), SystemRandom());
  return sealer;
}

// Strings of up to 255 bytes, behind their length.
void Append(absl::string_view text, std::string& record) {
  record += static_cast<char>(text.size());
  record += std::string(text);
}

uint64_t TakeNumber(absl::string_view& record) {
  const auto number = DecodeNumber(record.substr(0, sizeof(uint64_t)));
  CheckThat(number.has_value(), "the record has a number here");
  record.remove_prefix(sizeof(uint64_t));
  return *number;
}

std::string TakeText(absl::string_view& record) {
  CheckThat(!record.empty(), "the record has a text here");
  const size_t size = static_cast<unsigned char>(record[0]);
  CheckThat(record.size() > size, "the record has a whole text here");
  std::string text(record.substr(1, size));
  record.remove_prefix(1 + size);
  return text;
}

}  // namespace

std::string PrincipalName(int64_t number) {
  return absl::StrCat("principal-", absl::Dec(number, absl::kZeroPad6), "@example.com");
}

std::string DatabaseName(int64_t number) {
  return absl::StrCat("database-", absl::Dec(number, absl::kZeroPad2));
}

int64_t FilledSessions::principals() const {
  return std::max<int64_t>(1, sessions_ / kSessionsOfPrincipal);
}

uint64_t FilledSessions::AliasOf(int64_t session) const {
  return Alias::FirstAt(absl::FromUnixMicros(kFilledFromUs) + absl::Milliseconds(session)).value();
}

int64_t FilledSessions::PrincipalOf(int64_t session) const {
  const uint64_t mixed = Mix(static_cast<uint64_t>(session) + (uint64_t{1} << 40));
  return static_cast<int64_t>(mixed % static_cast<uint64_t>(principals()));
}

int64_t FilledSessions::DatabaseOf(int64_t session) const {
  const uint64_t mixed = Mix(static_cast<uint64_t>(session) + (uint64_t{1} << 41));
  return static_cast<int64_t>(mixed % kDatabases);
}

std::string FilledSessions::PublicKeyOf(int64_t session) const {
  return MixedBytes(session, 1, kKeyBytes);
}

SessionContent FilledSessions::Session(int64_t session) const {
  SessionContent content;
  content.alias = AliasOf(session);
  content.principal = PrincipalName(PrincipalOf(session));
  content.database = DatabaseName(DatabaseOf(session));
  content.created_at_us = kFilledFromUs + session * 1000;
  content.expires_at_us = content.created_at_us + kLifetimeUs;
  content.last_used_us = content.created_at_us;
  content.public_key = PublicKeyOf(session);
  content.sealed_private_key = MixedBytes(session, 2, kSealedBytes);
  return content;
}

SessionContent FreshSession(Caller& caller) {
  const FilledSessions filled(caller.sessions);
  const KeyPair pair = ValueOf(SystemKeyPairs().Generate(KeyType::kX25519));
  SessionContent content;
  content.principal = PrincipalName(
      static_cast<int64_t>(caller.random() % static_cast<uint64_t>(filled.principals())));
  content.database = DatabaseName(static_cast<int64_t>(caller.random() % kDatabases));
  content.public_key = pair.public_key;
  content.sealed_private_key = PrivateKeySealer().Seal(pair.public_key, pair.private_key.Reveal());
  content.alias = NextAlias();
  content.created_at_us = NowMicros();
  content.expires_at_us = content.created_at_us + kLifetimeUs;
  content.last_used_us = content.created_at_us;
  return content;
}

std::string EncodeContent(const SessionContent& session) {
  std::string record;
  record.reserve(kRecordBytes);
  record += EncodeNumber(session.generation);
  record += EncodeNumber(static_cast<uint64_t>(session.last_used_us));
  record += EncodeNumber(session.alias);
  record += EncodeNumber(static_cast<uint64_t>(session.created_at_us));
  record += EncodeNumber(static_cast<uint64_t>(session.expires_at_us));
  Append(session.principal, record);
  Append(session.database, record);
  Append(session.public_key, record);
  Append(session.sealed_private_key, record);
  Append(kLabel, record);
  CheckThat(record.size() <= kRecordBytes, "a session fits into its record");
  // The rest of a full record does not compress either, as the seal of a batonstore's does not.
  return record + MixedBytes(static_cast<int64_t>(session.alias), 3, kRecordBytes - record.size());
}

SessionContent DecodeContent(absl::string_view record) {
  SessionContent session;
  session.generation = TakeNumber(record);
  session.last_used_us = static_cast<int64_t>(TakeNumber(record));
  session.alias = TakeNumber(record);
  session.created_at_us = static_cast<int64_t>(TakeNumber(record));
  session.expires_at_us = static_cast<int64_t>(TakeNumber(record));
  session.principal = TakeText(record);
  session.database = TakeText(record);
  session.public_key = TakeText(record);
  session.sealed_private_key = TakeText(record);
  return session;
}

int64_t NowMicros() { return absl::ToUnixMicros(absl::Now()); }

}  // namespace batonstore::benchmarks
