// Attributes, and use that leaves no trace: 10,000 sessions with ten fields each. The claims stand
// in session_store_benchmark.cc.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/crypto/sealer.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/attributes.h"
#include "batonstore/store/codec.h"
#include "batonstore/store/number.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "benchmark/benchmark.h"
#include "benchmarks/filled_store.h"
#include "benchmarks/minimum.h"
#include "benchmarks/raw_store.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kSessions = 10'000;
constexpr uint64_t kFields = 10;
constexpr uint64_t kStride = 7919;  // a prime: steps by it look at random and miss nobody
constexpr absl::Duration kIdleTimeout = absl::Hours(24 * 30);

std::string Field(uint64_t number) { return absl::StrFormat("field-%02d", number % kFields); }
std::string Bytes(uint64_t number) { return absl::StrFormat("a value of 32 bytes %012d", number); }

Filling FieldsFilling() {
  Filling filling;
  filling.sessions = kSessions;
  filling.spec = [](int64_t i) {
    SessionSpec spec;
    spec.label = "a benchmark's session";
    spec.principal = absl::StrFormat("principal-%06d@example.com", i);
    spec.database = "accounts";
    spec.expires_at = absl::Now() + absl::Hours(24 * 3650);
    spec.idle_timeout = kIdleTimeout;
    return spec;
  };
  for (uint64_t i = 0; i < kFields; ++i) filling.fields.emplace(Field(i), Bytes(0));
  return filling;
}

class FieldsStore {
 public:
  static FieldsStore& Get() {
    static FieldsStore store;
    return store;
  }

  SessionStore& sessions() { return filled_.sessions(); }
  Alias Any() { return filled_.aliases()[kStride * next_++ % kSessions]; }
  const std::vector<Alias>& aliases() const { return filled_.aliases(); }

 private:
  FilledStore filled_{FieldsFilling()};
  uint64_t next_ = 0;
};

// The same rows of attributes, and what changes them.
class RawFields {
 public:
  static RawFields& Get() {
    static RawFields fields;
    return fields;
  }

  RawFields()
      : aliases_(FieldsStore::Get().aliases()),
        head_(1 + Sealer::kOverhead + EncodeAttributesHead({}).size(), 'h'),
        value_(1 + Sealer::kOverhead + EncodeValue(Bytes(0)).size(), 'v') {
    RawWrite write(store_);
    for (const Alias alias : aliases_) {
      write.Put(Table::kAttributes, alias.ToKey(), head_);
      for (uint64_t i = 0; i < kFields; ++i) {
        write.Put(Table::kAttributes, absl::StrCat(alias.ToKey(), Field(i)), value_);
      }
    }
    write.Commit();
  }

  Alias Any() { return aliases_[kStride * next_++ % kSessions]; }

  void Merge(Alias alias, const std::string& field) {
    RawWrite write(store_);
    write.Put(Table::kAttributes, absl::StrCat(alias.ToKey(), field), value_);
    write.Put(Table::kAttributes, alias.ToKey(), head_);
    write.Put(Table::kMeta, meta::kTime, EncodeNumber(EncodeTime(absl::Now())));
    write.Commit();
  }

 private:
  const std::vector<Alias> aliases_;
  const std::string head_;
  const std::string value_;
  RawStore store_;
  uint64_t next_ = 0;
};

// A new value for one field, by one caller.
void BM_Merge(benchmark::State& state) {
  static uint64_t number = 0;  // so that no value comes twice
  FieldsStore& store = FieldsStore::Get();
  for (auto _ : state) {
    ++number;
    CheckOk(store.sessions()
                .Merge(store.Any(), {{Field(number), Change::Set(Bytes(number))}})
                .status());
  }
}
BENCHMARK(BM_Merge)->Apply(WithMinimum)->UseRealTime();

void BM_RawMergeCommit(benchmark::State& state) {
  RawFields& fields = RawFields::Get();
  uint64_t number = 0;
  for (auto _ : state) fields.Merge(fields.Any(), Field(++number));
}
BENCHMARK(BM_RawMergeCommit)->Apply(WithMinimum)->UseRealTime();

// Ten fields of one session.
void BM_Load(benchmark::State& state) {
  FieldsStore& store = FieldsStore::Get();
  for (auto _ : state) {
    const absl::StatusOr<Attributes> loaded = store.sessions().Load(store.Any());
    CheckOk(loaded.status());
    if (loaded->fields.size() != kFields) state.SkipWithError("fields are missing");
  }
}
BENCHMARK(BM_Load)->Apply(WithMinimum);

// Of sessions that have been used lately, so that nothing is written.
void BM_Touch(benchmark::State& state) {
  FieldsStore& store = FieldsStore::Get();
  for (auto _ : state) {
    const absl::StatusOr<Session> touched = store.sessions().Touch(store.Any());
    CheckOk(touched.status());
    if (touched->deadline > touched->created_at + kIdleTimeout + absl::Seconds(1)) {
      state.SkipWithError("the touch was written");
    }
  }
}
BENCHMARK(BM_Touch)->Apply(WithMinimum);

}  // namespace
}  // namespace batonstore::benchmarks
