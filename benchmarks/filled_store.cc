#include "benchmarks/filled_store.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/admission.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/group_committer.h"
#include "batonstore/store/index_merge.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session_table.h"
#include "libraries/liblmdb/lmdb.h"

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kCreationsPerCommit = GroupCommitter::kMaxBatch;  // so that merges keep up
constexpr int64_t kTurnsPerCommit = 50'000;
constexpr absl::Duration kApart = absl::Milliseconds(1);
constexpr uint64_t kEpoch = 1;
constexpr uint64_t kMapBytes = uint64_t{16} << 30;

void Write(Engine& engine, absl::FunctionRef<void(Transaction&)> body) {
  const Engine::Outcome outcome = engine.Write([&](Transaction& transaction) {
    body(transaction);
    return Engine::Decision::kCommit;
  });
  CheckOk(outcome.status);
}

void CheckLmdb(int code) { CheckThat(code == MDB_SUCCESS, mdb_strerror(code)); }

// A transaction of 50,000 sessions has disk space allocated for the worst that it may come to,
// which no store that was filled by its callers has.
void FreeUnusedEnd(const std::string& data_file) {
  MDB_env* env = nullptr;
  MDB_envinfo info{};
  MDB_stat stat{};
  CheckLmdb(mdb_env_create(&env));
  CheckLmdb(mdb_env_open(env, data_file.c_str(), MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600));
  CheckLmdb(mdb_env_info(env, &info));
  CheckLmdb(mdb_env_stat(env, &stat));
  mdb_env_close(env);
  std::filesystem::resize_file(data_file, (info.me_last_pgno + 1) * stat.ms_psize);
}

}  // namespace

SecretBytes FilledStore::KeyEncryptionKey() {
  return SecretBytes(std::string(kKeyEncryptionKeyBytes, 'k'));
}

FilledStore::FilledStore(const Filling& filling) {
  Open();
  CheckOk(store_->Close());
  EditClosed([&](Engine& engine, const recovery::Identity& identity) {
    Fill(engine, *identity.keys, filling);
  });
  Open();
}

void FilledStore::Open() {
  recovery::Options options;
  options.directory = folder_.path();
  options.key_encryption_key = KeyEncryptionKey;
  options.map_bytes = kMapBytes;
  options.sweep_every = absl::InfiniteDuration();
  options.clock = &clock_;
  store_.reset();
  store_ = ValueOf(recovery::Open(options));
}

void FilledStore::EditClosed(absl::FunctionRef<void(Engine&, const recovery::Identity&)> edit) {
  WithClosed(edit);
  FreeUnusedEnd(data_file());
}

void FilledStore::WithClosed(absl::FunctionRef<void(Engine&, const recovery::Identity&)> edit) {
  const LmdbEnvironment::Options options{folder_.path(), false, kMapBytes,
                                         kMapBytes,      8,     kAllTables.size()};
  auto registration = ValueOf(OpenEnvironment::Register(folder_.path(), [] {}));
  auto environment = ValueOf(LmdbEnvironment::Open(options, std::move(registration)));
  const auto engine = ValueOf(LmdbEngine::Open(std::move(environment)));
  const recovery::Identity identity =
      ValueOf(recovery::ReadIdentity(*engine, KeyEncryptionKey(), SystemRandom()));
  engine->KeepRoot(identity.keys->MakeRootHash());
  edit(*engine, identity);
}

void FilledStore::Fill(Engine& engine, const StoreKeys& keys, const Filling& filling) {
  IndexTail tail;
  const SessionTable table(keys, tail);
  IndexMerge merge(tail, {});
  const absl::Time end = clock_.Wall();
  absl::Time now = end - filling.sessions * kApart;
  int64_t filled = 0;
  while (filled < filling.sessions) {
    Write(engine, [&](Transaction& transaction) {
      CheckOk(merge.Begin(transaction).status());
      const int64_t until = std::min(filling.sessions, filled + kCreationsPerCommit);
      for (; filled < until; ++filled, now += kApart) {
        FillOne(transaction, table, filling.spec(filled), filling.fields, now);
      }
      CheckOk(PutMetaNumber(transaction, meta::kTime, EncodeTime(end)));
    });
    tail.End(/*committed=*/true);
  }
}

void FilledStore::FillOne(Transaction& transaction, const SessionTable& table,
                          const SessionSpec& spec, const Fields& fields, absl::Time now) {
  constexpr size_t kKeyBytes = 32;
  const KeyPair pair{spec.key_type, std::string(RandomSecret(SystemRandom(), kKeyBytes).Reveal()),
                     RandomSecret(SystemRandom(), kKeyBytes)};
  Applicant applicant(spec, fields, RecordFor(spec, State::kCreated), kEpoch);
  applicant.record.session.public_key = pair.public_key;
  applicant.record.sealed_private_key = table.keys().SealPrivateKey(pair);
  CheckOk(Admit(transaction, table, applicant, now));
  CheckThat(applicant.outcome == Applicant::Outcome::kAdmitted, "the session was let in");
  aliases_.push_back(applicant.session.alias);
  row_bytes_ = 1 + Sealer::kOverhead + EncodeSession(applicant.record).size();
}

void FilledStore::UnsayRevocations() {
  CheckOk(store_->Close());
  EditClosed([](Engine& engine, const recovery::Identity&) {
    Write(engine, [](Transaction& transaction) {
      std::vector<std::string> marks;
      CheckOk(
          transaction.ScanUp(Table::kRevoked, "", [&](absl::string_view key, absl::string_view) {
            marks.emplace_back(key);
            return true;
          }));
      for (const std::string& mark : marks) {
        CheckOk(transaction.Delete(Table::kRevoked, mark).status());
      }
    });
  });
  Open();
}

void FilledStore::RotateBatons(absl::string_view digest) {
  CheckOk(store_->Close());
  EditClosed([&](Engine& engine, const recovery::Identity& identity) {
    IndexTail none;  // turns change no index
    const SessionTable table(*identity.keys, none);
    const absl::Time now = clock_.Wall();
    for (size_t rotated = 0; rotated < aliases_.size();) {
      Write(engine, [&](Transaction& transaction) {
        const size_t until = std::min<size_t>(aliases_.size(), rotated + kTurnsPerCommit);
        for (; rotated < until; ++rotated) {
          StoredSession session = ValueOf(table.Get(transaction, aliases_[rotated], now));
          TurnRecord turn{.last_used = now, .generation = 1, .last = TurnRecord::Last::kFinished};
          turn.digest = std::string(digest);
          turn.successor = identity.keyring->Mint({.kind = BatonKind::kSession,
                                                   .id = aliases_[rotated].value(),
                                                   .generation = turn.generation,
                                                   .epoch = identity.epoch});
          CheckOk(table.PutTurn(transaction, session, std::move(turn)));
        }
      });
    }
  });
  Open();
}

}  // namespace batonstore::benchmarks
