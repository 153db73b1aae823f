#include "batonstore/recovery/followed_keys.h"

#include <memory>
#include <string>
#include <utility>

#include "batonstore/base/clock.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/identity.h"
#include "batonstore/store/index_tail.h"
#include "batonstore/store/session_reader.h"
#include "gtest/gtest.h"
#include "tests/support/memory_store_fixture.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"

namespace batonstore::recovery {
namespace {

using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::MemoryStoreFixture;

SecretBytes Key() { return SecretBytes(std::string(kKeyEncryptionKeyBytes, 'k')); }

// Who observes has opened the store before its owner does anything.
class FollowedKeysTest : public MemoryStoreFixture {
 protected:
  FollowedKeysTest()
      : identity_(memory().Identity()),
        followed_(*identity_.keys, identity_.store_id, Key()),
        time_(clock(), clock().Wall()),
        observer_(engine(), *identity_.keys, time_, tail_, SessionReader::Tail::kLagsBehind,
                  Policy(), &followed_) {}

  // By alias, by index, and with what it holds.
  void ExpectSeen(const Session& session) {
    EXPECT_THAT(observer_.Find(session.alias), IsOk());
    EXPECT_THAT(observer_.FindByPublicKey(session.public_key), IsOk());
    EXPECT_THAT(observer_.Load(session.alias), IsOk());
  }

  Identity identity_;
  FollowedKeys followed_;
  StoreTime time_;
  IndexTail tail_;
  SessionReader observer_;
};

TEST_F(FollowedKeysTest, AnObserverSeesWhatIsSealedUnderANewDataKey) {
  const Session before = CreateWith({{"n", "1"}});
  ExpectSeen(before);
  for (int rotation = 0; rotation < 3; ++rotation) {
    ASSERT_THAT(store().RotateDataKey(), IsOk());
    const Session during = CreateWith({{"n", "2"}});
    for (bool is_rotating = true; is_rotating;) {
      ExpectSeen(before);
      ExpectSeen(during);
      ASSERT_OK_AND_ASSIGN(const ResealProgress progress, store().Reseal());
      is_rotating = progress.is_rotating;
    }
    ExpectSeen(before);
    ExpectSeen(during);
    EXPECT_EQ(observer_.List({}, 100)->sessions.size(), 2u + static_cast<size_t>(rotation));
  }
}

TEST_F(FollowedKeysTest, AnotherKeyEncryptionKeyAsksForANewOpening) {
  const Session session = Create();
  ExpectSeen(session);
  const std::string sealed =
      SealUnderKeyEncryptionKey(SecretBytes(std::string(32, 'x')), identity_.store_id,
                                meta::kDataKeys, identity_.data_keys->Serialize(), SystemRandom());
  memory().Tamper([&](Transaction& transaction) {
    return transaction.Put(Table::kMeta, meta::kDataKeys, sealed);
  });
  EXPECT_THAT(observer_.Find(session.alias), HasVerdict(Verdict::kWrongKey));
  EXPECT_THAT(observer_.List({}, 10), HasVerdict(Verdict::kWrongKey));
}

}  // namespace
}  // namespace batonstore::recovery
