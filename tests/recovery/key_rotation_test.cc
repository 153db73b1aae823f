// The keys of a store in a file: where the key-encryption key comes from, and how it and the data
// key are changed while the store serves.

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/backup.h"
#include "batonstore/recovery/key_file.h"
#include "batonstore/recovery/key_source.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify.h"
#include "batonstore/store/rows.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/file_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::EditRows;
using ::batonstore::testing::FileStoreFixture;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::WriteFile;

KeySource Vault(char fill) {
  return [fill] { return SecretBytes(std::string(32, fill)); };
}

KeySource Passphrase(const std::string& text) { return KeyFromPassphrase(SecretBytes(text)); }

class KeyRotationTest : public FileStoreFixture {
 protected:
  void SetUp() override {
    FileStoreFixture::SetUp();
    session_ = Create();
    ASSERT_OK_AND_ASSIGN(baton_, store().Issue(session_.alias));
  }

  std::string File(const std::string& name) const { return options_.directory + "/" + name; }

  void CheckServes() {
    EXPECT_THAT(store().Verify(baton_, "main", "alice"), IsOk());
    EXPECT_THAT(store().PrivateKey(session_.alias), IsOk());
    EXPECT_THAT(store().ReserveAndCreate(LastingSpec()), IsOk());
  }

  void CheckSound() {
    const auto report = recovery::Verify(
        {.directory = options_.directory, .key_encryption_key = options_.key_encryption_key});
    ASSERT_THAT(report, IsOk());
    EXPECT_THAT(report->ToStatus(), IsOk());
  }

  // Serves, closes, is sound, opens, serves; all by the options as they are.
  void CheckOpensAndIsSound() {
    CheckServes();
    Close();
    CheckSound();
    Open();
    CheckServes();
  }

  void ExpectWrongKey(const KeySource& source) {
    Close();
    Options options = options_;
    options.key_encryption_key = source;
    EXPECT_THAT(recovery::Open(options), HasVerdict(Verdict::kWrongKey));
    EXPECT_THAT(OpenReadOnly(options), HasVerdict(Verdict::kWrongKey));
    Open();
  }

  Session session_;
  std::string baton_;
};

// ---- The key-encryption key ----

TEST_F(KeyRotationTest, AfterARotationTheNextKeyOpensAndTheLastDoesNot) {
  const KeySource by_default = KeyFromFile(File("key"));
  ASSERT_THAT(opened().RotateKeyEncryptionKey(Vault('1')), IsOk());
  options_.key_encryption_key = Vault('1');
  CheckOpensAndIsSound();
  ExpectWrongKey(by_default);
  ASSERT_THAT(opened().RotateKeyEncryptionKey(Vault('2')), IsOk());
  options_.key_encryption_key = Vault('2');
  CheckOpensAndIsSound();
  ExpectWrongKey(Vault('1'));
}

TEST_F(KeyRotationTest, WhatIsRotatedAfterwardsIsSealedUnderTheNextKey) {
  ASSERT_THAT(opened().RotateKeyEncryptionKey(Vault('1')), IsOk());
  options_.key_encryption_key = Vault('1');
  ASSERT_THAT(store().RotateSigningKey(), IsOk());
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  CheckOpensAndIsSound();
  while (store().Reseal()->is_rotating) continue;
  CheckOpensAndIsSound();
}

TEST_F(KeyRotationTest, ABadKeyChangesNothing) {
  const std::string before = ReadFile(File("key"));
  EXPECT_THAT(opened().RotateKeyEncryptionKey([] { return SecretBytes("short"); }),
              HasVerdict(Verdict::kInvalid));
  EXPECT_THAT(opened().RotateKeyEncryptionKey(
                  [] { return Refuse(Verdict::kBusy, "the vault opens at nine"); }),
              HasVerdict(Verdict::kBusy));
  EXPECT_THAT(opened().RotateKeyEncryptionKey(Passphrase("weak")), HasVerdict(Verdict::kInvalid));
  EXPECT_EQ(ReadFile(File("key")), before);
  CheckOpensAndIsSound();
}

TEST_F(KeyRotationTest, TheDefaultKeyIsReplacedInItsFile) {
  const std::string before = ReadFile(File("key"));
  ASSERT_THAT(opened().RotateKeyEncryptionKey(), IsOk());
  EXPECT_NE(ReadFile(File("key")), before);
  EXPECT_FALSE(fs::exists(File("key.next")));
  EXPECT_EQ(fs::status(File("key")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  CheckOpensAndIsSound();
  WriteFile(folder_ / "former", before);
  ExpectWrongKey(KeyFromFile(folder_ / "former"));
}

TEST_F(KeyRotationTest, ACrashBeforeTheStoreIsSealedUnderTheNextDefaultKeyLeavesTheLast) {
  Close();
  const std::string before = ReadFile(File("key"));
  WriteFile(File("key.next"), std::string(32, 'n'));
  EXPECT_THAT(OpenReadOnly(options_), IsOk());
  EXPECT_TRUE(fs::exists(File("key.next"))) << "an observer writes nothing";
  Open();
  EXPECT_FALSE(fs::exists(File("key.next")));
  EXPECT_EQ(ReadFile(File("key")), before);
  CheckOpensAndIsSound();
}

TEST_F(KeyRotationTest, ACrashBeforeTheNextDefaultKeyIsInPlaceIsMadeUpForByTheNextOpening) {
  for (const Verification verify : {Verification::kNever, Verification::kAlways}) {
    const std::string last = ReadFile(File("key"));
    ASSERT_THAT(opened().RotateKeyEncryptionKey(), IsOk());
    const std::string next = ReadFile(File("key"));
    Close();
    fs::rename(File("key"), File("key.next"));
    WriteFile(File("key"), last);
    EXPECT_THAT(OpenReadOnly(options_), IsOk());
    CheckSound();
    const std::string backup = absl::StrCat(folder_ / "backup ", static_cast<int>(verify));
    EXPECT_THAT(Backup({.directory = options_.directory, .file = backup}), IsOk());
    EXPECT_EQ(ReadFile(File("key")), last) << "an observer writes nothing";
    options_.verify = verify;
    Open();
    EXPECT_EQ(ReadFile(File("key")), next);
    EXPECT_FALSE(fs::exists(File("key.next")));
    CheckOpensAndIsSound();
  }
}

TEST_F(KeyRotationTest, ANextKeyThatWasLeftBehindIsNoObstacle) {
  WriteFile(File("key.next"), "left behind");
  ASSERT_THAT(opened().RotateKeyEncryptionKey(), IsOk());
  CheckOpensAndIsSound();
}

TEST_F(KeyRotationTest, AClosedStoreRotatesNothing) {
  const std::string before = ReadFile(File("key"));
  ASSERT_THAT(opened().Close(), IsOk());
  EXPECT_THAT(opened().RotateKeyEncryptionKey(), HasVerdict(Verdict::kClosed));
  EXPECT_THAT(opened().RotateKeyEncryptionKey(Vault('1')), HasVerdict(Verdict::kClosed));
  EXPECT_EQ(ReadFile(File("key")), before);
  EXPECT_FALSE(fs::exists(File("key.next")));
}

// ---- Passphrases ----

TEST_F(KeyRotationTest, APassphraseOpensAndAnotherDoesNot) {
  Close();
  options_.directory = folder_ / "by passphrase";
  options_.key_encryption_key = Passphrase("correct horse battery");
  Open();
  EXPECT_FALSE(fs::exists(File("key")));
  session_ = Create();
  ASSERT_OK_AND_ASSIGN(baton_, store().Issue(session_.alias));
  CheckOpensAndIsSound();
  ExpectWrongKey(Passphrase("correct horse batterx"));
  options_.verify = Verification::kAlways;
  CheckOpensAndIsSound();
  Close();
  EXPECT_THAT(OpenReadOnly(options_), IsOk());
  Open();
}

TEST_F(KeyRotationTest, AWeakPassphraseIsInvalidAndMakesNoStore) {
  Options options = options_;
  options.directory = folder_ / "weak";
  options.key_encryption_key = Passphrase("fourteen bytes");
  EXPECT_THAT(recovery::Open(options), HasVerdict(Verdict::kInvalid));
  EXPECT_FALSE(fs::exists(options.directory));
}

TEST_F(KeyRotationTest, OnePassphraseGivesEachStoreAKeyOfItsOwn) {
  const KeySource source = Passphrase("correct horse battery");
  ASSERT_OK_AND_ASSIGN(const SecretBytes one, source(std::string(16, 'a')));
  ASSERT_OK_AND_ASSIGN(const SecretBytes again, source(std::string(16, 'a')));
  ASSERT_OK_AND_ASSIGN(const SecretBytes other, source(std::string(16, 'b')));
  EXPECT_TRUE(one == again);
  EXPECT_FALSE(one == other);
}

TEST_F(KeyRotationTest, FromTheDefaultKeyToAPassphraseAndToAnother) {
  ASSERT_THAT(opened().RotateKeyEncryptionKey(Passphrase("correct horse battery")), IsOk());
  options_.key_encryption_key = Passphrase("correct horse battery");
  CheckOpensAndIsSound();
  ASSERT_THAT(opened().RotateKeyEncryptionKey(Passphrase("staple of another kind")), IsOk());
  options_.key_encryption_key = Passphrase("staple of another kind");
  CheckOpensAndIsSound();
}

// ---- The data key ----

TEST_F(KeyRotationTest, AStoreIsSoundInEveryStateOfARotationOfItsDataKey) {
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  for (bool is_rotating = true; is_rotating;) {
    CheckOpensAndIsSound();
    ASSERT_OK_AND_ASSIGN(const ResealProgress progress, store().Reseal());
    is_rotating = progress.is_rotating;
  }
  CheckOpensAndIsSound();
}

TEST_F(KeyRotationTest, ARowThatIsSealedUnderARetiredKeyIsFound) {
  const std::string key = session_.alias.ToKey();
  std::string former;
  Close();
  EditRows(options_.directory, [&](Transaction& transaction) {
    former = std::string(**transaction.Get(Table::kSessions, key));
  });
  Open();
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  while (store().Reseal()->is_rotating) continue;
  Close();
  EditRows(options_.directory, [&](Transaction& transaction) {
    ASSERT_THAT(transaction.Put(Table::kSessions, key, former), IsOk());
  });
  ASSERT_OK_AND_ASSIGN(const VerifyReport report,
                       recovery::Verify({.directory = options_.directory}));
  EXPECT_FALSE(report.is_sound());
  EXPECT_THAT(recovery::Open(options_), HasVerdict(Verdict::kCorrupt)) << "it is among the newest";
}

TEST_F(KeyRotationTest, AnOpenStoreSealsItsRowsAgainByItself) {
  ASSERT_THAT(store().RotateDataKey(), IsOk());
  options_.sweep_every = absl::Milliseconds(1);
  Open();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (store().DataKeyRotation()->is_rotating && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_FALSE(store().DataKeyRotation()->is_rotating);
  CheckOpensAndIsSound();
}

}  // namespace
}  // namespace batonstore::recovery
