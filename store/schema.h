// The tables of a store and the names of the rows of `meta`. docs/file_format.md draws every byte.

#ifndef BATONSTORE_STORE_SCHEMA_H_
#define BATONSTORE_STORE_SCHEMA_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace batonstore {

// The number is part of every seal's context: never reused, never changed.
enum class Table : uint8_t {
  kMeta = 0,              // name -> value
  kSessions = 1,          // alias -> sealed record; in alias order also the log of creation
  kReservations = 2,      // alias -> sealed {epoch, deadline, intent}; only what is Reserved
  kGroups = 3,            // group alias, sequence -> alias; linked members only, not the first
  kPublicKeys = 4,        // first 8 bytes of SHA-256(public key), alias -> nothing
  kPrincipals = 5,        // hash of principal -> live count; hash of principal, alias -> nothing
  kDatabases = 6,         // hash of database -> live count; hash of database, alias -> nothing
  kTurns = 7,             // alias -> sealed {last used, generation, digest, reply, successor}
  kExpiries = 8,          // moment, alias -> nothing: when a sweep has to look at a session
  kAttributes = 9,        // alias -> sealed {version, sizes}; alias, field -> sealed value
  kRevoked = 10,          // hash of principal, last alias covered -> sealed mark of a RevokeAll
  kCompensations = 11,    // alias -> sealed {intent, ...} of a reservation that was removed
  kIdempotencyKeys = 12,  // hash of {principal, idempotency key}, alias -> nothing
  kOutbox = 13,           // sequence -> sealed event; written only while there is a consumer
  kConsumers = 14,        // name of a consumer -> last sequence that it has acknowledged
};

inline constexpr std::array<Table, 15> kAllTables = {Table::kMeta,
                                                     Table::kSessions,
                                                     Table::kReservations,
                                                     Table::kGroups,
                                                     Table::kPublicKeys,
                                                     Table::kPrincipals,
                                                     Table::kDatabases,
                                                     Table::kTurns,
                                                     Table::kExpiries,
                                                     Table::kAttributes,
                                                     Table::kRevoked,
                                                     Table::kCompensations,
                                                     Table::kIdempotencyKeys,
                                                     Table::kOutbox,
                                                     Table::kConsumers};

constexpr size_t TableIndex(Table table) { return static_cast<size_t>(table); }

// The indexes that lag behind: index_entry.h. What they hold follows from `sessions`.
constexpr bool IsDeferred(Table table) {
  return table == Table::kPublicKeys || table == Table::kPrincipals || table == Table::kDatabases ||
         table == Table::kIdempotencyKeys;
}

// Those of them that also count the live sessions below each hash: population.h.
constexpr bool CountsLive(Table table) {
  return table == Table::kPrincipals || table == Table::kDatabases;
}

// The name of the table's database in the LMDB file.
constexpr absl::string_view TableName(Table table) {
  constexpr std::array<absl::string_view, kAllTables.size()> kNames = {"meta",
                                                                       "sessions",
                                                                       "reservations",
                                                                       "groups",
                                                                       "public_keys",
                                                                       "principals",
                                                                       "databases",
                                                                       "turns",
                                                                       "expiries",
                                                                       "attributes",
                                                                       "revoked",
                                                                       "compensations",
                                                                       "idempotency_keys",
                                                                       "outbox",
                                                                       "consumers"};
  return kNames[TableIndex(table)];
}

// The format that this library writes, and the only one that it reads.
inline constexpr uint32_t kFormatVersion = 1;

// Rows of kMeta. Numbers are 8 bytes big-endian; what is sealed is sealed by the key-encryption
// key.
namespace meta {
inline constexpr absl::string_view kFormat = "format";            // kFormatVersion
inline constexpr absl::string_view kStoreId = "store_id";         // 16 random bytes, for ever
inline constexpr absl::string_view kIncarnation = "incarnation";  // 16 random bytes of this copy
inline constexpr absl::string_view kEpoch = "epoch";              // openings by an owner
inline constexpr absl::string_view kLastAlias = "last_alias";  // the last alias given; only rises
inline constexpr absl::string_view kLive = "live";             // live count of the whole store
inline constexpr absl::string_view kLastEvent = "last_event";  // the last event's; only rises
inline constexpr absl::string_view kTime = "time";             // us since 1970 at the last commit
inline constexpr absl::string_view kClosed = "closed";         // the epoch last closed in order
inline constexpr absl::string_view kDataKeys = "data_keys";    // sealed: data_keys.h
inline constexpr absl::string_view kKeyring = "keyring";       // sealed: crypto/keyring.h
inline constexpr absl::string_view kRoot = "root";             // sums of the tables: root.h
inline constexpr absl::string_view kIndexMark = "index_mark";  // index_entry.h
inline constexpr absl::string_view kReseal = "reseal";         // reseal.h; while it is under way
}  // namespace meta

}  // namespace batonstore

#endif  // BATONSTORE_STORE_SCHEMA_H_
