// Raw LMDB with the tables of a batonstore: the same puts and gets, each creation and each turn a
// transaction of its own, without seals or sharing of commits.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/store/number.h"
#include "batonstore/store/schema.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/raw_store.h"
#include "benchmarks/scratch.h"
#include "libraries/liblmdb/lmdb.h"

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kSessionsPerCommit = 50'000;

std::string HashOf(absl::string_view name) { return EncodeNumber(absl::HashOf(name)); }

std::string HashOfKey(absl::string_view public_key) { return Sha256(public_key).substr(0, 8); }

// As large as a batonstore's row of `turns` is after a turn with an empty reply.
std::string TurnRow(uint64_t generation) {
  constexpr size_t kRowBytes = 173;
  std::string row =
      absl::StrCat(EncodeNumber(generation), EncodeNumber(static_cast<uint64_t>(NowMicros())));
  row.resize(kRowBytes, 't');
  return row;
}

class LmdbPeer final : public Peer {
 public:
  std::string Name() const override { return "lmdb"; }
  std::string Version() const override { return mdb_version(nullptr, nullptr, nullptr); }
  std::vector<Question> Questions() const override {
    return {Question::kCreate, Question::kTurn, Question::kFind, Question::kFindKey};
  }

  void Fill(const PeerOptions& options) override {
    // Where the raw store makes its folder.
    CheckThat(setenv("TMPDIR", options.folder.c_str(), 1) == 0, "the environment has room");
    store_ = std::make_unique<RawStore>();
    for (int i = 0; i < options.callers; ++i) reads_.push_back(std::make_unique<RawRead>(*store_));
    const FilledSessions filled(options.sessions);
    Commit(options.sessions,
           [&](RawWrite& write, int64_t session) { Put(write, filled.Session(session)); });
  }

  void Prepare(Question question) override {
    if (question != Question::kTurn || std::exchange(turned_, true)) return;
    const FilledSessions filled(options().sessions);
    Commit(options().sessions, [&](RawWrite& write, int64_t session) {
      write.Put(Table::kTurns, EncodeNumber(filled.AliasOf(session)), TurnRow(1));
    });
  }

  void Create(Caller& caller) override {
    const SessionContent session = FreshSession(caller);
    RawWrite write(*store_);
    CheckThat(!write.Get(Table::kPublicKeys, HashOfKey(session.public_key)).has_value(),
              "a fresh key pair is not in use");
    Put(write, session);
    write.Put(Table::kMeta, meta::kTime, EncodeNumber(static_cast<uint64_t>(NowMicros())));
    write.Commit();
  }

  void Turn(Caller& caller, int64_t session, uint64_t generation) override {
    const std::string alias = EncodeNumber(FilledSessions(caller.sessions).AliasOf(session));
    RawWrite write(*store_);
    CheckThat(write.Get(Table::kSessions, alias).has_value(), "the session is there");
    const auto row = write.Get(Table::kTurns, alias);
    CheckThat(row.has_value() && DecodeNumber(row->substr(0, 8)) == generation,
              "the generation is the one that the last turn left");
    write.Put(Table::kTurns, alias, TurnRow(generation + 1));
    write.Put(Table::kMeta, meta::kTime, EncodeNumber(static_cast<uint64_t>(NowMicros())));
    write.Commit();
  }

  void Find(Caller& caller, int64_t session) override {
    const std::string alias = EncodeNumber(FilledSessions(caller.sessions).AliasOf(session));
    RawRead& read = ReadOf(caller);
    read.Begin();
    const SessionContent content = DecodeContent(read.Get(Table::kSessions, alias));
    read.End();
    CheckThat(EncodeNumber(content.alias) == alias, "the session is found");
  }

  void FindByPublicKey(Caller& caller, int64_t session) override {
    const std::string public_key = FilledSessions(caller.sessions).PublicKeyOf(session);
    RawRead& read = ReadOf(caller);
    read.Begin();
    const absl::string_view alias = read.Get(Table::kPublicKeys, HashOfKey(public_key));
    const SessionContent content = DecodeContent(read.Get(Table::kSessions, alias));
    read.End();
    CheckThat(content.public_key == public_key, "the session is found");
  }

 private:
  // `put` for each session, many in a transaction.
  template <typename PutOne>
  void Commit(int64_t sessions, PutOne put) {
    for (int64_t session = 0; session < sessions;) {
      const int64_t until = std::min(sessions, session + kSessionsPerCommit);
      RawWrite write(*store_);
      for (; session < until; ++session) put(write, session);
      write.Commit();
    }
  }

  void Put(RawWrite& write, const SessionContent& session) {
    const std::string alias = EncodeNumber(session.alias);
    const std::string principal = HashOf(session.principal);
    const std::string database = HashOf(session.database);
    const std::string expires_at = EncodeNumber(static_cast<uint64_t>(session.expires_at_us));
    const std::string population = absl::StrCat(EncodeNumber(++live_), alias);
    write.Put(Table::kMeta, meta::kLastAlias, alias);
    write.Put(Table::kSessions, alias, EncodeContent(session));
    write.Put(Table::kPublicKeys, HashOfKey(session.public_key), alias);
    write.Put(Table::kPrincipals, absl::StrCat(principal, alias), "");
    write.Put(Table::kDatabases, absl::StrCat(database, alias), "");
    write.Put(Table::kPrincipals, principal, population);
    write.Put(Table::kDatabases, database, population);
    write.Put(Table::kMeta, meta::kLive, population);
    write.Put(Table::kExpiries, absl::StrCat(expires_at, alias), "");
  }

  RawRead& ReadOf(const Caller& caller) { return *reads_[static_cast<size_t>(caller.index)]; }

  std::unique_ptr<RawStore> store_;
  std::vector<std::unique_ptr<RawRead>> reads_;  // of each caller
  bool turned_ = false;                          // every session has its row of `turns`
  uint64_t live_ = 0;                            // touched only inside a write transaction
};

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  batonstore::benchmarks::LmdbPeer peer;
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
