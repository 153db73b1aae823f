#include "benchmarks/peers/session_content.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace batonstore::benchmarks {
namespace {

constexpr int64_t kSessions = 10'000;

TEST(FilledSessionsTest, AreDistinctAndInOrder) {
  const FilledSessions filled(kSessions);
  std::set<std::string> public_keys;
  uint64_t last = 0;
  for (int64_t i = 0; i < kSessions; ++i) {
    const SessionContent session = filled.Session(i);
    EXPECT_GT(session.alias, last);
    last = session.alias;
    EXPECT_TRUE(public_keys.insert(session.public_key).second);
    EXPECT_EQ(session.public_key.size(), 32u);
    EXPECT_EQ(session.sealed_private_key.size(), 60u);
  }
}

TEST(FilledSessionsTest, SharePrincipalsAndDatabases) {
  const FilledSessions filled(kSessions);
  std::map<int64_t, int64_t> of_principal;
  std::map<int64_t, int64_t> of_database;
  for (int64_t i = 0; i < kSessions; ++i) {
    ++of_principal[filled.PrincipalOf(i)];
    ++of_database[filled.DatabaseOf(i)];
  }
  EXPECT_EQ(filled.principals(), kSessions / kSessionsOfPrincipal);
  EXPECT_GT(of_principal.size(), static_cast<size_t>(filled.principals()) * 9 / 10);
  ASSERT_EQ(of_database.size(), static_cast<size_t>(kDatabases));
  for (const auto& [database, sessions] : of_database) {
    EXPECT_NEAR(static_cast<double>(sessions), kSessions / kDatabases, 150);
  }
}

TEST(FreshSessionTest, IsNewerThanAllOthers) {
  Caller caller{.sessions = kSessions};
  const SessionContent first = FreshSession(caller);
  const SessionContent second = FreshSession(caller);
  EXPECT_GT(first.alias, FilledSessions(10'000'000).AliasOf(9'999'999));
  EXPECT_GT(second.alias, first.alias);
  EXPECT_NE(second.public_key, first.public_key);
  EXPECT_EQ(first.sealed_private_key.size(), 60u);
}

TEST(EncodeContentTest, IsOfOneSizeAndReadsBack) {
  Caller caller{.sessions = kSessions};
  SessionContent session = FreshSession(caller);
  session.generation = 41;
  session.last_used_us = 42;
  const std::string record = EncodeContent(session);
  EXPECT_EQ(record.size(), 256u);
  const SessionContent read = DecodeContent(record);
  EXPECT_EQ(read.alias, session.alias);
  EXPECT_EQ(read.principal, session.principal);
  EXPECT_EQ(read.database, session.database);
  EXPECT_EQ(read.created_at_us, session.created_at_us);
  EXPECT_EQ(read.expires_at_us, session.expires_at_us);
  EXPECT_EQ(read.last_used_us, 42);
  EXPECT_EQ(read.generation, 41u);
  EXPECT_EQ(read.public_key, session.public_key);
  EXPECT_EQ(read.sealed_private_key, session.sealed_private_key);
}

}  // namespace
}  // namespace batonstore::benchmarks
