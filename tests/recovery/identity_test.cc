#include "batonstore/recovery/identity.h"

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/store/memory_engine.h"
#include "batonstore/store/number.h"
#include "batonstore/store/schema.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

SecretBytes Key(char fill = 'k') { return SecretBytes(std::string(kKeyEncryptionKeyBytes, fill)); }

MemoryEngine::Rows NewRows() {
  MemoryEngine engine;
  EXPECT_THAT(WriteIdentity(engine, RandomStoreId(SystemRandom()), Key(), SystemRandom()), IsOk());
  return engine.Committed();
}

std::string& MetaRow(MemoryEngine::Rows& rows, absl::string_view name) {
  return rows[TableIndex(Table::kMeta)].at(std::string(name));
}

absl::StatusOr<Identity> Read(MemoryEngine::Rows rows, const SecretBytes& key = Key()) {
  MemoryEngine engine(std::move(rows));
  return ReadIdentity(engine, key, SystemRandom());
}

TEST(IdentityTest, ANewStoreHasNeverBeenOpened) {
  ASSERT_OK_AND_ASSIGN(const Identity identity, Read(NewRows()));
  EXPECT_EQ(identity.epoch, 0u);
  EXPECT_EQ(identity.closed_epoch, 0u);
  EXPECT_EQ(identity.last_time, absl::UnixEpoch());
  EXPECT_EQ(identity.store_id.size(), kStoreIdBytes);
  EXPECT_EQ(identity.incarnation.size(), 16u);
}

TEST(IdentityTest, ReadingTwiceGivesTheSameSecrets) {
  const MemoryEngine::Rows rows = NewRows();
  ASSERT_OK_AND_ASSIGN(const Identity one, Read(rows));
  ASSERT_OK_AND_ASSIGN(const Identity other, Read(rows));
  EXPECT_EQ(one.store_id, other.store_id);
  EXPECT_EQ(one.incarnation, other.incarnation);
  EXPECT_THAT(other.keyring->Verify(one.keyring->Mint({})), IsOk());
  ASSERT_OK_AND_ASSIGN(const std::string row,
                       other.keys->OpenRow(Table::kSessions, "key",
                                           one.keys->SealRow(Table::kSessions, "key", "v")));
  EXPECT_EQ(row, "v");
}

TEST(IdentityTest, NoTwoStoresShareAnything) {
  ASSERT_OK_AND_ASSIGN(const Identity one, Read(NewRows()));
  ASSERT_OK_AND_ASSIGN(const Identity other, Read(NewRows()));
  EXPECT_NE(one.store_id, other.store_id);
  EXPECT_NE(one.incarnation, other.incarnation);
  EXPECT_THAT(other.keyring->Verify(one.keyring->Mint({})), HasVerdict(Verdict::kForged));
  EXPECT_THAT(
      other.keys->OpenRow(Table::kSessions, "key", one.keys->SealRow(Table::kSessions, "key", "v")),
      HasVerdict(Verdict::kCorrupt));
}

TEST(IdentityTest, NumbersAndTimeAreThoseOfTheRows) {
  MemoryEngine::Rows rows = NewRows();
  MetaRow(rows, meta::kEpoch) = EncodeNumber(7);
  MetaRow(rows, meta::kClosed) = EncodeNumber(6);
  MetaRow(rows, meta::kTime) = EncodeNumber(1'800'000'000'000'000);
  ASSERT_OK_AND_ASSIGN(const Identity identity, Read(rows));
  EXPECT_EQ(identity.epoch, 7u);
  EXPECT_EQ(identity.closed_epoch, 6u);
  EXPECT_EQ(identity.last_time, absl::FromUnixSeconds(1'800'000'000));
}

TEST(IdentityTest, ReadingWritesNothing) {
  MemoryEngine engine(NewRows());
  const MemoryEngine::Rows before = engine.Committed();
  ASSERT_THAT(ReadIdentity(engine, Key(), SystemRandom()), IsOk());
  EXPECT_EQ(engine.Committed(), before);
}

TEST(IdentityTest, AnotherKeyIsAWrongKey) {
  EXPECT_THAT(Read(NewRows(), Key('x')), HasVerdict(Verdict::kWrongKey));
}

TEST(IdentityTest, SealedRowsAreBoundToTheirStoreAndTheirName) {
  MemoryEngine::Rows swapped = NewRows();
  std::swap(MetaRow(swapped, meta::kDataKeys), MetaRow(swapped, meta::kKeyring));
  EXPECT_THAT(Read(swapped), HasVerdict(Verdict::kWrongKey));

  for (const absl::string_view name : {meta::kDataKeys, meta::kKeyring}) {
    MemoryEngine::Rows rows = NewRows();
    MemoryEngine::Rows others = NewRows();
    MetaRow(rows, name) = MetaRow(others, name);
    EXPECT_THAT(Read(rows), HasVerdict(Verdict::kWrongKey)) << name;
  }
}

TEST(IdentityTest, AStoreWithoutAFormatIsNone) {
  EXPECT_THAT(Read({}), HasVerdict(Verdict::kWrongFormat));
}

TEST(IdentityTest, ANewerFormatAsksForANewerBatonstore) {
  MemoryEngine::Rows rows = NewRows();
  MetaRow(rows, meta::kFormat) = EncodeNumber(kFormatVersion + 1);
  const absl::Status refused = Read(rows).status();
  EXPECT_THAT(refused, HasVerdict(Verdict::kWrongFormat));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("use a newer batonstore"));
}

TEST(IdentityTest, AFormatThatNeverWasAsksForNothingNewer) {
  for (const std::string& format : {EncodeNumber(0), std::string("?")}) {
    MemoryEngine::Rows rows = NewRows();
    MetaRow(rows, meta::kFormat) = format;
    const absl::Status refused = Read(rows).status();
    EXPECT_THAT(refused, HasVerdict(Verdict::kWrongFormat));
    EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("newer")));
  }
}

TEST(IdentityTest, EveryMissingRowIsCorrupt) {
  for (const absl::string_view name :
       {meta::kStoreId, meta::kIncarnation, meta::kEpoch, meta::kClosed, meta::kTime,
        meta::kDataKeys, meta::kKeyring}) {
    MemoryEngine::Rows rows = NewRows();
    rows[TableIndex(Table::kMeta)].erase(std::string(name));
    EXPECT_THAT(Read(rows), HasVerdict(Verdict::kCorrupt)) << name;
  }
}

// A keyring holds no incarnation of more than 255 bytes: to rotate its key ended the process.
TEST(IdentityTest, AnIdOrAnIncarnationOfAnotherLengthIsCorrupt) {
  for (const absl::string_view name : {meta::kStoreId, meta::kIncarnation}) {
    for (const size_t size : {size_t{0}, size_t{15}, size_t{17}, size_t{256}}) {
      MemoryEngine::Rows rows = NewRows();
      MetaRow(rows, name) = std::string(size, 'i');
      EXPECT_THAT(Read(rows), HasVerdict(Verdict::kCorrupt)) << name << " of " << size;
    }
  }
}

TEST(IdentityTest, ANumberOfAnotherLengthIsCorrupt) {
  for (const absl::string_view name : {meta::kEpoch, meta::kClosed, meta::kTime}) {
    MemoryEngine::Rows rows = NewRows();
    MetaRow(rows, name).pop_back();
    EXPECT_THAT(Read(rows), HasVerdict(Verdict::kCorrupt)) << name;
  }
}

TEST(IdentityTest, AFlippedBitInASealedRowDoesNotOpen) {
  const MemoryEngine::Rows rows = NewRows();
  for (const absl::string_view name : {meta::kDataKeys, meta::kKeyring}) {
    MemoryEngine::Rows damaged = rows;
    for (char& byte : MetaRow(damaged, name)) {
      byte ^= 1;
      EXPECT_THAT(Read(damaged), HasVerdict(Verdict::kWrongKey)) << name;
      byte ^= 1;
    }
  }
}

TEST(IdentityTest, AFailedWriteLeavesNothingAndIsReported) {
  for (int nth = 0; nth < 10; ++nth) {  // nine rows and the commit
    MemoryEngine engine;
    engine.InjectFaults([left = nth](MemoryEngine::Step) mutable {
      return left-- == 0 ? Fault::kFailed : Fault::kNone;
    });
    EXPECT_THAT(WriteIdentity(engine, RandomStoreId(SystemRandom()), Key(), SystemRandom()),
                Not(IsOk()))
        << nth;
    EXPECT_EQ(engine.Committed(), MemoryEngine::Rows{}) << nth;
  }
}

}  // namespace
}  // namespace batonstore::recovery
