// A store that batonstore is measured beside, and the program that asks it.
//
// Each peer is a program of its own, so that none disturbs another. It is started with
//
//   PROGRAM --folder=F --sessions=N --callers=C
//
// where F is an empty folder and C the most callers that will ask at a time. It fills N sessions,
// durably at the end, and then speaks JSON, a line at a time:
//
//   (start)                     {"ready":true,"peer":"sqlite","version":"SQLite 3.40.1",
//                                "questions":["create","turn","find"],"fill_seconds":1.2}
//   measure create 64 1.5       {"question":"create","callers":64,"operations":9000,"total":9800,
//                                "seconds":1.5,"per_second":6000,"p50_us":..,"p99_us":..,
//                                "cpu_us":..}
//   size                        {"bytes":..,"sessions":..}
//   quit                        (ends; so it does when its standard input ends)
//   anything else               {"error":"..."}
//
// "total" counts what ran before and after the measured seconds too; cpu_us is the processor time
// of the peer per operation, its server's included. A program whose library or server is not
// installed prints {"ready":false,"peer":"sqlite","missing":"libsqlite3-dev"}, the packages to
// install, and ends. Standard error is for people.

#ifndef BATONSTORE_BENCHMARKS_PEERS_PEER_H_
#define BATONSTORE_BENCHMARKS_PEERS_PEER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/peers/question.h"
#include "benchmarks/peers/session_content.h"

namespace batonstore::benchmarks {

struct PeerOptions {
  std::string folder;  // exists, and is empty
  int64_t sessions = 0;
  int callers = 1;  // the most that will ask at a time
};

// Thread-safe but for Fill and Prepare: callers ask from threads of their own. Whatever goes wrong
// ends the program (scratch.h): what did not happen must not be measured.
//
// A session is named by its number among those that the store was filled with (FilledSessions).
class Peer {
 public:
  virtual ~Peer() = default;

  virtual std::string Name() const = 0;     // "sqlite"
  virtual std::string Version() const = 0;  // "SQLite 3.40.1"
  virtual std::vector<Question> Questions() const = 0;

  // Opens the store in the folder and fills it: not measured, so in bulk, but durable at the end.
  virtual void Fill(const PeerOptions& options) = 0;

  // What the callers of a question hold before they ask, such as tokens. Not measured.
  virtual void Prepare(Question) {}

  // Processor time of this process and of those that serve it.
  virtual double CpuSeconds();

  // How many bytes the store takes on the disk.
  virtual int64_t DiskBytes();

  // ---- The questions; a peer need not have all of them ----

  // Returns once a fresh session (FreshSession, key pair included) is on the disk, with all that
  // finds it: its record by alias; its alias by public key, which was not in use; the sessions of
  // its principal and of its database, in order; what is due next.
  virtual void Create(Caller& caller);
  virtual void ReserveAndCreate(Caller& caller);

  // Returns once the session's generation, which was `generation`, is one more on the disk, and its
  // last use now. No two callers have the same session at a time.
  virtual void Turn(Caller& caller, int64_t session, uint64_t generation);

  // Whole sessions, read as their reader would have them.
  virtual void Find(Caller& caller, int64_t session);
  virtual void FindByPublicKey(Caller& caller, int64_t session);
  virtual void ListOfPrincipal(Caller& caller, int64_t principal);

  virtual void Verify(Caller& caller, int64_t session);
  virtual void VerifyAndFind(Caller& caller, int64_t session);
  virtual void StreamTurn(Caller& caller);  // each caller on a stream of its own
  virtual void Hmac(Caller& caller);

 protected:
  const PeerOptions& options() const { return options_; }

 private:
  friend class Interview;
  PeerOptions options_;  // set before Fill
};

// What main() of a peer's program returns: reads the flags, fills the peer, and obeys standard
// input until it ends.
int PeerMain(int argc, char** argv, Peer& peer);

// The processor time that a process has had; 0 when it is gone.
double CpuSecondsOf(int pid);

// What the files below a folder take on the disk.
int64_t DiskBytesOf(const std::string& folder);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_PEER_H_
