#include "batonstore/recovery/verify_file.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/random.h"
#include "batonstore/recovery/finding.h"
#include "batonstore/recovery/meta_check.h"
#include "batonstore/recovery/root_check.h"
#include "batonstore/recovery/row_check.h"
#include "batonstore/recovery/structure_check.h"
#include "batonstore/recovery/table_rows.h"
#include "batonstore/recovery/tree_cursor.h"
#include "batonstore/store/schema.h"

namespace batonstore::recovery {
namespace {

// Pages take this part of the time, rows the rest.
constexpr double kPagesPart = 0.1;

// The trees of a store's tables; notes what is missing and what is too much.
StoreFile TablesOf(const PageFile& file, const Structure& structure, FindingList& findings) {
  StoreFile store{file, {}};
  std::map<std::string, lmdb::Tree> others = structure.tables;
  for (const Table table : kAllTables) {
    const auto found = others.find(std::string(TableName(table)));
    if (found == others.end()) {
      findings.Add({std::string(TableName(table)), "", std::nullopt, "is missing"});
      continue;
    }
    store.trees[TableIndex(table)] = found->second;
    others.erase(found);
  }
  for (const auto& [name, tree] : others) {
    findings.Add({"main tree", name, std::nullopt, "is not a table of a store"});
  }
  return store;
}

absl::Status CheckRowsOf(const StoreFile& store, const KeySource& key_source, FindingList& findings,
                         VerifyReport& report, const VerifyProgress& progress, size_t window) {
  MetaRows meta(store, findings);
  const bool is_whole = findings.total() == 0;
  absl::StatusOr<std::optional<Identity>> checked =
      CheckIdentity(meta, key_source, SystemRandom(), findings);
  // What could not be read is not missing.
  if (!is_whole && VerdictOf(checked.status()) == Verdict::kWrongFormat) return absl::OkStatus();
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Identity> identity, std::move(checked));
  if (!identity.has_value()) return absl::OkStatus();
  const double sessions = std::max(1.0, static_cast<double>(store.tree(Table::kSessions).entries));
  const RowCounts counts = CheckRows(
      store, meta, *identity, findings,
      [&](uint64_t done) {
        if (progress) {
          progress(kPagesPart + (1 - kPagesPart) * static_cast<double>(done) / sessions);
        }
      },
      window);
  CheckRoot(store, meta, *identity->keys, findings);
  report.sessions = counts.sessions;
  report.rows = counts.rows + meta.rows();
  report.rows_checked = true;
  return absl::OkStatus();
}

// A tree by its name in the main tree; CORRUPT.
absl::StatusOr<lmdb::Tree> FindTree(const PageFile& file, const lmdb::Meta& meta,
                                    absl::string_view name) {
  TreeCursor cursor(file, meta.main, TreeCursor::KeyOrder::kBytes);
  for (;;) {
    const TreeCursor::Step step = cursor.Next();
    if (step == TreeCursor::Step::kDamaged) return cursor.damage().ToStatus();
    if (step == TreeCursor::Step::kEnd) {
      return Refuse(Verdict::kWrongFormat, "there is no store in this folder");
    }
    if (cursor.key() != name) continue;
    std::array<char, lmdb::tree::kSize> bytes;
    if (!cursor.is_subtree() || cursor.value_bytes() != bytes.size() ||
        !cursor.ReadPart(0, absl::MakeSpan(bytes))) {
      return Finding{"main tree", std::string(name), std::nullopt, "is not a table"}.ToStatus();
    }
    return lmdb::TreeAt(absl::string_view(bytes.data(), bytes.size()), 0);
  }
}

}  // namespace

absl::StatusOr<VerifyReport> VerifySnapshot(const PageFile& file, const lmdb::Meta& meta,
                                            const KeySource& key_source, Clock& clock,
                                            const VerifyProgress& progress, size_t window) try {
  const absl::Duration began = clock.SinceBoot();
  VerifyReport report;
  report.transaction_id = meta.transaction_id;
  report.bytes = file.bytes();
  report.pages = meta.last_page + 1;
  FindingList findings(kMaxFindings);
  const auto pages = static_cast<double>(std::max<uint64_t>(1, meta.last_page));
  const Structure structure = CheckStructure(file, meta, findings, [&](uint64_t done) {
    if (progress) progress(kPagesPart * static_cast<double>(done) / pages);
  });
  if (findings.total() == 0) {
    const StoreFile store = TablesOf(file, structure, findings);
    if (findings.total() == 0) {
      BATONSTORE_RETURN_IF_ERROR(
          CheckRowsOf(store, key_source, findings, report, progress, window));
    }
  }
  report.findings = findings.kept();
  report.damages = findings.total();
  report.duration = clock.SinceBoot() - began;
  return report;
} catch (const std::bad_alloc&) {
  return NoMemory();
}

absl::StatusOr<VerifyReport> VerifyQuietFile(const std::string& data_file,
                                             const KeySource& key_source, Clock& clock,
                                             const VerifyProgress& progress, size_t window) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file, PageFile::Open(data_file));
  BATONSTORE_ASSIGN_OR_RETURN(const lmdb::Meta meta, FindLastSnapshot(*file));
  return VerifySnapshot(*file, meta, key_source, clock, progress, window);
}

absl::StatusOr<bool> HasCrashed(const std::string& data_file) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::unique_ptr<PageFile> file, PageFile::Open(data_file));
  BATONSTORE_ASSIGN_OR_RETURN(const lmdb::Meta meta, FindLastSnapshot(*file));
  StoreFile store{*file, {}};
  BATONSTORE_ASSIGN_OR_RETURN(store.trees[TableIndex(Table::kMeta)],
                              FindTree(*file, meta, TableName(Table::kMeta)));
  FindingList findings(1);
  const MetaRows rows(store, findings);
  const uint64_t epoch = rows.Number(meta::kEpoch, findings);
  const uint64_t closed = rows.Number(meta::kClosed, findings);
  if (findings.total() > 0) return findings.kept()[0].ToStatus();
  return epoch != closed;
}

}  // namespace batonstore::recovery
