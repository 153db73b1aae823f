// What the threads of a process do, written where its death does not reach: in memory that it
// shares with its parent, who reads it when the process is gone.
//
//   SharedLog log(/*writers=*/4);
//   ForkedChild child([&](Channel&) -> std::string {
//     log.Begin(0, {"withdraw", "5"});        // before the call: it is written down first
//     log.Answer(0, {Withdraw(5)});           // after it has returned
//     ...
//   });
//   child.Kill();
//   for (const SharedLog::Record& record : log.Read(0)) ...    // the last may have no answer

#ifndef BATONSTORE_TESTS_SUPPORT_SHARED_LOG_H_
#define BATONSTORE_TESTS_SUPPORT_SHARED_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/support/linearizability.h"

namespace batonstore::testing {

// A process that is killed at any instant leaves whole notes only: one that is being written then
// is not there. Each writer writes from one thread at a time.
class SharedLog {
 public:
  using Words = std::vector<std::string>;  // any bytes

  explicit SharedLog(size_t writers, size_t bytes_of_each = size_t{8} << 20);
  ~SharedLog();
  SharedLog(const SharedLog&) = delete;
  SharedLog& operator=(const SharedLog&) = delete;

  // A writer is about to do something, and then has done it: in turns. A log that is full ends the
  // process.
  void Begin(size_t writer, const Words& what);
  void Answer(size_t writer, const Words& answer);

  // From the one clock, which only rises, that stamps all notes: the next stamp, and a look at it.
  uint64_t Stamp() { return (*clock_)++; }
  uint64_t Now() const { return *clock_; }

  struct Record {
    Words what;
    Words answer;
    uint64_t begun = 0;
    uint64_t answered = kNever;
  };

  // REQUIRES: nobody writes, here as below.
  std::vector<Record> Read(size_t writer) const;

  // Forgets all records. The clock goes on.
  void Clear();

 private:
  // At the front of each writer's part of the memory: how much of it is written.
  struct Part {
    std::atomic<size_t> used;
  };

  Part& PartOf(size_t writer) const;
  void Append(size_t writer, const Words& words);

  const size_t writers_;
  const size_t bytes_of_each_;
  char* memory_;
  std::atomic<uint64_t>* clock_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_SHARED_LOG_H_
