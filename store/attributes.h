// A session's own key-value data: its attributes, one row a field.
//
//   sessions.Merge(alias, {{"theme", Change::Set("dark")}, {"visits", Change::Add(1)}});
//   absl::StatusOr<Attributes> now = sessions.Load(alias);
//   now->fields["theme"] = "light";
//   sessions.SaveIf(alias, now->version, now->fields);   // CONFLICT if somebody else saved

#ifndef BATONSTORE_STORE_ATTRIBUTES_H_
#define BATONSTORE_STORE_ATTRIBUTES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "batonstore/crypto/secret_memory.h"

namespace batonstore {

// Limits. What is over one is refused with INVALID and changes nothing.
inline constexpr size_t kMaxFieldNameBytes = 255;  // and at least 1; any bytes
inline constexpr size_t kMaxValueBytes = size_t{1} << 20;
inline constexpr size_t kMaxAttributesBytes = size_t{16} << 20;  // of a session: names and values
inline constexpr size_t kMaxFields = 4096;                       // of a session

// The value of a field. All values are sealed on the disk. A secret one is, beyond that, given out
// by SessionStore::Secret alone: where others are read, it is withheld. A field that is secret
// stays so, whatever is written to it, until it is removed. In memory a secret one is wiped when it
// is gone; what the caller made it of is the caller's to wipe.
class Value {
 public:
  Value() = default;
  Value(std::string bytes) : bytes_(std::move(bytes)) {}  // NOLINT: a value is its bytes
  Value(const char* text) : bytes_(text) {}               // NOLINT

  static Value Secret(std::string bytes) { return Value(Kind::kSecret, std::move(bytes)); }

  Value(const Value&) = default;
  Value(Value&&) = default;
  Value& operator=(Value other) noexcept {
    std::swap(kind_, other.kind_);
    bytes_.swap(other.bytes_);
    return *this;
  }
  ~Value() {
    if (kind_ == Kind::kSecret) Wipe();
  }

  // A secret as Load gives it: there, but without its bytes. Saved back, it stays as it is.
  static Value Withheld() { return Value(Kind::kWithheld, ""); }

  const std::string& bytes() const { return bytes_; }
  bool is_secret() const { return kind_ != Kind::kPlain; }
  bool is_withheld() const { return kind_ == Kind::kWithheld; }

  friend bool operator==(const Value&, const Value&) = default;

 private:
  enum class Kind : uint8_t { kPlain, kSecret, kWithheld };
  Value(Kind kind, std::string bytes) : kind_(kind), bytes_(std::move(bytes)) {}

  // Also what is left of a longer one, or of one that was moved out of the string itself.
  void Wipe() {
    bytes_.resize(bytes_.capacity());
    WipeMemory(bytes_.data(), bytes_.size());
  }

  Kind kind_ = Kind::kPlain;
  std::string bytes_;
};

using Fields = std::map<std::string, Value>;

struct Attributes {
  uint64_t version = 0;  // rises with every change and every SaveIf; 0 before the first
  Fields fields;
};

// What to do to one field.
class Change {
 public:
  static Change Set(Value value) { return Change(ToSet{std::move(value)}); }
  static Change Remove() { return Change(ToRemove{}); }  // of a field that is not there: no change

  // Sets the field if its value is `expected`, else the whole call is a CONFLICT.
  static Change CompareAndSet(std::string expected, Value value) {
    return Change(ToCompareAndSet{std::move(expected), std::move(value)});
  }
  // Sets the field if there is none, else the whole call is a CONFLICT.
  static Change SetIfAbsent(Value value) { return Change(ToSetIfAbsent{std::move(value)}); }

  // Adds to a decimal integer; a field that is not there counts as 0. INVALID if the value is not a
  // number of 64 bits, or would not be one any more.
  static Change Add(int64_t delta) { return Change(ToAdd{delta}); }

  struct ToSet {
    Value value;
  };
  struct ToRemove {};
  struct ToCompareAndSet {
    std::string expected;
    Value value;
  };
  struct ToSetIfAbsent {
    Value value;
  };
  struct ToAdd {
    int64_t delta;
  };
  using What = std::variant<ToSet, ToRemove, ToCompareAndSet, ToSetIfAbsent, ToAdd>;
  const What& what() const { return what_; }

 private:
  explicit Change(What what) : what_(std::move(what)) {}
  What what_;
};

// Field -> what to do to it.
using Changes = std::map<std::string, Change>;

}  // namespace batonstore

#endif  // BATONSTORE_STORE_ATTRIBUTES_H_
