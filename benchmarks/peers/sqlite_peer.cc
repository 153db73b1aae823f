// SQLite: a write-ahead log, every commit synchronised, statements prepared once. One connection
// writes, its callers taking turns at a mutex, which is faster than to be told SQLITE_BUSY; each
// caller reads by a connection of its own.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/mutex.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/scratch.h"
#include "sqlite3.h"

namespace batonstore::benchmarks {
namespace {

constexpr char kSchema[] = R"(
  CREATE TABLE sessions (
    alias INTEGER PRIMARY KEY,
    label TEXT NOT NULL,
    principal TEXT NOT NULL,
    database TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    sealed_private_key BLOB NOT NULL);
  CREATE UNIQUE INDEX sessions_public_key ON sessions (public_key);
  CREATE INDEX sessions_principal ON sessions (principal, alias);
  CREATE INDEX sessions_database ON sessions (database, alias);
  CREATE INDEX sessions_expires_at ON sessions (expires_at, alias);
)";
constexpr char kInsert[] = "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
constexpr char kUpdate[] =
    "UPDATE sessions SET generation = ?2 + 1, last_used = ?3 WHERE alias = ?1 AND generation = ?2";
constexpr char kFind[] = "SELECT * FROM sessions WHERE alias = ?1";
constexpr char kFindKey[] = "SELECT * FROM sessions WHERE public_key = ?1";
constexpr char kList[] = "SELECT * FROM sessions WHERE principal = ?1 ORDER BY alias";
constexpr int kCacheKibibytes = 256 << 10;

class Connection {
 public:
  explicit Connection(const std::string& file) {
    Check(sqlite3_open(file.c_str(), &db_));
    Execute(absl::StrCat("PRAGMA cache_size = -", kCacheKibibytes));
  }
  ~Connection() { sqlite3_close(db_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Execute(const std::string& sql) {
    Check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr));
  }
  void Check(int code) const {
    CheckThat(code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE,
              db_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db_));
  }
  sqlite3* db() { return db_; }

 private:
  sqlite3* db_ = nullptr;
};

// Of a connection, which must outlive it.
class Statement {
 public:
  Statement(Connection& connection, const char* sql) : connection_(connection) {
    connection_.Check(sqlite3_prepare_v3(connection_.db(), sql, -1, SQLITE_PREPARE_PERSISTENT,
                                         &statement_, nullptr));
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void Bind(int place, int64_t number) {
    connection_.Check(sqlite3_bind_int64(statement_, place, number));
  }
  void BindText(int place, absl::string_view text) {
    connection_.Check(sqlite3_bind_text64(statement_, place, text.data(), text.size(),
                                          SQLITE_STATIC, SQLITE_UTF8));
  }
  void BindBlob(int place, absl::string_view bytes) {
    connection_.Check(
        sqlite3_bind_blob64(statement_, place, bytes.data(), bytes.size(), SQLITE_STATIC));
  }

  // Whether there is a row.
  bool Step() {
    const int code = sqlite3_step(statement_);
    connection_.Check(code);
    return code == SQLITE_ROW;
  }
  void Reset() { connection_.Check(sqlite3_reset(statement_)); }

  int64_t Number(int column) { return sqlite3_column_int64(statement_, column); }
  std::string Bytes(int column) {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  Connection& connection_;
  sqlite3_stmt* statement_ = nullptr;
};

// The row that a SELECT * stands at.
SessionContent Row(Statement& statement) {
  SessionContent session;
  session.alias = static_cast<uint64_t>(statement.Number(0));
  session.principal = statement.Bytes(2);
  session.database = statement.Bytes(3);
  session.created_at_us = statement.Number(4);
  session.expires_at_us = statement.Number(5);
  session.last_used_us = statement.Number(6);
  session.generation = static_cast<uint64_t>(statement.Number(7));
  session.public_key = statement.Bytes(8);
  session.sealed_private_key = statement.Bytes(9);
  return session;
}

struct Reader {
  explicit Reader(const std::string& file) : connection(file) {}
  Connection connection;
  Statement find{connection, kFind};
  Statement find_key{connection, kFindKey};
  Statement list{connection, kList};
};

class SqlitePeer final : public Peer {
 public:
  std::string Name() const override { return "sqlite"; }
  std::string Version() const override { return absl::StrCat("SQLite ", sqlite3_libversion()); }
  std::vector<Question> Questions() const override {
    return {Question::kCreate, Question::kTurn, Question::kFind, Question::kFindKey,
            Question::kList};
  }

  void Fill(const PeerOptions& options) override {
    const std::string file = options.folder + "/sessions.db";
    writer_ = std::make_unique<Connection>(file);
    writer_->Execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    writer_->Execute(kSchema);
    insert_ = std::make_unique<Statement>(*writer_, kInsert);
    writer_->Execute("BEGIN");
    const FilledSessions filled(options.sessions);
    for (int64_t i = 0; i < options.sessions; ++i) Insert(filled.Session(i));
    writer_->Execute("COMMIT");
    writer_->Execute("PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL");
    update_ = std::make_unique<Statement>(*writer_, kUpdate);
    for (int i = 0; i < options.callers; ++i) readers_.push_back(std::make_unique<Reader>(file));
  }

  // A statement of its own is a transaction; the unique index refuses a key that is in use.
  void Create(Caller& caller) override {
    const SessionContent session = FreshSession(caller);
    const MutexLock lock(mu_);
    Insert(session);
  }

  void Turn(Caller& caller, int64_t session, uint64_t generation) override {
    const uint64_t alias = FilledSessions(caller.sessions).AliasOf(session);
    const MutexLock lock(mu_);
    update_->Bind(1, static_cast<int64_t>(alias));
    update_->Bind(2, static_cast<int64_t>(generation));
    update_->Bind(3, NowMicros());
    update_->Step();
    update_->Reset();
    CheckThat(sqlite3_changes(writer_->db()) == 1,
              "the generation is the one that the last turn left");
  }

  void Find(Caller& caller, int64_t session) override {
    const uint64_t alias = FilledSessions(caller.sessions).AliasOf(session);
    Statement& find = ReaderOf(caller).find;
    find.Bind(1, static_cast<int64_t>(alias));
    CheckThat(find.Step() && Row(find).alias == alias, "the session is found");
    find.Reset();
  }

  void FindByPublicKey(Caller& caller, int64_t session) override {
    const std::string public_key = FilledSessions(caller.sessions).PublicKeyOf(session);
    Statement& find = ReaderOf(caller).find_key;
    find.BindBlob(1, public_key);
    CheckThat(find.Step() && Row(find).public_key == public_key, "the session is found");
    find.Reset();
  }

  void ListOfPrincipal(Caller& caller, int64_t principal) override {
    const std::string name = PrincipalName(principal);
    Statement& list = ReaderOf(caller).list;
    list.BindText(1, name);
    int64_t found = 0;
    for (; list.Step(); ++found) CheckThat(Row(list).principal == name, "it is the principal's");
    list.Reset();
    CheckThat(found > 0, "the principal has sessions");
  }

 private:
  void Insert(const SessionContent& session) {
    insert_->Bind(1, static_cast<int64_t>(session.alias));
    insert_->BindText(2, kLabel);
    insert_->BindText(3, session.principal);
    insert_->BindText(4, session.database);
    insert_->Bind(5, session.created_at_us);
    insert_->Bind(6, session.expires_at_us);
    insert_->Bind(7, session.last_used_us);
    insert_->Bind(8, static_cast<int64_t>(session.generation));
    insert_->BindBlob(9, session.public_key);
    insert_->BindBlob(10, session.sealed_private_key);
    insert_->Step();
    insert_->Reset();
  }

  Reader& ReaderOf(const Caller& caller) { return *readers_[static_cast<size_t>(caller.index)]; }

  Mutex mu_;  // of the writer and its statements, once it is filled
  std::unique_ptr<Connection> writer_;
  std::unique_ptr<Statement> insert_;
  std::unique_ptr<Statement> update_;
  std::vector<std::unique_ptr<Reader>> readers_;  // of each caller
};

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  batonstore::benchmarks::SqlitePeer peer;
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
