// A fixture for tests of sessions in a real file.

#ifndef BATONSTORE_TESTS_SUPPORT_FILE_STORE_FIXTURE_H_
#define BATONSTORE_TESTS_SUPPORT_FILE_STORE_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session_store.h"
#include "gtest/gtest.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::testing {

// Nothing is swept or reaped but by the test itself.
class FileStoreFixture : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  // Opens it, again if it is open, by the options as they are now.
  void Open() {
    Close();
    absl::StatusOr<std::unique_ptr<recovery::Store>> opened = recovery::Open(options_);
    ASSERT_THAT(opened, IsOk());
    store_ = *std::move(opened);
  }
  void Close() {
    if (store_ == nullptr) return;
    EXPECT_THAT(store_->Close(), IsOk());
    store_.reset();
  }

  SessionStore& store() { return store_->sessions(); }
  recovery::Store& opened() { return *store_; }

  Session Create(const SessionSpec& spec = LastingSpec()) {
    const absl::StatusOr<Session> session = store().ReserveAndCreate(spec);
    EXPECT_THAT(session, IsOk());
    return session.value_or(Session());
  }

  std::vector<Session> ListAll(const ListFilter& filter = {}) {
    std::vector<Session> all;
    std::optional<Alias> after;
    do {
      absl::StatusOr<ListPage> page = store().List(filter, kMaxPageSize, after);
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) break;
      std::move(page->sessions.begin(), page->sessions.end(), std::back_inserter(all));
      after = page->next;
    } while (after.has_value());
    return all;
  }

  // How many rows the file has. Closes the store and opens it again.
  size_t RowsIn(Table table, absl::string_view prefix = "") {
    Close();
    size_t rows = 0;
    EditRows(options_.directory, [&](Transaction& transaction) {
      EXPECT_THAT(transaction.ScanUp(table, prefix,
                                     [&](absl::string_view key, absl::string_view) {
                                       rows += absl::StartsWith(key, prefix);
                                       return absl::StartsWith(key, prefix);
                                     }),
                  IsOk());
    });
    Open();
    return rows;
  }

  TempDir folder_;

  // For the next opening.
  recovery::Options options_ = {.directory = folder_ / "store",
                                .map_bytes = uint64_t{64} << 20,
                                .sweep_every = absl::InfiniteDuration(),
                                .streams = {.reap_every = absl::InfiniteDuration()}};

 private:
  std::unique_ptr<recovery::Store> store_;
};

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_FILE_STORE_FIXTURE_H_
