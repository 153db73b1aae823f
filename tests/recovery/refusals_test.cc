// What a store refuses with tells no secret: no baton, no key, no value is in the status or on the
// process's output, whatever was asked.

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/hash.h"
#include "batonstore/crypto/key_pair.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/open.h"
#include "batonstore/store/session_turn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::EditRows;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::TempDir;
using ::batonstore::testing::WriteFile;

constexpr size_t kPiece = 12;  // as many bytes of a secret in a row tell something

// Whether `text` has a piece of `secret`, in any of the spellings that a message could use.
bool Tells(absl::string_view text, absl::string_view secret) {
  for (size_t at = 0; at + kPiece <= secret.size(); ++at) {
    const absl::string_view piece = secret.substr(at, kPiece);
    for (const std::string& spelling :
         {std::string(piece), absl::CEscape(piece), absl::CHexEscape(piece),
          absl::BytesToHexString(piece), absl::AsciiStrToUpper(absl::BytesToHexString(piece)),
          absl::Base64Escape(piece), absl::WebSafeBase64Escape(piece)}) {
      if (absl::StrContains(text, spelling)) return true;
    }
  }
  return false;
}

class RefusalsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    ASSERT_OK_AND_ASSIGN(store_, Open(options_));
    ASSERT_OK_AND_ASSIGN(session_, sessions().ReserveAndCreate(LastingSpec()));
    ASSERT_THAT(sessions().Merge(session_.alias, {{"pin", Change::Set(Value::Secret(secret_))},
                                                  {"name", Change::Set(plain_)}}),
                IsOk());
    ASSERT_OK_AND_ASSIGN(const SecretBytes private_key, sessions().PrivateKey(session_.alias));
    secrets_ = {secret_, plain_, other_, ReadFile(directory_ + "/key"),
                std::string(private_key.Reveal())};
  }

  void TearDown() override {
    for (const std::string& output :
         {::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()}) {
      EXPECT_EQ(output, "") << "nothing of the store speaks";
    }
  }

  SessionStore& sessions() { return store_->sessions(); }

  std::string BatonOf(Alias alias) {
    const absl::StatusOr<std::string> baton = sessions().Issue(alias);
    EXPECT_THAT(baton, IsOk());
    secrets_.push_back(*baton);
    return *baton;
  }

  void ExpectTellsNothing(Verdict verdict, const absl::Status& status) {
    EXPECT_THAT(status, HasVerdict(verdict));
    const std::string text = status.ToString(absl::StatusToStringMode::kWithEverything);
    for (const std::string& secret : secrets_) EXPECT_FALSE(Tells(text, secret)) << text;
  }

  // Both ways to use a session's baton.
  void ExpectRefused(Verdict verdict, const std::string& baton,
                     const std::string& database = "main", const std::string& principal = "alice") {
    ExpectTellsNothing(verdict, sessions().Verify(baton, database, principal).status());
    ExpectTellsNothing(verdict,
                       sessions().Resume(baton, "another digest", database, principal).status());
  }

  // One bit in each row of a table, behind the store's back, which is closed.
  void ChangeRows(Table table) {
    ASSERT_THAT(store_->Close(), IsOk());
    std::vector<std::pair<std::string, std::string>> changed;
    EditRows(directory_, [&](Transaction& rows) {
      const auto change = [&](absl::string_view key, absl::string_view value) {
        changed.emplace_back(key, value);
        char& last = changed.back().second.back();
        last = static_cast<char>(last ^ 1);
        return true;
      };
      EXPECT_THAT(rows.ScanUp(table, "", change), IsOk());
      for (const auto& [key, value] : changed) EXPECT_THAT(rows.Put(table, key, value), IsOk());
    });
  }

  TempDir folder_;
  const std::string directory_ = folder_ / "store";
  const Options options_{.directory = directory_};
  const std::string secret_ = absl::BytesToHexString(Sha256("a secret"));
  const std::string plain_ = absl::BytesToHexString(Sha256("a value"));
  const std::string other_ = absl::BytesToHexString(Sha256("what it was thought to be"));
  std::unique_ptr<Store> store_;
  Session session_;
  std::vector<std::string> secrets_;
};

TEST_F(RefusalsTest, TheProbeSeesWhatIsTold) {
  const std::string key = ReadFile(directory_ + "/key");
  EXPECT_TRUE(Tells(absl::StrCat("wrong key ", key), key));
  EXPECT_TRUE(Tells(absl::StrCat("wrong key ", absl::BytesToHexString(key)), key));
  EXPECT_TRUE(Tells(absl::StrCat("wrong key ", absl::CEscape(key.substr(3))), key));
  EXPECT_FALSE(Tells("wrong key", key));
}

TEST_F(RefusalsTest, OfBatonsThatAreForgedOrNoneAtAll) {
  const std::string baton = BatonOf(session_.alias);
  for (size_t at = 0; at < baton.size(); ++at) {
    std::string forged = baton;
    forged[at] = forged[at] == 'A' ? 'B' : 'A';
    ExpectTellsNothing(Verdict::kForged, sessions().Verify(forged, "main", "alice").status());
  }
  for (const std::string& text : {baton + baton, baton.substr(1), baton + "=", " " + baton}) {
    ExpectRefused(Verdict::kForged, text);
  }
}

TEST_F(RefusalsTest, OfBatonsThatAreStolenOldOrOfWhatIsNoMore) {
  const std::string baton = BatonOf(session_.alias);
  ExpectRefused(Verdict::kWrongDatabase, baton, "accounts");
  ExpectRefused(Verdict::kWrongPrincipal, baton, "main", "mallory");
  ASSERT_OK_AND_ASSIGN(Resumed resumed, sessions().Resume(baton, "digest", "main", "alice"));
  ExpectTellsNothing(Verdict::kBusy, sessions().Resume(baton, "digest", "main", "alice").status());
  ASSERT_OK_AND_ASSIGN(const std::string next, std::get<SessionTurn>(resumed).Finish(plain_));
  secrets_.push_back(next);
  ExpectTellsNothing(Verdict::kReplayed, sessions().Verify(baton, "main", "alice").status());
  ExpectTellsNothing(Verdict::kReused,
                     sessions().Resume(baton, "another", "main", "alice").status());
  ASSERT_THAT(sessions().Revoke(session_.alias), IsOk());
  ExpectRefused(Verdict::kRevoked, next);
}

TEST_F(RefusalsTest, OnTheWireForgedReplayedAndNotFoundAreTheSameBytes) {
  const std::string first = BatonOf(session_.alias);
  ASSERT_OK_AND_ASSIGN(Resumed resumed, sessions().Resume(first, "digest", "main", "alice"));
  ASSERT_THAT(std::get<SessionTurn>(resumed).Finish("reply"), IsOk());
  ASSERT_OK_AND_ASSIGN(StreamTurn turn,
                       store_->streams().Open({.database = "main", .principal = "alice"}));
  ASSERT_OK_AND_ASSIGN(const std::string of_stream, turn.Finish());
  store_->streams().CloseAll();
  const std::pair<Verdict, absl::Status> refusals[] = {
      {Verdict::kForged, sessions().Verify("no baton", "main", "alice").status()},
      {Verdict::kForged, sessions().Verify(of_stream, "main", "alice").status()},
      {Verdict::kReplayed, sessions().Verify(first, "main", "alice").status()},
      {Verdict::kNotFound, store_->streams().Resume(of_stream, "main", "alice").status()},
      {Verdict::kNotFound, sessions().Issue(Alias()).status()},
  };
  const absl::Status wire = WireStatus(refusals[0].second);
  for (const auto& [verdict, status] : refusals) {
    EXPECT_THAT(status, HasVerdict(verdict));
    EXPECT_EQ(WireStatus(status), wire);  // code, message and payload
    EXPECT_EQ(WireStatus(status).ToString(absl::StatusToStringMode::kWithEverything),
              wire.ToString(absl::StatusToStringMode::kWithEverything));
  }
}

TEST_F(RefusalsTest, OfBatonsWhoseKeyIsRetired) {
  const std::string baton = BatonOf(session_.alias);
  ASSERT_THAT(sessions().RotateSigningKey(), IsOk());
  ASSERT_THAT(sessions().RetireSigningKey(1), IsOk());
  ExpectRefused(Verdict::kLost, baton);
}

TEST_F(RefusalsTest, OfStreams) {
  StreamRegistry& streams = store_->streams();
  ASSERT_OK_AND_ASSIGN(StreamTurn turn, streams.Open({.database = "main", .principal = "alice"}));
  ASSERT_OK_AND_ASSIGN(const std::string first, turn.Finish());
  ASSERT_OK_AND_ASSIGN(StreamTurn again, streams.Resume(first, "main", "alice"));
  ASSERT_OK_AND_ASSIGN(const std::string second, again.Finish());
  secrets_.insert(secrets_.end(), {first, second});
  const auto resume = [&](const std::string& baton, const char* database, const char* principal) {
    return streams.Resume(baton, database, principal).status();
  };
  std::string forged = second;
  forged[40] = forged[40] == 'A' ? 'B' : 'A';
  ExpectTellsNothing(Verdict::kForged, resume(forged, "main", "alice"));
  ExpectTellsNothing(Verdict::kReplayed, resume(first, "main", "alice"));
  ExpectTellsNothing(Verdict::kWrongDatabase, resume(second, "accounts", "alice"));
  ExpectTellsNothing(Verdict::kWrongPrincipal, resume(second, "main", "mallory"));
  ExpectTellsNothing(Verdict::kForged, resume(BatonOf(session_.alias), "main", "alice"));
  ASSERT_OK_AND_ASSIGN(StreamTurn last, streams.Resume(second, "main", "alice"));
  ExpectTellsNothing(Verdict::kBusy, resume(second, "main", "alice"));
  ASSERT_THAT(last.Close(), IsOk());
  ExpectTellsNothing(Verdict::kNotFound, resume(second, "main", "alice"));
}

TEST_F(RefusalsTest, OfValues) {
  const auto merge = [&](const char* field, Change change) {
    return sessions().Merge(session_.alias, {{field, std::move(change)}}).status();
  };
  for (const char* field : {"pin", "name"}) {
    ExpectTellsNothing(Verdict::kConflict, merge(field, Change::CompareAndSet(other_, other_)));
    ExpectTellsNothing(Verdict::kConflict, merge(field, Change::SetIfAbsent(other_)));
    ExpectTellsNothing(Verdict::kInvalid, merge(field, Change::Add(1)));
  }
  const Value too_long = Value::Secret(other_ + std::string(kMaxValueBytes, '.'));
  ExpectTellsNothing(Verdict::kInvalid, merge("pin", Change::Set(too_long)));
  ExpectTellsNothing(Verdict::kInvalid, merge("", Change::Set(other_)));
  ExpectTellsNothing(Verdict::kConflict,
                     sessions().SaveIf(session_.alias, 99, {{"pin", other_}}).status());
}

TEST_F(RefusalsTest, OfFieldsThatWereChangedOnTheDisk) {
  ChangeRows(Table::kAttributes);
  ASSERT_OK_AND_ASSIGN(store_, Open(options_));
  ExpectTellsNothing(Verdict::kCorrupt, sessions().Secret(session_.alias, "pin").status());
  ExpectTellsNothing(Verdict::kCorrupt, sessions().Load(session_.alias).status());
}

TEST_F(RefusalsTest, OfSessionsThatWereChangedOnTheDisk) {
  ChangeRows(Table::kSessions);
  ExpectTellsNothing(Verdict::kCorrupt, Open(options_).status());
}

TEST_F(RefusalsTest, OfKeys) {
  ASSERT_THAT(store_->Close(), IsOk());
  const auto open_with = [&](const std::string& key) {
    secrets_.push_back(key);
    Options options = options_;
    options.key_encryption_key = [key] { return SecretBytes(key); };
    ExpectTellsNothing(Verdict::kWrongKey, OpenReadOnly(options).status());
    return Open(options).status();
  };
  const std::string right = ReadFile(directory_ + "/key");
  ExpectTellsNothing(Verdict::kWrongKey, open_with(std::string(right.rbegin(), right.rend())));
  WriteFile(directory_ + "/key", right + "!");
  ExpectTellsNothing(Verdict::kWrongKey, Open(options_).status());
  WriteFile(directory_ + "/key", right.substr(1));
  ExpectTellsNothing(Verdict::kWrongKey, Open(options_).status());
  ExpectTellsNothing(Verdict::kInvalid,
                     PublicKeyOf(KeyType::kP256, SecretBytes(right + right)).status());
}

}  // namespace
}  // namespace batonstore::recovery
