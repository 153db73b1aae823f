// Fuzzes what reads the rows of `meta`: whatever value one of them has, opening and verification
// end with a verdict, or the store works, and neither gives an alias that is in use nor revives
// what has ended. Verification calls the store sound only if the row is what it was.
//
// An input is the number of the row (1 byte), marks (1) and the value. The marks: 1, the value is
// given the seal, or the hash, of a row that this store has written; 2, the root row is moved
// along; 4, the row is missing.

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/keyring.h"
#include "batonstore/crypto/random.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/recovery_pass.h"
#include "batonstore/recovery/verify_file.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/engine.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/number.h"
#include "batonstore/store/policy.h"
#include "batonstore/store/reseal.h"
#include "batonstore/store/root.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/store_keys.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/fake_clock.h"
#include "tests/support/full_store.h"
#include "tests/support/fuzz_target.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::testing {
namespace {

// By their numbers in an input.
constexpr std::array kRows = {meta::kFormat,    meta::kStoreId,  meta::kIncarnation, meta::kEpoch,
                              meta::kLastAlias, meta::kLive,     meta::kLastEvent,   meta::kTime,
                              meta::kClosed,    meta::kDataKeys, meta::kKeyring,     meta::kRoot,
                              meta::kIndexMark, meta::kReseal};

constexpr uint8_t kMadeWhole = 1;
constexpr uint8_t kRootMoved = 2;
constexpr uint8_t kMissing = 4;

// Of a row; nothing when it is missing.
using Value = std::optional<std::string>;

// A root that says what the bytes say.
Root RootOf(absl::string_view value) {
  InputBytes bytes(value);
  Root root;
  root.sequence = bytes.U64();
  for (TableSum& sum : root.tables) {
    sum.rows = bytes.U64();
    sum.hash = bytes.U64();
  }
  return root;
}

// What a store that has been opened in spite of it does.
class Trial {
 public:
  // `ended` are the sessions that must stay so.
  Trial(SessionStore& store, const std::map<Alias, bool>& ended) : store_(store), ended_(ended) {}

  void Run() {
    Look();
    Insert();
    RequireVerdict(store_.Sweep().status());
    RequireVerdict(store_.RevokeAll("principal 2"));
    RequireVerdict(store_.RotateSigningKey().status());
    RequireVerdict(store_.Stats().status());
    Look();
    RequireVerdict(store_.Close());
  }

 private:
  void Look() {
    RequireVerdict(store_.List({}, 1000, std::nullopt).status());
    for (const auto& [alias, has_ended] : ended_) {
      const absl::StatusOr<Session> found = store_.Find(alias);
      if (!RequireVerdict(found.status())) continue;
      Require(!has_ended || IsTerminal(found->state), "a session that had ended lives");
    }
  }

  void Insert() {
    const absl::StatusOr<Session> reserved = store_.Reserve(LastingSpec());
    if (!RequireVerdict(reserved.status())) return;
    Require(!ended_.contains(reserved->alias), "an alias was given twice");
    RequireVerdict(store_.Create(reserved->alias));
    const absl::StatusOr<std::string> baton = store_.Issue(reserved->alias);
    if (!RequireVerdict(baton.status())) return;
    RequireVerdict(store_.Verify(*baton, reserved->database, reserved->principal).status());
  }

  SessionStore& store_;
  const std::map<Alias, bool>& ended_;
};

// A store, made once: its file, its rows, and what its sessions were like.
class Subject {
 public:
  Subject() {
    MakeFullStore(directory_);
    opened_at_ = absl::Now();
    sound_ = ReadFile(data_file_);
    rows_ = *ReadFileRows(data_file_);
    key_.emplace(*recovery::KeyFromFile(directory_ + "/key")());
    MemoryEngine engine(InMemory(rows_));
    keys_ = std::move(recovery::ReadIdentity(engine, *key_, SystemRandom())->keys);
    NoteEnded();
  }

  // Whether it was taken for a store, sound or not.
  bool Try(absl::string_view name, uint8_t marks, absl::string_view bytes) const {
    const Value value = ValueFrom(name, marks, bytes);
    const bool root_moves = (marks & kRootMoved) != 0 && name != meta::kRoot;
    Verify(name, value, root_moves ? RootRow::kMoved : RootRow::kLeft);
    return Recover(name, value);
  }

 private:
  static MemoryEngine::Rows InMemory(const FileRows& rows) {
    MemoryEngine::Rows tables;
    for (const auto& [row, value] : rows) tables[TableIndex(row.first)][row.second] = value;
    return tables;
  }

  Value ValueOf(absl::string_view name) const {
    const auto row = rows_.find({Table::kMeta, std::string(name)});
    return row == rows_.end() ? Value() : Value(row->second);
  }

  Value ValueFrom(absl::string_view name, uint8_t marks, absl::string_view bytes) const {
    if ((marks & kMissing) != 0) return std::nullopt;
    return (marks & kMadeWhole) != 0 ? Whole(name, bytes) : std::string(bytes);
  }

  std::string Whole(absl::string_view name, absl::string_view bytes) const {
    if (name == meta::kRoot) return keys_->MakeRootHash()->Encode(RootOf(bytes));
    if (name != meta::kDataKeys && name != meta::kKeyring) return std::string(bytes);
    return SealUnderKeyEncryptionKey(*key_, *ValueOf(meta::kStoreId), name,
                                     SecretBytes(std::string(bytes)), SystemRandom());
  }

  static void Put(absl::string_view name, const Value& value, Transaction& transaction) {
    const absl::Status put = value.has_value() ? transaction.Put(Table::kMeta, name, *value)
                                               : transaction.Delete(Table::kMeta, name).status();
    Require(put.ok(), "the row cannot be changed");
  }

  void Verify(absl::string_view name, const Value& value, RootRow root_row) const {
    WriteFile(data_file_, sound_);
    EditRows(
        directory_, [&](Transaction& transaction) { Put(name, value, transaction); }, root_row);
    const absl::StatusOr<recovery::VerifyReport> report =
        recovery::VerifyQuietFile(data_file_, *key_, SystemClock(), nullptr);
    const bool is_sound = RequireVerdict(report.status()) && report->is_sound();
    if (root_row == RootRow::kMoved) return;  // it may be what a store could have written
    Require(is_sound == (value == ValueOf(name)), "verification is mistaken about the row");
  }

  bool Recover(absl::string_view name, const Value& value) const {
    MemoryEngine::Rows rows = InMemory(rows_);
    MemoryEngine::TableRows& meta_rows = rows[TableIndex(Table::kMeta)];
    meta_rows.erase(std::string(name));
    if (value.has_value()) meta_rows.emplace(name, *value);
    auto engine = std::make_unique<MemoryEngine>(std::move(rows));
    absl::StatusOr<recovery::Identity> identity =
        recovery::ReadIdentity(*engine, *key_, SystemRandom());
    if (!RequireVerdict(identity.status())) {
      return VerdictOf(identity.status()) != Verdict::kWrongFormat;
    }
    engine->KeepRoot(identity->keys->MakeRootHash());
    FakeClock clock(opened_at_);
    absl::StatusOr<recovery::RecoveryPass::Result> result = recovery::RecoveryPass::Run(
        {std::move(engine), *std::move(identity), key_->Clone(), &clock, &SystemRandom()});
    if (!RequireVerdict(result.status())) return true;
    ScriptedKeys pairs([](uint64_t draw) { return draw; });
    SessionStore store(std::move(result->recovered), pairs, Policy());
    Trial(store, ended_).Run();
    return true;
  }

  void NoteEnded() {
    for (const auto& [row, value] : rows_) {
      if (row.first != Table::kSessions) continue;
      const absl::StatusOr<std::string> bytes = keys_->OpenRow(row.first, row.second, value);
      const Alias alias = *Alias::FromKey(row.second);
      ended_[alias] = IsTerminal(DecodeSession(alias, *bytes)->session.state);
    }
  }

  TempDir folder_;
  const std::string directory_ = folder_ / "store";
  const std::string data_file_ = directory_ + "/data.mdb";
  absl::Time opened_at_;
  std::string sound_;
  FileRows rows_;
  std::optional<SecretBytes> key_;
  std::unique_ptr<StoreKeys> keys_;
  std::map<Alias, bool> ended_;  // every session
};

// ---- Seeds ----

std::string Input(absl::string_view name, uint8_t marks, absl::string_view value) {
  const auto row = std::find(kRows.begin(), kRows.end(), name) - kRows.begin();
  return std::string({static_cast<char>(row), static_cast<char>(marks)}) + std::string(value);
}

}  // namespace

bool TryInput(absl::string_view input) {
  KeepTempDirsInMemory();
  static const Subject subject;
  InputBytes bytes(input);
  const absl::string_view name = kRows[bytes.U8() % kRows.size()];
  const uint8_t marks = bytes.U8();
  return subject.Try(name, marks, bytes.rest());
}

std::map<std::string, std::string> MakeSeeds() {
  const std::string last = EncodeNumber(~uint64_t{0});
  const IndexMark merging = {.done = Alias(1),
                             .target = Alias(2),
                             .cursor = {.table = Table::kDatabases, .hash = 3, .alias = Alias(2)}};
  const ResealMark resealing = {.rows = 5, .table = Table::kTurns, .after = Alias(7).ToKey()};
  const DataKeys rotated = DataKeys::Create(SystemRandom()).Rotated(SystemRandom());
  const Keyring ring = Keyring::Create(SystemRandom(), "incarnation no 1");
  return {
      {"format", Input(meta::kFormat, 0, EncodeNumber(kFormatVersion))},
      {"store_id", Input(meta::kStoreId, 0, std::string(kStoreIdBytes, 'i'))},
      {"incarnation", Input(meta::kIncarnation, kRootMoved, std::string(16, 'i'))},
      {"epoch", Input(meta::kEpoch, kRootMoved, last)},
      {"last_alias", Input(meta::kLastAlias, kRootMoved, last)},
      {"last_alias_zero", Input(meta::kLastAlias, 0, EncodeNumber(0))},
      {"live", Input(meta::kLive, kRootMoved, EncodeNumber(0) + last)},
      {"live_missing", Input(meta::kLive, kMissing | kRootMoved, "")},
      {"last_event", Input(meta::kLastEvent, kRootMoved, last)},
      {"time", Input(meta::kTime, kRootMoved, last)},
      {"time_later", Input(meta::kTime, 0, EncodeNumber(uint64_t{1} << 60))},
      {"closed", Input(meta::kClosed, 0, EncodeNumber(7))},
      {"data_keys", Input(meta::kDataKeys, kMadeWhole | kRootMoved, rotated.Serialize().Reveal())},
      {"keyring", Input(meta::kKeyring, kMadeWhole, ring.Serialize().Reveal())},
      {"root", Input(meta::kRoot, kMadeWhole, EncodeNumber(9) + EncodeNumber(13))},
      {"reseal", Input(meta::kReseal, kRootMoved, EncodeResealMark(resealing))},
      {"index_mark", Input(meta::kIndexMark, kRootMoved, EncodeIndexMark(merging))}};
}

}  // namespace batonstore::testing
