#include "batonstore/tools/commands.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace batonstore::tools {
namespace {

using batonstore::testing::HasVerdict;
using batonstore::testing::IsOk;
using batonstore::testing::LastingSpec;
using batonstore::testing::TempDir;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandsTest : public ::testing::Test {
 protected:
  // Works on the store as its owner, who then leaves.
  void Own(const std::function<void(SessionStore&)>& work) {
    ASSERT_OK_AND_ASSIGN(const auto store,
                         recovery::Open(OpenOptions(location_, /*create_if_missing=*/true)));
    work(store->sessions());
  }
  std::vector<Session> MakeSessions(size_t count) {
    std::vector<Session> made;
    Own([&](SessionStore& sessions) {
      while (made.size() < count) {
        const absl::StatusOr<Session> session = sessions.ReserveAndCreate(LastingSpec());
        ASSERT_THAT(session, IsOk());
        made.push_back(*session);
      }
    });
    return made;
  }

  TempDir folder_;
  StoreLocation location_{folder_ / "store", ""};
  std::ostringstream out_;
};

TEST_F(CommandsTest, ListPrintsATable) {
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject summary, List(location_, {}, ListFormat::kTable, out_));
  EXPECT_THAT(out_.str(), StartsWith("ALIAS "));
  EXPECT_THAT(out_.str(), HasSubstr("\n" + alias + "  created         7  alice  "));
  EXPECT_THAT(out_.str(), EndsWith("  never                 phone\n"));
  EXPECT_EQ(summary.ToLine(), R"({"ok":true,"listed":1,"next":null})");
}

TEST_F(CommandsTest, ListGoesOnFromPageToPage) {
  MakeSessions(kMaxPageSize + 1);
  ASSERT_OK_AND_ASSIGN(const JsonObject summary, List(location_, {}, ListFormat::kJsonLines, out_));
  EXPECT_EQ(summary.ToLine(), R"({"ok":true,"listed":1001,"next":null})");
  const std::string text = out_.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1001);
}

TEST_F(CommandsTest, ListStopsAtItsLimitAndTellsWhereToGoOn) {
  const std::vector<Session> made = MakeSessions(3);
  ListRequest request;
  request.limit = 2;
  ASSERT_OK_AND_ASSIGN(const JsonObject some, List(location_, request, ListFormat::kTable, out_));
  const std::string second = made[1].alias.ToString();
  EXPECT_EQ(some.ToLine(), R"({"ok":true,"listed":2,"next":")" + second + "\"}");
  request.after = second;
  ASSERT_OK_AND_ASSIGN(const JsonObject rest, List(location_, request, ListFormat::kTable, out_));
  EXPECT_EQ(rest.ToLine(), R"({"ok":true,"listed":1,"next":null})");
  request.after = "no alias";
  EXPECT_THAT(List(location_, request, ListFormat::kTable, out_), HasVerdict(Verdict::kInvalid));
}

TEST_F(CommandsTest, ListPassesItsFilterOn) {
  MakeSessions(2);
  ListRequest request;
  request.filter.principal = "bob";
  ASSERT_OK_AND_ASSIGN(const JsonObject none, List(location_, request, ListFormat::kTable, out_));
  EXPECT_EQ(none.ToLine(), R"({"ok":true,"listed":0,"next":null})");
}

TEST_F(CommandsTest, ShowFindsByAliasAndByPublicKey) {
  const Session session = MakeSessions(1)[0];
  const std::string alias = session.alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject by_alias, Show(location_, alias));
  EXPECT_THAT(by_alias.ToLine(), StartsWith(R"({"ok":true,"session":{"alias":")" + alias));
  EXPECT_THAT(by_alias.ToLine(), EndsWith(R"("group_members":[")" + alias + "\"]}}"));
  ASSERT_OK_AND_ASSIGN(const JsonObject by_key,
                       ShowByPublicKey(location_, absl::BytesToHexString(session.public_key)));
  EXPECT_EQ(by_key.ToLine(), by_alias.ToLine());
  EXPECT_THAT(Show(location_, "1"), HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(Show(location_, "0000000000000001"), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(ShowByPublicKey(location_, "00"), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(ShowByPublicKey(location_, "0"), HasVerdict(Verdict::kInvalid));
}

TEST_F(CommandsTest, RevokeRevokesForGood) {
  const std::string alias = MakeSessions(1)[0].alias.ToString();
  ASSERT_OK_AND_ASSIGN(const JsonObject answer, Revoke(location_, alias));
  EXPECT_THAT(answer.ToLine(), HasSubstr(R"("state":"revoked")"));
  EXPECT_THAT(answer.ToLine(), HasSubstr(R"("crashed":false)"));
  ASSERT_OK_AND_ASSIGN(const JsonObject shown, Show(location_, alias));
  EXPECT_THAT(shown.ToLine(), HasSubstr(R"("state":"revoked")"));
  EXPECT_THAT(Revoke(location_, "0000000000000001"), HasVerdict(Verdict::kNotFound));
  EXPECT_THAT(Revoke(location_, "x"), HasVerdict(Verdict::kInvalid));
}

TEST_F(CommandsTest, RecoverTellsWhatItRemoved) {
  Own([](SessionStore& sessions) {
    SessionSpec spec = LastingSpec();
    spec.intent = "tell bob";
    EXPECT_THAT(sessions.Reserve(spec), IsOk());
  });
  ASSERT_OK_AND_ASSIGN(const JsonObject stats, Stats(location_));
  EXPECT_THAT(stats.ToLine(), HasSubstr(R"("reservations":1)"));
  ASSERT_OK_AND_ASSIGN(const JsonObject first, Recover(location_));
  EXPECT_THAT(first.ToLine(), HasSubstr(R"("intent":"tell bob")"));
  ASSERT_OK_AND_ASSIGN(const JsonObject second, Recover(location_));
  EXPECT_THAT(second.ToLine(), HasSubstr(R"("removed":[])"));
}

TEST_F(CommandsTest, NobodyMakesAStoreByLookingAtIt) {
  for (const absl::Status& refused :
       {Recover(location_).status(), Revoke(location_, "0000000000000001").status(),
        Stats(location_).status(), Show(location_, "0000000000000001").status(),
        List(location_, {}, ListFormat::kTable, out_).status()}) {
    EXPECT_THAT(refused, HasVerdict(Verdict::kNotFound));
  }
  EXPECT_EQ(out_.str(), "");
  EXPECT_FALSE(std::filesystem::exists(location_.directory));
}

TEST_F(CommandsTest, AnotherKeyIsRefused) {
  MakeSessions(1);
  location_.key_file = folder_ / "missing";
  EXPECT_THAT(Stats(location_), HasVerdict(Verdict::kWrongKey));
  EXPECT_THAT(Recover(location_), HasVerdict(Verdict::kWrongKey));
}

}  // namespace
}  // namespace batonstore::tools
