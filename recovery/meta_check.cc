#include "batonstore/recovery/meta_check.h"

#include <algorithm>
#include <array>
#include <utility>

#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/store/index_entry.h"
#include "batonstore/store/number.h"
#include "batonstore/store/reseal.h"
#include "batonstore/store/store_keys.h"

namespace batonstore::recovery {
namespace {

constexpr size_t kNumberBytes = 8;
constexpr size_t kIncarnationBytes = 16;

// A row that a store has, and how long it is; 0 for any length.
struct Known {
  absl::string_view name;
  size_t bytes;
  bool is_needed;
};
constexpr std::array kKnown = {Known{meta::kFormat, kNumberBytes, true},
                               Known{meta::kStoreId, kStoreIdBytes, true},
                               Known{meta::kIncarnation, kIncarnationBytes, true},
                               Known{meta::kEpoch, kNumberBytes, true},
                               Known{meta::kClosed, kNumberBytes, true},
                               Known{meta::kLastAlias, kNumberBytes, true},
                               Known{meta::kLastEvent, kNumberBytes, true},
                               Known{meta::kTime, kNumberBytes, true},
                               Known{meta::kLive, 2 * kNumberBytes, false},
                               Known{meta::kDataKeys, 0, true},
                               Known{meta::kKeyring, 0, true},
                               Known{meta::kRoot, 0, true},
                               Known{meta::kIndexMark, kIndexMarkBytes, true},
                               Known{meta::kReseal, 0, false}};

void Note(FindingList& findings, absl::string_view name, absl::string_view what) {
  findings.Add(
      {std::string(TableName(Table::kMeta)), std::string(name), std::nullopt, std::string(what)});
}

absl::Status NotForThis() {
  return Refuse(Verdict::kUnsupported, "only single rows of meta can be read here");
}

// The value of a row, empty if it is missing.
std::string ValueOf(const MetaRows& meta, absl::string_view name) {
  return std::string(meta.Find(name).value_or(""));
}

// Notes rows that are missing or have a wrong length.
void CheckLengths(const MetaRows& meta, FindingList& findings) {
  for (const Known& known : kKnown) {
    const std::optional<absl::string_view> value = meta.Find(known.name);
    if (!value.has_value()) {
      if (known.is_needed) Note(findings, known.name, "is missing");
    } else if (known.bytes != 0 && value->size() != known.bytes) {
      Note(findings, known.name, "does not parse");
    }
  }
}

}  // namespace

MetaRows::MetaRows(const StoreFile& store, FindingList& findings) {
  TableRows rows(store, Table::kMeta, findings);
  while (rows.Next()) {
    const bool known = std::any_of(kKnown.begin(), kKnown.end(),
                                   [&](const Known& row) { return row.name == rows.key(); });
    if (known) {
      values_.emplace(rows.key(), rows.value());
    } else {
      rows.Note("is not a row of a store");
    }
  }
  rows_ = rows.rows();
}

absl::StatusOr<std::optional<absl::string_view>> MetaRows::Get(Table table, absl::string_view key) {
  if (table != Table::kMeta) return NotForThis();
  return Find(key);
}

absl::Status MetaRows::ScanUp(Table, absl::string_view, Visitor) { return NotForThis(); }
absl::Status MetaRows::ScanDown(Table, absl::string_view, Visitor) { return NotForThis(); }
absl::StatusOr<uint64_t> MetaRows::Count(Table) { return NotForThis(); }

std::optional<absl::string_view> MetaRows::Find(absl::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

uint64_t MetaRows::Number(absl::string_view name, FindingList& findings) const {
  const std::optional<absl::string_view> value = Find(name);
  const std::optional<uint64_t> number = value.has_value() ? DecodeNumber(*value) : std::nullopt;
  if (!number.has_value()) Note(findings, name, "is not a number");
  return number.value_or(0);
}

absl::StatusOr<std::optional<Identity>> CheckIdentity(MetaRows& meta, const KeySource& key_source,
                                                      RandomSource& random, FindingList& findings) {
  absl::StatusOr<Identity> identity = ReadIdentity(meta, key_source, random);
  const std::optional<Verdict> verdict = VerdictOf(identity.status());
  if (verdict == Verdict::kWrongFormat) return identity.status();
  const uint64_t before = findings.total();
  CheckLengths(meta, findings);
  if (identity.ok()) {
    if (identity->keyring->primary_incarnation() != identity->incarnation) {
      Note(findings, meta::kIncarnation, "is not the incarnation of the primary signing key");
    }
    const absl::StatusOr<std::optional<ResealMark>> mark = GetResealMark(meta);
    if (!mark.ok()) {
      Note(findings, meta::kReseal, "does not parse");
    } else if (mark->has_value() != identity->data_keys->former().has_value()) {
      Note(findings, meta::kReseal, "says otherwise than the data keys whether they are rotated");
    }
    return *std::move(identity);
  }
  if (findings.total() != before) return std::nullopt;
  // A seal is broken, or what it holds does not parse.
  const std::string store_id = ValueOf(meta, meta::kStoreId);
  BATONSTORE_ASSIGN_OR_RETURN(const SecretBytes key, key_source(store_id));
  bool any_opens = false;
  for (const absl::string_view name : {meta::kDataKeys, meta::kKeyring}) {
    const bool opens = OpenUnderKeyEncryptionKey(key, store_id, name, ValueOf(meta, name)).ok();
    any_opens = any_opens || opens;
    if (!opens) Note(findings, name, "was changed: its seal is broken");
  }
  if (!any_opens) return identity.status();
  if (findings.total() == before) Note(findings, meta::kKeyring, "does not parse");
  return std::nullopt;
}

}  // namespace batonstore::recovery
