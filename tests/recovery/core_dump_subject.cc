// What core_dump_test looks into: a process that opens a store, uses its secrets, and serves until
// it is told to end or killed.
//
//   core_dump_subject STORE CORES      STORE has one session; CORES is the current folder from then
//   on
//
// Prints "serving" once every secret has been used and its holder is gone, and its threads wait for
// the next request: while one computes, a part of a key is in registers and on its stack, and
// nothing keeps those out of a core.

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/session_turn.h"
#include "batonstore/store/stream_registry.h"
#include "tests/recovery/core_dump_marks.h"
#include "tests/support/sessions.h"

namespace batonstore::testing {
namespace {

constexpr int kTurns = 200;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << std::endl;
  std::exit(1);
}

template <typename T>
T ValueOf(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

void UsePrivateKey(SessionStore& sessions, const Session& session) {
  const SecretBytes key = ValueOf(sessions.PrivateKey(session.alias));
  const bool fits = ValueOf(PublicKeyOf(session.key_type, key)) == session.public_key;
  Check(fits ? absl::OkStatus() : absl::InternalError("another private key"));
}

void UseSecrets(SessionStore& sessions, const Session& session) {
  Check(sessions.Secret(session.alias, kReadField).status());
  Check(sessions
            .Merge(session.alias,
                   {{kWrittenField, Change::Set(Value::Secret(SecretFor(session, kWrittenField)))}})
            .status());
  Check(sessions.Merge(session.alias, {{"plain", Change::Add(1)}}).status());
  UsePrivateKey(sessions, session);
  UsePrivateKey(sessions, ValueOf(sessions.ReserveAndCreate(LastingSpec())));
  Check(sessions.Load(session.alias).status());  // last, or what it leaves would be used again
}

void ServeATurn(SessionStore& sessions, const Session& session) {
  const std::string baton = ValueOf(sessions.Issue(session.alias));
  Check(sessions.Verify(baton, session.database, session.principal).status());
  Resumed resumed =
      ValueOf(sessions.Resume(baton, std::string(32, 'd'), session.database, session.principal));
  Check(std::get<SessionTurn>(resumed).Finish("reply").status());
}

void ServeStreams(StreamRegistry& streams) {
  std::string baton =
      ValueOf(ValueOf(streams.Open({.database = "main", .principal = "alice"})).Finish());
  for (int i = 0; i < kTurns; ++i) {
    baton = ValueOf(ValueOf(streams.Resume(baton, "main", "alice")).Finish());
  }
}

void ServeSessions(SessionStore& sessions, const Session& session) {
  for (int i = 0; i < kTurns; ++i) ServeATurn(sessions, session);
}

void Serve(const std::string& directory) {
  recovery::Options options;
  options.directory = directory;
  const std::unique_ptr<recovery::Store> store = ValueOf(recovery::Open(options));
  SessionStore& sessions = store->sessions();
  const Session session = ValueOf(sessions.List({}, 1)).sessions.at(0);
  const std::string mark = MarkOf(session);
  UseSecrets(sessions, session);
  std::latch served(2);
  const auto serve_and_wait_for_more = [&served](const auto& serve) {
    std::thread([&served, serve] {
      serve();
      served.count_down();
      for (;;) pause();
    }).detach();
  };
  serve_and_wait_for_more([&] { ServeSessions(sessions, session); });
  serve_and_wait_for_more([&] { ServeStreams(store->streams()); });
  served.wait();
  std::cout << "serving" << std::endl;
  std::cin.get();  // until there is nobody any more
  _exit(0);
}

}  // namespace
}  // namespace batonstore::testing

int main(int, char** argv) {
  const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_CORE, &unlimited);  // where it is not allowed there will be no core
  // What is usual. Whoever started us may have another, with all of the mapped file.
  std::ofstream("/proc/self/coredump_filter") << "0x33";
  if (chdir(argv[2]) != 0) return 1;
  batonstore::testing::Serve(argv[1]);
}
