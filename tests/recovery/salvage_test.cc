// What is left of damaged stores.

#include "batonstore/recovery/salvage.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::DataFilePages;
using ::batonstore::testing::EditRows;
using ::batonstore::testing::FilesBelow;
using ::batonstore::testing::FileStoreFixture;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::ReadPages;
using ::batonstore::testing::WriteFile;
using ::testing::IsEmpty;

// A session with what its callers see of it.
struct Seen {
  State state = State::kCreated;
  std::string public_key;
  std::string principal;
  Alias group;
  absl::Time deadline;
  Fields fields = {};
  std::string secret = {};
};

class SalvageTest : public FileStoreFixture {
 protected:
  void SetUp() override {
    FileStoreFixture::SetUp();
    for (int i = 0; i < 60; ++i) {
      SessionSpec spec = LastingSpec();
      spec.principal = absl::StrCat("principal ", i % 7);
      spec.label = std::string(200, 'l');
      if (i % 3 == 0) spec.idle_timeout = absl::Hours(1);
      ASSERT_OK_AND_ASSIGN(
          const Saved saved,
          store().SaveOrCreate(spec, {{"n", Value(absl::StrCat(i))},
                                      {"token", Value::Secret(std::string(300, 's'))}}));
      made_.push_back(saved.session);
    }
    for (int i = 0; i < 60; i += 5) ASSERT_THAT(store().Revoke(made_[i].alias), IsOk());
    SessionSpec linked = LastingSpec();
    linked.group = made_[0].alias;
    made_.push_back(Create(linked));
    ASSERT_OK_AND_ASSIGN(const Session in_its_place, store().CycleKey(made_.back().alias));
    made_.push_back(in_its_place);
    ASSERT_OK_AND_ASSIGN(const Session moved, store().CycleKey(made_[1].alias));
    made_.push_back(moved);
    ASSERT_THAT(store().RevokeAll("principal 4"), IsOk());
    SessionSpec reserved = LastingSpec();
    reserved.intent = "tell the mailer";
    ASSERT_THAT(store().Reserve(reserved), IsOk());
    ASSERT_OK_AND_ASSIGN(baton_, store().Issue(made_[2].alias));
    ASSERT_OK_AND_ASSIGN(members_, store().GroupMembers(made_[0].alias));
    before_ = Look(store());
    Close();
    bytes_ = ReadFile(Data());
    pages_ = ReadPages(options_.directory);
  }

  std::string Data() const { return options_.directory + "/data.mdb"; }

  SalvageRequest Request() const {
    return {.file = Data(),
            .directory = salvaged_,
            .key_encryption_key = KeyFromFile(options_.directory + "/key")};
  }

  std::unique_ptr<Store> OpenSalvaged() {
    Options options = options_;
    options.directory = salvaged_;
    absl::StatusOr<std::unique_ptr<Store>> opened = recovery::Open(options);
    EXPECT_THAT(opened, IsOk());
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  std::map<Alias, Seen> Look(SessionStore& sessions) {
    std::map<Alias, Seen> all;
    const absl::StatusOr<ListPage> page = sessions.List({}, kMaxPageSize);
    EXPECT_THAT(page, IsOk());
    if (!page.ok()) return all;
    for (const Session& session : page->sessions) {
      if (session.state == State::kReserved) continue;
      Seen& seen = all[session.alias];
      seen = {session.state, session.public_key, session.principal, session.group,
              session.deadline};
      if (IsTerminal(session.state)) continue;
      if (const auto loaded = sessions.Load(session.alias); loaded.ok()) {
        seen.fields = loaded->fields;
      }
      if (const auto secret = sessions.Secret(session.alias, "token"); secret.ok()) {
        seen.secret = std::string(secret->Reveal());
      }
      EXPECT_THAT(sessions.PrivateKey(session.alias), IsOk());
    }
    return all;
  }

  // Of each session that is there: nothing was invented, nobody who had ended lives.
  void CheckAgainstBefore(SessionStore& sessions) {
    for (const auto& [alias, seen] : Look(sessions)) {
      ASSERT_TRUE(before_.contains(alias)) << alias.ToString();
      const Seen& was = before_.at(alias);
      EXPECT_EQ(seen.public_key, was.public_key);
      EXPECT_EQ(seen.principal, was.principal);
      if (IsTerminal(was.state)) {
        EXPECT_EQ(seen.state, was.state) << alias.ToString();
      }
      for (const auto& [field, value] : seen.fields) EXPECT_EQ(value, was.fields.at(field));
      EXPECT_TRUE(seen.secret.empty() || seen.secret == was.secret);
      const auto found = sessions.FindByPublicKey(seen.public_key);
      EXPECT_TRUE(found.ok() || VerdictOf(found.status()) == Verdict::kMoved) << found.status();
    }
  }

  void ExpectNothingSalvaged(Verdict verdict, const SalvageRequest& request) {
    const auto before = FilesBelow(folder_.path());
    EXPECT_THAT(Salvage(request), HasVerdict(verdict));
    EXPECT_TRUE(FilesBelow(folder_.path()) == before) << "something has changed";
  }

  std::vector<Session> made_;
  std::string baton_;
  std::vector<Alias> members_;
  std::map<Alias, Seen> before_;
  std::string bytes_;
  DataFilePages pages_;
  const std::string salvaged_ = folder_ / "salvaged";
};

TEST_F(SalvageTest, OfASoundStoreNothingIsLost) {
  ASSERT_OK_AND_ASSIGN(const SalvageReport report, Salvage(Request()));
  EXPECT_THAT(report.lost, IsEmpty());
  EXPECT_EQ(report.losses, 0u);
  EXPECT_EQ(report.revoked, 0u);
  EXPECT_EQ(report.sessions, before_.size());
  ASSERT_THAT(Verify({.directory = salvaged_})->ToStatus(), IsOk());

  const std::unique_ptr<Store> salvaged = OpenSalvaged();
  const std::map<Alias, Seen> after = Look(salvaged->sessions());
  ASSERT_EQ(after.size(), before_.size());
  for (const auto& [alias, seen] : after) {
    const Seen& was = before_.at(alias);
    EXPECT_EQ(seen.state, was.state) << alias.ToString();
    EXPECT_EQ(seen.group, was.group);
    EXPECT_EQ(seen.deadline, was.deadline);
    EXPECT_EQ(seen.fields, was.fields);
    EXPECT_EQ(seen.secret, was.secret);
  }
  CheckAgainstBefore(salvaged->sessions());
  EXPECT_EQ(*salvaged->sessions().GroupMembers(made_[0].alias), members_);
  EXPECT_THAT(salvaged->sessions().Verify(baton_, "main", "principal 2"),
              HasVerdict(Verdict::kLost));
  ASSERT_OK_AND_ASSIGN(const auto pending, salvaged->sessions().PendingCompensations());
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending[0].intent, "tell the mailer");
  ASSERT_OK_AND_ASSIGN(const Session next, salvaged->sessions().ReserveAndCreate(LastingSpec()));
  EXPECT_GT(next.alias, pending[0].alias) << "no alias is given again";
}

TEST_F(SalvageTest, WhicheverPageIsDamagedTheRestIsReadAndNobodyRevives) {
  uint64_t whole = 0;
  for (uint64_t page = 2; page <= pages_.last_in_use(); ++page) {
    if (!pages_.in_use(page)) continue;
    SCOPED_TRACE(absl::StrCat("page ", page));
    std::string damaged = bytes_;
    damaged.replace(page * pages_.page_size, 64, 64, '\xff');
    WriteFile(Data(), damaged);
    const absl::StatusOr<SalvageReport> report = Salvage(Request());
    if (!report.ok()) {
      EXPECT_THAT(report, HasVerdict(Verdict::kCorrupt));
      EXPECT_FALSE(fs::exists(salvaged_));
      continue;
    }
    if (report->losses == 0) {  // it was a page of an index, which is made anew
      EXPECT_EQ(report->sessions, before_.size());
      EXPECT_EQ(report->revoked, 0u);
    }
    const std::unique_ptr<Store> salvaged = OpenSalvaged();
    ASSERT_NE(salvaged, nullptr);
    CheckAgainstBefore(salvaged->sessions());
    whole += report->sessions == before_.size();
    ASSERT_THAT(salvaged->Close(), IsOk());
    fs::remove_all(salvaged_);
    if (HasFailure()) return;
  }
  EXPECT_GT(whole, 5u) << "most pages are not of sessions";
}

TEST_F(SalvageTest, WhereSessionsAreMissingTheOthersAreRevokedUnlessTheyAreToBeKept) {
  EditRows(
      options_.directory,
      [&](Transaction& transaction) {
        ASSERT_THAT(transaction.Put(Table::kSessions, made_[3].alias.ToKey(), "?"), IsOk());
      },
      testing::RootRow::kLeft);
  ASSERT_OK_AND_ASSIGN(const SalvageReport report, Salvage(Request()));
  EXPECT_EQ(report.sessions, before_.size() - 1);
  EXPECT_GT(report.revoked, 30u);
  ASSERT_EQ(report.lost.size(), 1u);
  EXPECT_EQ(report.lost[0].key, made_[3].alias.ToKey());
  EXPECT_EQ(OpenSalvaged()->sessions().Stats()->live, 0u);
  fs::remove_all(salvaged_);

  SalvageRequest request = Request();
  request.keep_doubtful = true;
  ASSERT_OK_AND_ASSIGN(const SalvageReport kept, Salvage(request));
  EXPECT_EQ(kept.revoked, 0u);
  const std::unique_ptr<Store> salvaged = OpenSalvaged();
  EXPECT_GT(salvaged->sessions().Stats()->live, 30u);
  CheckAgainstBefore(salvaged->sessions());
}

// A row that is authentic and older than the rest: its session was revoked since.
TEST_F(SalvageTest, WhoWasRevokedDoesNotReviveByAnOlderVersionOfTheRow) {
  const std::string key = made_[2].alias.ToKey();
  std::string older;
  EditRows(options_.directory, [&](Transaction& transaction) {
    older = std::string(**transaction.Get(Table::kSessions, key));
  });
  Open();
  ASSERT_THAT(store().Revoke(made_[2].alias), IsOk());
  Close();
  EditRows(
      options_.directory,
      [&](Transaction& transaction) {
        ASSERT_THAT(transaction.Put(Table::kSessions, key, older), IsOk());
      },
      testing::RootRow::kLeft);
  ASSERT_OK_AND_ASSIGN(const SalvageReport report, Salvage(Request()));
  EXPECT_THAT(report.lost, IsEmpty()) << "each row by itself is sound";
  EXPECT_GT(report.revoked, 0u);
  const std::unique_ptr<Store> salvaged = OpenSalvaged();
  EXPECT_EQ(salvaged->sessions().Find(made_[2].alias)->state, State::kRevoked);
}

TEST_F(SalvageTest, AStoreWhoseDataKeyIsBeingRotatedIsSalvagedUnderTheNewOne) {
  Open();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  Close();
  ASSERT_OK_AND_ASSIGN(const SalvageReport report, Salvage(Request()));
  EXPECT_EQ(report.losses, 0u);
  const std::unique_ptr<Store> salvaged = OpenSalvaged();
  EXPECT_FALSE(salvaged->sessions().DataKeyRotation()->is_rotating);
  CheckAgainstBefore(salvaged->sessions());
}

TEST_F(SalvageTest, BadRequestsSalvageNothing) {
  SalvageRequest request = Request();
  request.file = folder_ / "nothing";
  ExpectNothingSalvaged(Verdict::kNotFound, request);
  request = Request();
  request.key_encryption_key = nullptr;
  ExpectNothingSalvaged(Verdict::kInvalid, request);
  request.key_encryption_key = [] { return SecretBytes(std::string(32, 'x')); };
  ExpectNothingSalvaged(Verdict::kWrongKey, request);
  request = Request();
  request.directory = options_.directory;
  ExpectNothingSalvaged(Verdict::kExists, request);
  WriteFile(Data(), std::string(100'000, '?'));
  ExpectNothingSalvaged(Verdict::kCorrupt, Request());
}

}  // namespace
}  // namespace batonstore::recovery
