#include "benchmarks/peers/key_value_peer.h"

#include <algorithm>
#include <cstddef>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/store/number.h"
#include "benchmarks/peers/session_content.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

constexpr size_t kHashBytes = 8;
constexpr int64_t kSessionsPerBatch = 1'000;

std::string SessionKey(uint64_t alias) { return absl::StrCat("s", EncodeNumber(alias)); }

std::string PublicKeyKey(absl::string_view public_key) {
  return absl::StrCat("k", Sha256(public_key).substr(0, kHashBytes));
}

std::string NameKey(absl::string_view letter, absl::string_view name) {
  return absl::StrCat(letter, EncodeNumber(absl::HashOf(name)));
}

void AddRows(const SessionContent& session, std::vector<KeyValue>& rows) {
  const std::string alias = EncodeNumber(session.alias);
  const auto expires_at = static_cast<uint64_t>(session.expires_at_us);
  rows.emplace_back(SessionKey(session.alias), EncodeContent(session));
  rows.emplace_back(PublicKeyKey(session.public_key), alias);
  rows.emplace_back(absl::StrCat(NameKey("p", session.principal), alias), "");
  rows.emplace_back(absl::StrCat(NameKey("d", session.database), alias), "");
  rows.emplace_back(absl::StrCat("e", EncodeNumber(expires_at), alias), "");
}

uint64_t AliasAt(absl::string_view bytes) {
  const auto number = DecodeNumber(bytes);
  CheckThat(number.has_value(), "an index leads to an alias");
  return *number;
}

}  // namespace

std::vector<Question> KeyValuePeer::Questions() const {
  return {Question::kCreate, Question::kTurn, Question::kFind, Question::kFindKey, Question::kList};
}

void KeyValuePeer::Fill(const PeerOptions& options) {
  Open(options.folder);
  const FilledSessions filled(options.sessions);
  for (int64_t session = 0; session < options.sessions;) {
    const int64_t until = std::min(options.sessions, session + kSessionsPerBatch);
    std::vector<KeyValue> rows;
    for (; session < until; ++session) AddRows(filled.Session(session), rows);
    Write(rows, /*sync=*/session == options.sessions);
  }
  Settle();
}

void KeyValuePeer::Create(Caller& caller) {
  const SessionContent session = FreshSession(caller);
  std::vector<KeyValue> rows;
  AddRows(session, rows);
  const std::string key = PublicKeyKey(session.public_key);
  const MutexLock lock(LockOf(key));
  std::string taken;
  CheckThat(!Get(key, &taken), "a fresh key pair is not in use");
  Write(rows, /*sync=*/true);
}

void KeyValuePeer::Turn(Caller& caller, int64_t session, uint64_t generation) {
  const std::string key = SessionKey(FilledSessions(caller.sessions).AliasOf(session));
  const MutexLock lock(LockOf(key));
  std::string record;
  CheckThat(Get(key, &record), "the session is there");
  SessionContent content = DecodeContent(record);
  CheckThat(content.generation == generation, "the generation is the one that the last turn left");
  ++content.generation;
  content.last_used_us = NowMicros();
  Write({{key, EncodeContent(content)}}, /*sync=*/true);
}

void KeyValuePeer::Find(Caller& caller, int64_t session) {
  MustFind(FilledSessions(caller.sessions).AliasOf(session));
}

void KeyValuePeer::FindByPublicKey(Caller& caller, int64_t session) {
  const std::string public_key = FilledSessions(caller.sessions).PublicKeyOf(session);
  std::string alias;
  CheckThat(Get(PublicKeyKey(public_key), &alias), "the key is there");
  CheckThat(MustFind(AliasAt(alias)).public_key == public_key, "the session has that key");
}

void KeyValuePeer::ListOfPrincipal(Caller&, int64_t principal) {
  const std::string name = PrincipalName(principal);
  std::vector<uint64_t> aliases;
  Scan(NameKey("p", name), [&](absl::string_view key) {
    aliases.push_back(AliasAt(key.substr(key.size() - sizeof(uint64_t))));
  });
  CheckThat(!aliases.empty(), "the principal has sessions");
  for (const uint64_t alias : aliases) {
    CheckThat(MustFind(alias).principal == name, "the session is the principal's");
  }
}

SessionContent KeyValuePeer::MustFind(uint64_t alias) {
  std::string record;
  CheckThat(Get(SessionKey(alias), &record), "the session is there");
  return DecodeContent(record);
}

Mutex& KeyValuePeer::LockOf(absl::string_view key) {
  return locks_[absl::HashOf(key) % locks_.size()];
}

}  // namespace batonstore::benchmarks
