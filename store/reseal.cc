#include "batonstore/store/reseal.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/store/number.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

constexpr size_t kNumberBytes = 8;
constexpr uint64_t kMostBytes = uint64_t{256} << 10;

constexpr std::array kSealedTables = {
    Table::kSessions, Table::kReservations,  Table::kTurns, Table::kAttributes,
    Table::kRevoked,  Table::kCompensations, Table::kOutbox};

struct Row {
  std::string key;
  std::string value;
};

struct Piece {
  std::vector<Row> rows;
  bool is_last = true;  // of its table
};

// The rows after the mark, copied: views of them end with the first that is written.
absl::StatusOr<Piece> NextPiece(Snapshot& snapshot, const ResealMark& mark, uint64_t most) {
  Piece piece;
  uint64_t bytes = 0;
  BATONSTORE_RETURN_IF_ERROR(
      snapshot.ScanUp(mark.table, mark.after, [&](absl::string_view key, absl::string_view value) {
        if (key == mark.after) return true;
        piece.is_last = piece.rows.size() < most && bytes < kMostBytes;
        if (!piece.is_last) return false;
        piece.rows.push_back({std::string(key), std::string(value)});
        bytes += value.size();
        return true;
      }));
  return piece;
}

// The private key of a row is sealed on its own, and may be older than the row.
absl::Status ResealSession(Transaction& transaction, const StoreKeys& keys, const Row& row) {
  const std::optional<Alias> alias = Alias::FromKey(row.key);
  if (!alias.has_value()) return CorruptRow(Table::kSessions, row.key);
  BATONSTORE_ASSIGN_OR_RETURN(const std::string plaintext,
                              keys.OpenRow(Table::kSessions, row.key, row.value));
  std::optional<SessionRecord> record = DecodeSession(*alias, plaintext);
  if (!record.has_value()) return CorruptRow(Table::kSessions, row.key);
  BATONSTORE_ASSIGN_OR_RETURN(const bool has_changed, ResealPrivateKey(keys, *record));
  if (!has_changed && keys.IsCurrent(row.value)) return absl::OkStatus();
  return PutSession(transaction, keys, *record);
}

absl::Status ResealRow(Transaction& transaction, const StoreKeys& keys, Table table,
                       const Row& row) {
  if (table == Table::kSessions) return ResealSession(transaction, keys, row);
  if (keys.IsCurrent(row.value)) return absl::OkStatus();
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes plaintext,
                              keys.OpenSecretRow(table, row.key, row.value));
  return PutSealed(transaction, keys, table, row.key, plaintext.Reveal());
}

}  // namespace

std::string EncodeResealMark(const ResealMark& mark) {
  const char table = static_cast<char>(mark.table);
  return absl::StrCat(EncodeNumber(mark.rows), absl::string_view(&table, 1), mark.after);
}

std::optional<ResealMark> DecodeResealMark(absl::string_view bytes) {
  if (bytes.size() <= kNumberBytes) return std::nullopt;
  const auto table = static_cast<Table>(bytes[kNumberBytes]);
  if (std::find(kSealedTables.begin(), kSealedTables.end(), table) == kSealedTables.end()) {
    return std::nullopt;
  }
  return ResealMark{*DecodeNumber(bytes.substr(0, kNumberBytes)), table,
                    std::string(bytes.substr(kNumberBytes + 1))};
}

absl::StatusOr<std::optional<ResealMark>> GetResealMark(Snapshot& snapshot) {
  BATONSTORE_ASSIGN_OR_RETURN(const auto row, snapshot.Get(Table::kMeta, meta::kReseal));
  if (!row.has_value()) return std::nullopt;
  std::optional<ResealMark> mark = DecodeResealMark(*row);
  if (!mark.has_value()) return CorruptRow(Table::kMeta, meta::kReseal);
  return mark;
}

absl::StatusOr<ResealProgress> GetResealProgress(Snapshot& snapshot) {
  ResealProgress progress;
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<ResealMark> mark, GetResealMark(snapshot));
  if (!mark.has_value()) return progress;
  progress.is_rotating = true;
  progress.done = mark->rows;
  for (const Table table : kSealedTables) {
    BATONSTORE_ASSIGN_OR_RETURN(const uint64_t rows, snapshot.Count(table));
    progress.total += rows;
  }
  progress.done = std::min(progress.done, progress.total);
  return progress;
}

absl::StatusOr<bool> ResealPrivateKey(const StoreKeys& keys, SessionRecord& record) {
  if (record.sealed_private_key.empty() || keys.IsCurrentPrivateKey(record.sealed_private_key)) {
    return false;
  }
  KeyPair pair;
  pair.type = record.session.key_type;
  pair.public_key = record.session.public_key;
  BATONSTORE_ASSIGN_OR_RETURN(
      pair.private_key, keys.OpenPrivateKey(pair.type, pair.public_key, record.sealed_private_key));
  record.sealed_private_key = keys.SealPrivateKey(pair);
  return true;
}

absl::StatusOr<bool> ResealPiece(Transaction& transaction, const StoreKeys& keys, uint64_t most) {
  BATONSTORE_ASSIGN_OR_RETURN(std::optional<ResealMark> mark, GetResealMark(transaction));
  if (!mark.has_value()) return MissingRow(Table::kMeta, meta::kReseal);
  BATONSTORE_ASSIGN_OR_RETURN(const Piece piece, NextPiece(transaction, *mark, most));
  for (const Row& row : piece.rows) {
    BATONSTORE_RETURN_IF_ERROR(ResealRow(transaction, keys, mark->table, row));
  }
  mark->rows += piece.rows.size();
  if (piece.is_last) {  // at once: what comes from now on is sealed under the new key
    const auto next = std::find(kSealedTables.begin(), kSealedTables.end(), mark->table) + 1;
    if (next == kSealedTables.end()) return true;
    mark->table = *next;
    mark->after.clear();
  } else {
    mark->after = piece.rows.back().key;
  }
  BATONSTORE_RETURN_IF_ERROR(transaction.Put(Table::kMeta, meta::kReseal, EncodeResealMark(*mark)));
  return false;
}

}  // namespace batonstore
