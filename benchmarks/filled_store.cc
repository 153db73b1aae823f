#include "benchmarks/filled_store.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/store/admission.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/index_merge.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/lmdb_engine.h"
#include "batonstore/store/lmdb_environment.h"
#include "batonstore/store/open_environments.h"
#include "batonstore/store/rows.h"
#include "batonstore/store/session_table.h"

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kSessionsPerCommit = 50'000;
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

}  // namespace

SecretBytes FilledStore::KeyEncryptionKey() {
  return SecretBytes(std::string(kKeyEncryptionKeyBytes, 'k'));
}

FilledStore::FilledStore(const Filling& filling) {
  Open();
  CheckOk(store_->Close());
  EditClosed([&](Engine& engine, const StoreKeys& keys) { Fill(engine, keys, filling); });
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

void FilledStore::EditClosed(absl::FunctionRef<void(Engine&, const StoreKeys&)> edit) {
  const LmdbEnvironment::Options options{folder_.path(), false, kMapBytes,
                                         kMapBytes,      8,     kAllTables.size()};
  auto registration = ValueOf(OpenEnvironment::Register(folder_.path(), [] {}));
  auto environment = ValueOf(LmdbEnvironment::Open(options, std::move(registration)));
  const auto engine = ValueOf(LmdbEngine::Open(std::move(environment)));
  const recovery::Identity identity =
      ValueOf(recovery::ReadIdentity(*engine, KeyEncryptionKey(), SystemRandom()));
  engine->KeepRoot(identity.keys->MakeRootHash());
  edit(*engine, *identity.keys);
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
      const int64_t until = std::min(filling.sessions, filled + kSessionsPerCommit);
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
  EditClosed([](Engine& engine, const StoreKeys&) {
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

}  // namespace batonstore::benchmarks
