#include "tests/support/shared_log.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace batonstore::testing {
namespace {

constexpr size_t kClockBytes = 64;  // a cache line

void AppendNumber(std::string& bytes, uint64_t number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// Takes numbers and words off the front of what was written.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : left_(bytes) {}

  bool done() const { return left_.empty(); }
  uint64_t Number() {
    uint64_t number = 0;
    std::memcpy(&number, Take(sizeof(number)).data(), sizeof(number));
    return number;
  }
  SharedLog::Words Words() {
    SharedLog::Words words(Number());
    for (std::string& word : words) word = std::string(Take(Number()));
    return words;
  }

 private:
  absl::string_view Take(size_t size) {
    if (size > left_.size()) std::abort();
    const absl::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  absl::string_view left_;
};

}  // namespace

SharedLog::SharedLog(size_t writers, size_t bytes_of_each)
    : writers_(writers), bytes_of_each_(bytes_of_each) {
  void* const memory = mmap(nullptr, kClockBytes + writers * bytes_of_each, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  memory_ = static_cast<char*>(memory) + kClockBytes;
  clock_ = new (memory) std::atomic<uint64_t>(1);
  for (size_t writer = 0; writer < writers; ++writer) {
    new (memory_ + writer * bytes_of_each) Part{{sizeof(Part)}};
  }
}

SharedLog::~SharedLog() { munmap(memory_ - kClockBytes, kClockBytes + writers_ * bytes_of_each_); }

SharedLog::Part& SharedLog::PartOf(size_t writer) const {
  return *std::launder(reinterpret_cast<Part*>(memory_ + writer * bytes_of_each_));
}

void SharedLog::Begin(size_t writer, const Words& what) { Append(writer, what); }

void SharedLog::Answer(size_t writer, const Words& answer) { Append(writer, answer); }

// The note counts once `used` covers it.
void SharedLog::Append(size_t writer, const Words& words) {
  std::string note;
  AppendNumber(note, Stamp());
  AppendNumber(note, words.size());
  for (const std::string& word : words) {
    AppendNumber(note, word.size());
    note += word;
  }
  Part& part = PartOf(writer);
  const size_t used = part.used.load(std::memory_order_relaxed);
  if (used + note.size() > bytes_of_each_) {
    std::fprintf(stderr, "SharedLog: it is full\n");
    std::abort();
  }
  std::memcpy(memory_ + writer * bytes_of_each_ + used, note.data(), note.size());
  part.used.store(used + note.size(), std::memory_order_release);
}

std::vector<SharedLog::Record> SharedLog::Read(size_t writer) const {
  const size_t used = PartOf(writer).used.load(std::memory_order_acquire);
  Reader reader(absl::string_view(memory_ + writer * bytes_of_each_, used).substr(sizeof(Part)));
  std::vector<Record> records;
  while (!reader.done()) {
    Record& record = records.emplace_back();
    record.begun = reader.Number();
    record.what = reader.Words();
    if (reader.done()) break;
    record.answered = reader.Number();
    record.answer = reader.Words();
  }
  return records;
}

void SharedLog::Clear() {
  for (size_t writer = 0; writer < writers_; ++writer) PartOf(writer).used = sizeof(Part);
}

}  // namespace batonstore::testing
