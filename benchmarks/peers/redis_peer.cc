#include "benchmarks/peers/redis_peer.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/store/number.h"
#include "benchmarks/peers/find_on_path.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

constexpr char kSocket[] = "/redis.sock";
constexpr int64_t kSessionsPerPipeline = 1'000;
constexpr absl::Duration kPatience = absl::Seconds(30);  // with a server that starts
constexpr absl::Duration kPause = absl::Milliseconds(10);

// The record begins with the generation and the last use, 8 bytes each.
constexpr char kCreate[] = R"(
if redis.call('EXISTS', KEYS[1], KEYS[2]) ~= 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[3], 0, ARGV[2])
redis.call('ZADD', KEYS[4], 0, ARGV[2])
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[2])
return 1)";
constexpr char kTurn[] = R"(
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then return 0 end
redis.call('SETRANGE', KEYS[1], 0, ARGV[2])
return 1)";
constexpr char kFindByPublicKey[] = R"(
local alias = redis.call('GET', KEYS[1])
return alias and redis.call('GET', 's' .. alias))";
constexpr char kList[] = R"(
local records = {}
for i, alias in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  records[i] = redis.call('GET', 's' .. alias)
end
return records)";

struct Keys {
  explicit Keys(const SessionContent& session)
      : alias(EncodeNumber(session.alias)),
        record(absl::StrCat("s", alias)),
        public_key(absl::StrCat("k", session.public_key)),
        principal(absl::StrCat("p", session.principal)),
        database(absl::StrCat("d", session.database)),
        expiry(absl::StrCat(session.expires_at_us)) {}

  std::string alias;
  std::string record;
  std::string public_key;
  std::string principal;
  std::string database;
  std::string expiry;  // a score
};

std::string RecordKey(const Caller& caller, int64_t session) {
  return absl::StrCat("s", EncodeNumber(FilledSessions(caller.sessions).AliasOf(session)));
}

absl::string_view TextOf(const redisReply& reply) {
  CheckThat(reply.type == REDIS_REPLY_STRING || reply.type == REDIS_REPLY_STATUS,
            "Redis answers with a text");
  return {reply.str, reply.len};
}

void CheckDone(const redisReply& reply, absl::string_view what) {
  CheckThat(reply.type == REDIS_REPLY_INTEGER && reply.integer == 1, what);
}

// "x" in "name:x\r\n".
std::string Field(absl::string_view info, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(info, "\r\n")) {
    if (absl::StartsWith(line, absl::StrCat(name, ":"))) {
      return std::string(line.substr(name.size() + 1));
    }
  }
  return "";
}

}  // namespace

RedisConnection::RedisConnection(const std::string& socket, ServerProcess& server) {
  const absl::Time deadline = absl::Now() + kPatience;
  for (;;) {
    context_.reset(redisConnectUnix(socket.c_str()));
    CheckThat(context_ != nullptr, "there is memory for a connection");
    if (context_->err == 0) return;
    server.CheckRunning();
    CheckThat(absl::Now() < deadline, absl::StrCat("Redis listens: ", context_->errstr));
    absl::SleepFor(kPause);
  }
}

RedisReply RedisConnection::Ask(Arguments arguments) {
  Append(arguments);
  return Next();
}

void RedisConnection::Append(Arguments arguments) {
  std::vector<const char*> data;
  std::vector<size_t> sizes;
  for (const absl::string_view argument : arguments) {
    data.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  CheckThat(redisAppendCommandArgv(context_.get(), static_cast<int>(data.size()), data.data(),
                                   sizes.data()) == REDIS_OK,
            "a command is built");
}

RedisReply RedisConnection::Next() {
  void* reply = nullptr;
  CheckThat(redisGetReply(context_.get(), &reply) == REDIS_OK && reply != nullptr,
            absl::StrCat("Redis answers: ", context_->errstr));
  RedisReply owned(static_cast<redisReply*>(reply));
  CheckThat(owned->type != REDIS_REPLY_ERROR,
            absl::StrCat("Redis does it: ", absl::string_view(owned->str, owned->len)));
  return owned;
}

std::string RedisPeer::Name() const { return absl::StrCat("redis_", fsync_); }

std::vector<Question> RedisPeer::Questions() const {
  return {Question::kCreate, Question::kTurn, Question::kFind, Question::kFindKey, Question::kList};
}

void RedisPeer::Fill(const PeerOptions& options) {
  StartServer(options.folder, options.callers);
  version_ = absl::StrCat(
      "Redis ", Field(TextOf(*connections_[0]->Ask({"INFO", "server"})), "redis_version"));
  LoadScripts();
  FillAll(FilledSessions(options.sessions));
  Settle();
}

void RedisPeer::StartServer(const std::string& folder, int callers) {
  const std::optional<std::string> program = FindOnPath("redis-server");
  if (!program.has_value()) EndMissing(Name(), "redis-server");
  const std::vector<std::pair<std::string, std::string>> settings = {
      {"port", "0"},  // none
      {"unixsocket", absl::StrCat(kFolderOfCommand, kSocket)},
      {"unixsocketperm", "700"},
      {"dir", kFolderOfCommand},
      {"loglevel", "warning"},
      {"save", ""},
      {"appendonly", "yes"},
      {"appendfsync", "no"},  // until it has been filled, and so the next one
      {"auto-aof-rewrite-percentage", "0"},
  };
  Command serve = {.arguments = {*program}, .folder = folder};
  for (const auto& [name, value] : settings) {
    serve.arguments.insert(serve.arguments.end(), {absl::StrCat("--", name), value});
  }
  server_ = std::make_unique<ServerProcess>(std::move(serve));
  const std::string socket = absl::StrCat(server_->folder(), kSocket);
  for (int i = 0; i < callers; ++i) {
    connections_.push_back(std::make_unique<RedisConnection>(socket, *server_));
  }
}

void RedisPeer::LoadScripts() {
  const auto load = [this](absl::string_view text) {
    return std::string(TextOf(*connections_[0]->Ask({"SCRIPT", "LOAD", text})));
  };
  scripts_ = {load(kCreate), load(kTurn), load(kFindByPublicKey), load(kList)};
}

void RedisPeer::FillAll(const FilledSessions& filled) {
  constexpr int kCommandsPerSession = 5;
  RedisConnection& connection = *connections_[0];
  for (int64_t session = 0; session < filled.sessions();) {
    const int64_t from = session;
    const int64_t until = std::min(filled.sessions(), from + kSessionsPerPipeline);
    for (; session < until; ++session) {
      const SessionContent content = filled.Session(session);
      const Keys keys(content);
      connection.Append({"SET", keys.record, EncodeContent(content)});
      connection.Append({"SET", keys.public_key, keys.alias});
      connection.Append({"ZADD", keys.principal, "0", keys.alias});
      connection.Append({"ZADD", keys.database, "0", keys.alias});
      connection.Append({"ZADD", "e", keys.expiry, keys.alias});
    }
    for (int64_t i = 0; i < (until - from) * kCommandsPerSession; ++i) connection.Next();
  }
}

// Writes the file anew, as a server does by itself every time that it has doubled, and from now on
// syncs as asked. Then one more change, whose sync covers all before it.
void RedisPeer::Settle() {
  RedisConnection& connection = *connections_[0];
  connection.Ask({"CONFIG", "SET", "appendfsync", "always"});
  connection.Ask({"BGREWRITEAOF"});
  for (;;) {
    const RedisReply info = connection.Ask({"INFO", "persistence"});
    if (Field(TextOf(*info), "aof_rewrite_in_progress") == "0" &&
        Field(TextOf(*info), "aof_rewrite_scheduled") == "0") {
      CheckThat(Field(TextOf(*info), "aof_last_bgrewrite_status") == "ok", "the file is rewritten");
      break;
    }
    absl::SleepFor(kPause);
  }
  connection.Ask({"CONFIG", "SET", "auto-aof-rewrite-percentage", "100"});
  connection.Ask({"SET", "filled", "1"});
  connection.Ask({"CONFIG", "SET", "appendfsync", fsync_});
}

double RedisPeer::CpuSeconds() { return Peer::CpuSeconds() + server_->CpuSeconds(); }

RedisConnection& RedisPeer::ConnectionOf(const Caller& caller) {
  return *connections_[static_cast<size_t>(caller.index)];
}

void RedisPeer::Create(Caller& caller) {
  const SessionContent session = FreshSession(caller);
  const Keys keys(session);
  const RedisReply reply = ConnectionOf(caller).Ask(
      {"EVALSHA", scripts_.create, "5", keys.record, keys.public_key, keys.principal, keys.database,
       "e", EncodeContent(session), keys.alias, keys.expiry});
  CheckDone(*reply, "a fresh alias and key pair are not in use");
}

void RedisPeer::Turn(Caller& caller, int64_t session, uint64_t generation) {
  const std::string next =
      absl::StrCat(EncodeNumber(generation + 1), EncodeNumber(static_cast<uint64_t>(NowMicros())));
  const RedisReply reply = ConnectionOf(caller).Ask(
      {"EVALSHA", scripts_.turn, "1", RecordKey(caller, session), EncodeNumber(generation), next});
  CheckDone(*reply, "the generation is the one that the last turn left");
}

void RedisPeer::Find(Caller& caller, int64_t session) {
  const RedisReply reply = ConnectionOf(caller).Ask({"GET", RecordKey(caller, session)});
  DecodeContent(TextOf(*reply));
}

void RedisPeer::FindByPublicKey(Caller& caller, int64_t session) {
  const std::string public_key = FilledSessions(caller.sessions).PublicKeyOf(session);
  const RedisReply reply = ConnectionOf(caller).Ask(
      {"EVALSHA", scripts_.find_by_public_key, "1", absl::StrCat("k", public_key)});
  CheckThat(DecodeContent(TextOf(*reply)).public_key == public_key, "the session has that key");
}

void RedisPeer::ListOfPrincipal(Caller& caller, int64_t principal) {
  const std::string name = PrincipalName(principal);
  const RedisReply reply =
      ConnectionOf(caller).Ask({"EVALSHA", scripts_.list, "1", absl::StrCat("p", name)});
  CheckThat(reply->type == REDIS_REPLY_ARRAY && reply->elements > 0, "the principal has sessions");
  for (size_t i = 0; i < reply->elements; ++i) {
    CheckThat(DecodeContent(TextOf(*reply->element[i])).principal == name,
              "the session is the principal's");
  }
}

}  // namespace batonstore::benchmarks
