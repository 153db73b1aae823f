// PostgreSQL with its defaults for durability, over a unix socket: a connection for each caller,
// and a prepared statement, a transaction of its own, for each question.

#include <endian.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/store/number.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/server_process.h"
#include "benchmarks/scratch.h"
#include "postgresql/libpq-fe.h"

namespace batonstore::benchmarks {
namespace {

namespace fs = std::filesystem;

constexpr char kPackages[] = "postgresql libpq-dev";
constexpr absl::Duration kPatience = absl::Seconds(60);  // with a server that starts
constexpr absl::Duration kPause = absl::Milliseconds(20);

// Beyond the callers': for what the server does by itself.
constexpr int kSpareConnections = 10;

// Room in each page, so that a turn need not go to another page and touch every index.
constexpr char kTable[] = R"(
CREATE TABLE sessions (
  alias bigint NOT NULL, principal text NOT NULL, database text NOT NULL,
  created_at bigint NOT NULL, expires_at bigint NOT NULL, last_used bigint NOT NULL,
  generation bigint NOT NULL, public_key bytea NOT NULL, private_key bytea NOT NULL,
  label text NOT NULL
) WITH (fillfactor = 90))";
constexpr char kIndexes[] = R"(
ALTER TABLE sessions ADD PRIMARY KEY (alias);
CREATE UNIQUE INDEX by_public_key ON sessions (public_key);
CREATE INDEX by_principal ON sessions (principal, alias);
CREATE INDEX by_database ON sessions (database, alias);
CREATE INDEX by_expiry ON sessions (expires_at, alias))";
constexpr int kColumns = 10;

constexpr char kCreate[] = "INSERT INTO sessions VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
constexpr char kTurn[] =
    "UPDATE sessions SET generation = generation + 1, last_used = $3 "
    "WHERE alias = $1 AND generation = $2";
constexpr char kFind[] = "SELECT * FROM sessions WHERE alias = $1";
constexpr char kFindByPublicKey[] = "SELECT * FROM sessions WHERE public_key = $1";
constexpr char kList[] = "SELECT * FROM sessions WHERE principal = $1 ORDER BY alias";

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

struct ConnectionDeleter {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using Connection = std::unique_ptr<PGconn, ConnectionDeleter>;

// In the order of the table's columns; numbers are as PostgreSQL has them, 8 bytes, big-endian.
std::vector<std::string> ColumnsOf(const SessionContent& session) {
  return {EncodeNumber(session.alias),
          session.principal,
          session.database,
          EncodeNumber(static_cast<uint64_t>(session.created_at_us)),
          EncodeNumber(static_cast<uint64_t>(session.expires_at_us)),
          EncodeNumber(static_cast<uint64_t>(session.last_used_us)),
          EncodeNumber(session.generation),
          session.public_key,
          session.sealed_private_key,
          std::string(kLabel)};
}

absl::string_view Column(const PGresult* rows, int row, int column) {
  return {PQgetvalue(rows, row, column), static_cast<size_t>(PQgetlength(rows, row, column))};
}

uint64_t NumberColumn(const PGresult* rows, int row, int column) {
  const std::optional<uint64_t> number = DecodeNumber(Column(rows, row, column));
  CheckThat(number.has_value(), "the column has a number");
  return *number;
}

SessionContent SessionOf(const PGresult* rows, int row) {
  SessionContent session;
  session.alias = NumberColumn(rows, row, 0);
  session.principal = std::string(Column(rows, row, 1));
  session.database = std::string(Column(rows, row, 2));
  session.created_at_us = static_cast<int64_t>(NumberColumn(rows, row, 3));
  session.expires_at_us = static_cast<int64_t>(NumberColumn(rows, row, 4));
  session.last_used_us = static_cast<int64_t>(NumberColumn(rows, row, 5));
  session.generation = NumberColumn(rows, row, 6);
  session.public_key = std::string(Column(rows, row, 7));
  session.sealed_private_key = std::string(Column(rows, row, 8));
  return session;
}

void AppendBigEndian(uint32_t number, size_t bytes, std::string& out) {
  const uint32_t big = htobe32(number);
  char all[sizeof(big)];
  std::memcpy(all, &big, sizeof(big));
  out.append(all + sizeof(big) - bytes, bytes);
}

// A row as COPY's binary format has it: the number of columns, then each behind its length.
std::string CopyRow(const SessionContent& session) {
  std::string row;
  AppendBigEndian(kColumns, 2, row);
  for (const std::string& column : ColumnsOf(session)) {
    AppendBigEndian(static_cast<uint32_t>(column.size()), 4, row);
    row += column;
  }
  return row;
}

// Of the newest version that is installed: Debian has each in a folder of its own.
std::optional<std::string> FindPrograms() {
  std::optional<std::string> found;
  int newest = 0;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator("/usr/lib/postgresql", none)) {
    int version = 0;
    const fs::path programs = entry.path() / "bin";
    if (absl::SimpleAtoi(entry.path().filename().string(), &version) && version > newest &&
        fs::exists(programs / "initdb") && fs::exists(programs / "postgres")) {
      newest = version;
      found = programs.string();
    }
  }
  return found;
}

// PostgreSQL refuses to run as root.
std::optional<Account> AccountForServer() {
  if (geteuid() != 0) return std::nullopt;
  for (const char* const name : {"postgres", "nobody"}) {
    const passwd* const entry = getpwnam(name);
    if (entry != nullptr) return Account{entry->pw_uid, entry->pw_gid};
  }
  CheckThat(false, "there is an account to run PostgreSQL, which refuses to run as root");
  return std::nullopt;
}

class PostgresqlPeer final : public Peer {
 public:
  std::string Name() const override { return "postgresql"; }
  std::string Version() const override { return version_; }
  std::vector<Question> Questions() const override;
  void Fill(const PeerOptions& options) override;
  double CpuSeconds() override { return Peer::CpuSeconds() + server_->CpuSeconds(); }
  void Create(Caller& caller) override;
  void Turn(Caller& caller, int64_t session, uint64_t generation) override;
  void Find(Caller& caller, int64_t session) override;
  void FindByPublicKey(Caller& caller, int64_t session) override;
  void ListOfPrincipal(Caller& caller, int64_t principal) override;

 private:
  void StartServer(const std::string& folder, int callers);
  Connection Connect();
  void FillAll(const FilledSessions& filled);
  void PrepareStatements(PGconn* connection);
  Result Execute(const Caller& caller, const char* statement,
                 const std::vector<std::string>& values);

  std::string version_;
  std::unique_ptr<ServerProcess> server_;
  std::vector<Connection> connections_;  // one for each caller
};

void CheckResult(PGconn* connection, const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  CheckThat(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN,
            absl::StrCat("PostgreSQL does it: ", PQerrorMessage(connection)));
}

void Run(PGconn* connection, const std::string& sql) {
  const Result result(PQexec(connection, sql.c_str()));
  CheckResult(connection, result.get());
}

std::vector<Question> PostgresqlPeer::Questions() const {
  return {Question::kCreate, Question::kTurn, Question::kFind, Question::kFindKey, Question::kList};
}

void PostgresqlPeer::Fill(const PeerOptions& options) {
  StartServer(options.folder, options.callers);
  FillAll(FilledSessions(options.sessions));
  for (const Connection& connection : connections_) PrepareStatements(connection.get());
}

void PostgresqlPeer::StartServer(const std::string& folder, int callers) {
  const std::optional<std::string> programs = FindPrograms();
  if (!programs.has_value()) EndMissing(Name(), kPackages);
  const std::string own_folder = absl::StrCat(folder, "/postgresql");
  const std::string data = absl::StrCat(kFolderOfCommand, "/data");
  const std::optional<Account> account = AccountForServer();
  CheckThat(mkdir(own_folder.c_str(), 0700) == 0, "a folder can be made");
  CheckThat(!account.has_value() || chown(own_folder.c_str(), account->user, account->group) == 0,
            "a folder can be given to the account of PostgreSQL");
  RunToEnd({.arguments = {*programs + "/initdb", "-D", data, "--auth=trust", "--username=postgres",
                          "--encoding=UTF8", "--no-locale", "--no-instructions"},
            .folder = own_folder,
            .account = account,
            .quiet = true});
  Command serve = {.arguments = {*programs + "/postgres", "-D", data, "-k", kFolderOfCommand},
                   .folder = own_folder,
                   .account = account,
                   .signal_to_end = SIGQUIT};
  for (const std::string& setting :
       {std::string("listen_addresses="), std::string("log_min_messages=fatal"),
        std::string("shared_buffers=256MB"), std::string("max_wal_size=4GB"),
        absl::StrCat("max_connections=", callers + kSpareConnections)}) {
    serve.arguments.insert(serve.arguments.end(), {"-c", setting});
  }
  server_ = std::make_unique<ServerProcess>(std::move(serve));
  for (int i = 0; i < callers; ++i) connections_.push_back(Connect());
  version_ =
      absl::StrCat("PostgreSQL ", PQparameterStatus(connections_[0].get(), "server_version"));
}

Connection PostgresqlPeer::Connect() {
  // No encryption: libpq's is OpenSSL's, whose functions have the names of BoringSSL's, and those
  // are in this program too.
  constexpr std::array kNames = {"host",    "user",       "dbname",
                                 "sslmode", "gssencmode", static_cast<const char*>(nullptr)};
  const std::string folder = server_->folder();  // where the socket is
  const std::array<const char*, kNames.size()> values = {folder.c_str(), "postgres", "postgres",
                                                         "disable",      "disable",  nullptr};
  const absl::Time deadline = absl::Now() + kPatience;
  for (;;) {
    Connection connection(PQconnectdbParams(kNames.data(), values.data(), 0));
    if (PQstatus(connection.get()) == CONNECTION_OK) return connection;
    server_->CheckRunning();
    CheckThat(absl::Now() < deadline,
              absl::StrCat("PostgreSQL listens: ", PQerrorMessage(connection.get())));
    absl::SleepFor(kPause);
  }
}

void PostgresqlPeer::FillAll(const FilledSessions& filled) {
  constexpr absl::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  constexpr absl::string_view kTrailer("\377\377", 2);
  PGconn* const connection = connections_[0].get();
  const auto put = [connection](absl::string_view data) {
    CheckThat(PQputCopyData(connection, data.data(), static_cast<int>(data.size())) == 1,
              "a row can be sent");
  };
  Run(connection, kTable);
  Run(connection, "COPY sessions FROM STDIN (FORMAT binary)");
  put(kHeader);
  for (int64_t session = 0; session < filled.sessions(); ++session) {
    put(CopyRow(filled.Session(session)));
  }
  put(kTrailer);
  CheckThat(PQputCopyEnd(connection, nullptr) == 1, "the end can be sent");
  while (const Result result = Result(PQgetResult(connection))) {
    CheckResult(connection, result.get());
  }
  Run(connection, kIndexes);
  Run(connection, "VACUUM ANALYZE sessions");
  Run(connection, "CHECKPOINT");
}

void PostgresqlPeer::PrepareStatements(PGconn* connection) {
  Run(connection, absl::StrCat("PREPARE create_session AS ", kCreate));
  Run(connection, absl::StrCat("PREPARE turn AS ", kTurn));
  Run(connection, absl::StrCat("PREPARE find AS ", kFind));
  Run(connection, absl::StrCat("PREPARE find_key AS ", kFindByPublicKey));
  Run(connection, absl::StrCat("PREPARE list AS ", kList));
}

// Values and results are binary.
Result PostgresqlPeer::Execute(const Caller& caller, const char* statement,
                               const std::vector<std::string>& values) {
  PGconn* const connection = connections_[static_cast<size_t>(caller.index)].get();
  std::array<const char*, kColumns> data{};
  std::array<int, kColumns> sizes{};
  std::array<int, kColumns> formats{};
  for (size_t i = 0; i < values.size(); ++i) {
    data[i] = values[i].data();
    sizes[i] = static_cast<int>(values[i].size());
    formats[i] = 1;
  }
  Result result(PQexecPrepared(connection, statement, static_cast<int>(values.size()), data.data(),
                               sizes.data(), formats.data(), /*resultFormat=*/1));
  CheckResult(connection, result.get());
  return result;
}

void PostgresqlPeer::Create(Caller& caller) {
  Execute(caller, "create_session", ColumnsOf(FreshSession(caller)));
}

void PostgresqlPeer::Turn(Caller& caller, int64_t session, uint64_t generation) {
  const uint64_t alias = FilledSessions(caller.sessions).AliasOf(session);
  const Result result = Execute(caller, "turn",
                                {EncodeNumber(alias), EncodeNumber(generation),
                                 EncodeNumber(static_cast<uint64_t>(NowMicros()))});
  CheckThat(absl::string_view(PQcmdTuples(result.get())) == "1",
            "the generation is the one that the last turn left");
}

void PostgresqlPeer::Find(Caller& caller, int64_t session) {
  const uint64_t alias = FilledSessions(caller.sessions).AliasOf(session);
  const Result rows = Execute(caller, "find", {EncodeNumber(alias)});
  CheckThat(PQntuples(rows.get()) == 1, "the session is there");
  CheckThat(SessionOf(rows.get(), 0).alias == alias, "the session has that alias");
}

void PostgresqlPeer::FindByPublicKey(Caller& caller, int64_t session) {
  const std::string public_key = FilledSessions(caller.sessions).PublicKeyOf(session);
  const Result rows = Execute(caller, "find_key", {public_key});
  CheckThat(PQntuples(rows.get()) == 1, "the key is there");
  CheckThat(SessionOf(rows.get(), 0).public_key == public_key, "the session has that key");
}

void PostgresqlPeer::ListOfPrincipal(Caller& caller, int64_t principal) {
  const std::string name = PrincipalName(principal);
  const Result rows = Execute(caller, "list", {name});
  CheckThat(PQntuples(rows.get()) > 0, "the principal has sessions");
  for (int row = 0; row < PQntuples(rows.get()); ++row) {
    CheckThat(SessionOf(rows.get(), row).principal == name, "the session is the principal's");
  }
}

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  batonstore::benchmarks::PostgresqlPeer peer;
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
