#include "batonstore/store/lmdb_engine.h"

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/lmdb_status.h"
#include "libraries/liblmdb/lmdb.h"

namespace batonstore {
namespace {

using Tables = std::array<LmdbTable, kAllTables.size()>;

// What a snapshot and a write transaction read alike. `Base` is the interface that it implements.
template <typename Base>
class LmdbReading : public Base {
 public:
  LmdbReading(LmdbTransaction transaction, const Tables& tables)
      : transaction_(std::move(transaction)), tables_(tables) {}

  absl::StatusOr<std::optional<absl::string_view>> Get(Table table,
                                                       absl::string_view key) override {
    absl::string_view value;
    const int code = transaction_.Get(At(table), key, &value);
    if (code == MDB_NOTFOUND) return std::nullopt;
    if (code != MDB_SUCCESS) return Failed(code, "mdb_get", table);
    return value;
  }

  absl::Status ScanUp(Table table, absl::string_view from, Snapshot::Visitor visit) override {
    LmdbCursor cursor(transaction_, At(table));
    for (auto row = cursor.AtLeast(from);; row = cursor.Next()) {
      if (!row.ok()) return Failed(cursor.last_error(), "mdb_cursor_get", table);
      if (!row->has_value() || !visit((*row)->key, (*row)->value)) return absl::OkStatus();
    }
  }

  absl::Status ScanDown(Table table, absl::string_view before, Snapshot::Visitor visit) override {
    LmdbCursor cursor(transaction_, At(table));
    for (auto row = cursor.Below(before);; row = cursor.Previous()) {
      if (!row.ok()) return Failed(cursor.last_error(), "mdb_cursor_get", table);
      if (!row->has_value() || !visit((*row)->key, (*row)->value)) return absl::OkStatus();
    }
  }

  absl::StatusOr<uint64_t> Count(Table table) override {
    uint64_t rows = 0;
    const int code = transaction_.Count(At(table), &rows);
    if (code != MDB_SUCCESS) return Failed(code, "mdb_stat", table);
    return rows;
  }

 protected:
  LmdbTable At(Table table) const { return tables_[TableIndex(table)]; }

  absl::Status Failed(int code, absl::string_view call, Table table) {
    OnFailure(code);
    return LmdbStatus(code, absl::StrCat(call, " in ", TableName(table)));
  }

  virtual void OnFailure(int code) = 0;

  LmdbTransaction transaction_;

 private:
  const Tables& tables_;
};

class LmdbSnapshot final : public LmdbReading<Snapshot> {
 public:
  using LmdbReading::LmdbReading;

 private:
  void OnFailure(int) override {}
};

class LmdbWriting final : public LmdbReading<Transaction> {
 public:
  using LmdbReading::LmdbReading;

  uint64_t PagesAtMost() const { return transaction_.PagesAtMost(); }
  uint64_t FreePages() const { return transaction_.FreePages(); }

  int Commit() { return transaction_.Commit(); }

 private:
  absl::Status DoPut(Table table, absl::string_view key, absl::string_view value) override {
    const int code = transaction_.Put(At(table), key, value);
    return code == MDB_SUCCESS ? absl::OkStatus() : Failed(code, "mdb_put", table);
  }

  absl::StatusOr<bool> DoDelete(Table table, absl::string_view key) override {
    const int code = transaction_.Delete(At(table), key);
    if (code == MDB_NOTFOUND) return false;
    if (code != MDB_SUCCESS) return Failed(code, "mdb_del", table);
    return true;
  }

  void OnFailure(int code) override { SetFault(FaultInTransaction(code)); }
};

}  // namespace

absl::StatusOr<std::unique_ptr<LmdbEngine>> LmdbEngine::Open(
    std::unique_ptr<LmdbEnvironment> environment) {
  return OpenTables(std::move(environment), /*create=*/false);
}

absl::StatusOr<std::unique_ptr<LmdbEngine>> LmdbEngine::Create(
    std::unique_ptr<LmdbEnvironment> environment) {
  return OpenTables(std::move(environment), /*create=*/true);
}

absl::StatusOr<std::unique_ptr<LmdbEngine>> LmdbEngine::OpenTables(
    std::unique_ptr<LmdbEnvironment> environment, bool create) {
  Tables tables{};
  for (const Table table : kAllTables) {
    const absl::StatusOr<LmdbTable> opened =
        environment->OpenTable(std::string(TableName(table)), create);
    if (VerdictOf(opened.status()) == Verdict::kNotFound) {
      return Refuse(Verdict::kWrongFormat,
                    absl::StrCat("an LMDB file without the table ", TableName(table),
                                 ": not a batonstore, or of another format"));
    }
    if (!opened.ok()) return opened.status();
    tables[TableIndex(table)] = *opened;
  }
  return std::unique_ptr<LmdbEngine>(new LmdbEngine(std::move(environment), tables));
}

absl::StatusOr<Engine::Space> LmdbEngine::MeasureSpace() {
  BATONSTORE_ASSIGN_OR_RETURN(const LmdbEnvironment::Info info, environment_->Inspect());
  return Space{(info.last_page + 1) * info.page_size, info.map_bytes};
}

absl::StatusOr<std::unique_ptr<Snapshot>> LmdbEngine::DoRead() {
  BATONSTORE_ASSIGN_OR_RETURN(LmdbTransaction transaction, environment_->BeginRead());
  return std::make_unique<LmdbSnapshot>(std::move(transaction), tables_);
}

void LmdbEngine::DoWrite(absl::FunctionRef<Decision(Transaction&)> body, Outcome& outcome) {
  int code = MDB_SUCCESS;
  absl::StatusOr<LmdbTransaction> begun = environment_->BeginWrite(&code);
  if (!begun.ok()) {
    // A panic is LMDB's memory of a commit whose outcome is unknown.
    outcome.fault = code == MDB_PANIC ? Fault::kUnknown : FaultInTransaction(code);
    outcome.status = begun.status();
    return;
  }
  LmdbWriting transaction(*std::move(begun), tables_);
  const Decision decision = body(transaction);
  outcome.fault = transaction.fault();
  if (outcome.fault != Fault::kNone) {
    outcome.status = Refuse(Verdict::kIo, "the transaction failed and was abandoned");
    return;
  }
  if (decision == Decision::kAbandon) return;
  using Reserve = LmdbEnvironment::Reserve;
  const Reserve reserve = decision == Decision::kCommitFromReserve ? Reserve::kUse : Reserve::kKeep;
  outcome.status = environment_->MakeRoom(transaction.PagesAtMost(), reserve,
                                          [&transaction] { return transaction.FreePages(); });
  if (!outcome.status.ok()) {
    outcome.fault = Fault::kDiskFull;
    return;
  }
  outcome.in_commit = true;
  code = transaction.Commit();
  outcome.fault = FaultInCommit(code);
  outcome.status = LmdbStatus(code, "mdb_txn_commit");
}

}  // namespace batonstore
