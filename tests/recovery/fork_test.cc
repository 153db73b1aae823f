// A forked child can neither use nor harm the store that its parent has open.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/structure_check.h"
#include "batonstore/recovery/verify.h"
#include "batonstore/store/session_turn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/forked_child.h"
#include "tests/support/sessions.h"
#include "tests/support/status_matchers.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

#if defined(__SANITIZE_ADDRESS__)
// What a forked child inherits is leaked on purpose: it is the parent's.
extern "C" int __lsan_is_turned_off() { return 1; }
#endif

namespace batonstore::recovery {
namespace {

namespace fs = std::filesystem;

using ::batonstore::testing::Channel;
using ::batonstore::testing::ForkedChild;
using ::batonstore::testing::HasVerdict;
using ::batonstore::testing::IsOk;
using ::batonstore::testing::LastingSpec;
using ::batonstore::testing::ReadFile;
using ::batonstore::testing::ReadPages;
using ::batonstore::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

bool IsClosed(const absl::Status& status) { return VerdictOf(status) == Verdict::kClosed; }

// Names the first call that a forked child's copy of a store does not refuse.
std::string CallThatIsNotClosed(SessionStore& sessions, const Session& session,
                                const std::string& baton) {
  if (!IsClosed(sessions.Reserve(LastingSpec()).status())) return "Reserve";
  if (!IsClosed(sessions.ReserveAndCreate(LastingSpec()).status())) return "ReserveAndCreate";
  if (!IsClosed(sessions.Create(session.alias))) return "Create";
  if (!IsClosed(sessions.Abandon(session.alias))) return "Abandon";
  if (!IsClosed(sessions.Shift(session.alias, State::kRevoked).status())) return "Shift";
  if (!IsClosed(sessions.Revoke(session.alias))) return "Revoke";
  if (!IsClosed(sessions.SetRemotePublicKey(session.alias, "key"))) return "SetRemotePublicKey";
  if (!IsClosed(sessions.PrivateKey(session.alias).status())) return "PrivateKey";
  if (!IsClosed(sessions.Issue(session.alias).status())) return "Issue";
  if (!IsClosed(sessions.RotateSigningKey().status())) return "RotateSigningKey";
  if (!IsClosed(sessions.RetireSigningKey(1))) return "RetireSigningKey";
  if (!IsClosed(sessions.RotateDataKey())) return "RotateDataKey";
  if (!IsClosed(sessions.Reseal().status())) return "Reseal";
  if (!IsClosed(sessions.DataKeyRotation().status())) return "DataKeyRotation";
  if (!IsClosed(sessions.RevokeEverybody().status())) return "RevokeEverybody";
  if (!IsClosed(sessions.Find(session.alias).status())) return "Find";
  if (!IsClosed(sessions.FindByPublicKey(session.public_key).status())) return "FindByPublicKey";
  if (!IsClosed(sessions.List({}, 10).status())) return "List";
  if (!IsClosed(sessions.GroupOf(session.alias).status())) return "GroupOf";
  if (!IsClosed(sessions.GroupMembers(session.alias).status())) return "GroupMembers";
  if (!IsClosed(sessions.Stats().status())) return "Stats";
  if (!IsClosed(sessions.Count({}).status())) return "Count";
  if (!IsClosed(sessions.Touch(session.alias).status())) return "Touch";
  if (!IsClosed(sessions.CycleKey(session.alias).status())) return "CycleKey";
  if (!IsClosed(sessions.RevokeGroup(session.alias).status())) return "RevokeGroup";
  if (!IsClosed(sessions.RevokeAll("alice"))) return "RevokeAll";
  if (!IsClosed(sessions.Load(session.alias).status())) return "Load";
  if (!IsClosed(sessions.SaveIf(session.alias, 0, {}).status())) return "SaveIf";
  if (!IsClosed(sessions.Merge(session.alias, {}).status())) return "Merge";
  if (!IsClosed(sessions.Secret(session.alias, "field").status())) return "Secret";
  if (!IsClosed(sessions.Sweep().status())) return "Sweep";
  if (!IsClosed(sessions.PendingCompensations().status())) return "PendingCompensations";
  if (!IsClosed(sessions.Acknowledge(session.alias))) return "Acknowledge";
  if (!IsClosed(sessions.events().AddConsumer("child"))) return "AddConsumer";
  if (!IsClosed(sessions.events().Read("child", 1).status())) return "Read";
  if (!IsClosed(sessions.events().Consumers().status())) return "Consumers";
  if (!IsClosed(sessions.events().RemoveConsumer("child"))) return "RemoveConsumer";
  if (!IsClosed(sessions.events().Acknowledge("child", 1))) return "Acknowledge of events";
  sessions.events().WaitForEvents("child", absl::InfiniteDuration());
  if (!IsClosed(sessions.SaveOrCreate(LastingSpec(), {}).status())) return "SaveOrCreate";
  if (!IsClosed(sessions.RevokeAllExcept("alice", session.alias))) return "RevokeAllExcept";
  if (!IsClosed(sessions.Verify(baton, "main", "alice").status())) return "Verify";
  if (!IsClosed(sessions.Resume(baton, "digest", "main", "alice").status())) return "Resume";
  return "";
}

// ThreadSanitizer lets the fork of a process that has threads start none.
#if defined(__SANITIZE_THREAD__)
constexpr absl::Duration kEvery = absl::InfiniteDuration();
#else
constexpr absl::Duration kEvery = absl::Seconds(1);
#endif

class ForkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(store_, Open(options_));
    ASSERT_OK_AND_ASSIGN(session_, store_->sessions().ReserveAndCreate(LastingSpec()));
    ASSERT_OK_AND_ASSIGN(baton_, store_->sessions().Issue(session_.alias));
  }

  // The parent serves on, is still the owner, and nothing is damaged.
  void ExpectUnharmed() {
    EXPECT_THAT(store_->sessions().ReserveAndCreate(LastingSpec()), IsOk());
    EXPECT_THAT(store_->sessions().Find(session_.alias), IsOk());
    ForkedChild other([this](Channel&) -> std::string {
      const absl::Status refused = Open(options_).status();
      return VerdictOf(refused) == Verdict::kNotOwner ? "" : refused.ToString();
    });
    EXPECT_EQ(other.Join(), "");
    ASSERT_THAT(store_->Close(), IsOk());
    EXPECT_THAT(CheckStructure(directory_ + "/data.mdb", ReadPages(directory_).transaction_id),
                IsOk());
    ASSERT_OK_AND_ASSIGN(store_, Open(options_));
    EXPECT_FALSE(store_->report().crashed);
    EXPECT_THAT(store_->sessions().Find(session_.alias), IsOk());
  }

  TempDir folder_;
  const std::string directory_ = folder_ / "store";
  const Options options_{
      .directory = directory_, .sweep_every = kEvery, .streams = {.reap_every = kEvery}};
  std::unique_ptr<Store> store_;
  Session session_;
  std::string baton_;
};

TEST_F(ForkTest, EveryCallInTheChildIsClosed) {
  ForkedChild child([this](Channel&) -> std::string {
    const std::string open = CallThatIsNotClosed(store_->sessions(), session_, baton_);
    if (!open.empty()) return open;
    // Closing what is closed is no error, and closes nothing of the parent's.
    const absl::Status closed = store_->Close();
    return closed.ok() ? "" : closed.ToString();
  });
  EXPECT_EQ(child.Join(), "");
  ExpectUnharmed();
}

TEST_F(ForkTest, DestroyingItInTheChildIsHarmless) {
  ForkedChild child([this](Channel&) -> std::string {
    store_.reset();
    return "";
  });
  EXPECT_EQ(child.Join(), "");
  ExpectUnharmed();
}

// Destroyed by exit(), in the child as in every process.
std::unique_ptr<Store>& StaticStore() {
  static std::unique_ptr<Store> store;
  return store;
}

TEST_F(ForkTest, AnExitOfTheChildIsHarmless) {
  StaticStore() = std::move(store_);
  ForkedChild child([](Channel&) -> std::string { exit(EXIT_SUCCESS); });
  EXPECT_EQ(child.Join(), "");
  store_ = std::move(StaticStore());
  ExpectUnharmed();
}

TEST_F(ForkTest, TheParentGoesOnBesideItsChildren) {
  std::vector<std::unique_ptr<ForkedChild>> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(std::make_unique<ForkedChild>([this](Channel& parent) -> std::string {
      parent.Receive();
      return CallThatIsNotClosed(store_->sessions(), session_, baton_);
    }));
    EXPECT_THAT(store_->sessions().ReserveAndCreate(LastingSpec()), IsOk());
  }
  for (const auto& child : children) child->channel().Send("go");
  for (const auto& child : children) EXPECT_EQ(child->Join(), "");
  ExpectUnharmed();
}

TEST_F(ForkTest, AForkWhileThreadsWriteHangsAndHarmsNobody) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own locks do not survive the fork of a process with threads";
#endif
  std::atomic<bool> stop = false;
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      while (!stop) EXPECT_THAT(store_->sessions().ReserveAndCreate(LastingSpec()), IsOk());
    });
  }
  for (int i = 0; i < 50; ++i) {
    ForkedChild child([this](Channel&) -> std::string {
      const std::string open = CallThatIsNotClosed(store_->sessions(), session_, baton_);
      store_.reset();
      return open;
    });
    EXPECT_EQ(child.Join(), "");
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  ExpectUnharmed();
}

TEST_F(ForkTest, AChildThatHoldsOnDoesNotKeepTheFolder) {
  ForkedChild child([](Channel& parent) -> std::string {
    parent.Send("here");  // from here on it has let go
    parent.Receive();
    return "";
  });
  EXPECT_EQ(child.channel().Receive(), "here");
  ASSERT_THAT(store_->Close(), IsOk());
  ForkedChild other([this](Channel&) -> std::string {
    const absl::StatusOr<std::unique_ptr<Store>> store = Open(options_);
    return store.ok() ? "" : store.status().ToString();
  });
  EXPECT_EQ(other.Join(), "");
  child.channel().Send("end");
  EXPECT_EQ(child.Join(), "");
}

TEST_F(ForkTest, AChildThatOutlivesAKilledOwnerDoesNotKeepTheFolder) {
  ASSERT_THAT(store_->Close(), IsOk());
  ForkedChild owner([this](Channel& parent) -> std::string {
    const absl::StatusOr<std::unique_ptr<Store>> store = Open(options_);
    if (!store.ok()) return store.status().ToString();
    if (fork() != 0) {
      pause();
      return "not killed";
    }
    parent.Send("grandchild lives");
    parent.Receive();  // until the test is over
    return "";
  });
  ASSERT_EQ(owner.channel().Receive(), "grandchild lives");
  owner.Kill();
  ASSERT_OK_AND_ASSIGN(store_, Open(options_));
  EXPECT_TRUE(store_->report().crashed);
}

TEST_F(ForkTest, TheChildMayOpenTheStoreOnceTheParentHasClosedIt) {
  ForkedChild child([this](Channel& parent) -> std::string {
    const absl::Status refused = Open(options_).status();
    if (VerdictOf(refused) != Verdict::kNotOwner) return refused.ToString();
    parent.Send("refused");
    parent.Receive();
    const absl::StatusOr<std::unique_ptr<Store>> own = Open(options_);
    if (!own.ok()) return own.status().ToString();
    const absl::Status found = (*own)->sessions().Find(session_.alias).status();
    return found.ok() ? "" : found.ToString();
  });
  ASSERT_EQ(child.channel().Receive(), "refused");
  ASSERT_THAT(store_->Close(), IsOk());
  child.channel().Send("closed");
  EXPECT_EQ(child.Join(), "");
  EXPECT_THAT(Open(options_), IsOk());
}

TEST_F(ForkTest, ATurnInTheChildFinishesNothing) {
  absl::StatusOr<Resumed> resumed = store_->sessions().Resume(baton_, "digest", "main", "alice");
  ASSERT_THAT(resumed, IsOk());
  auto turn = std::make_unique<SessionTurn>(std::get<SessionTurn>(*std::move(resumed)));
  ForkedChild child([&](Channel&) -> std::string {
    if (!IsClosed(turn->Finish("the child's").status())) return "Finish";
    turn.reset();
    return "";
  });
  EXPECT_EQ(child.Join(), "");
  EXPECT_THAT(turn->Finish("the parent's"), IsOk());
  turn.reset();
  ExpectUnharmed();
}

TEST_F(ForkTest, TheChildMayVerifyAsAnyOtherProcess) {
  ForkedChild child([this](Channel&) -> std::string {
    const absl::StatusOr<VerifyReport> report = Verify({.directory = directory_});
    return report.ok() ? std::string(report->ToStatus().message()) : report.status().ToString();
  });
  EXPECT_EQ(child.Join(), "");
  ExpectUnharmed();
}

TEST_F(ForkTest, AnObserverIsClosedInTheChildToo) {
  store_.reset();
  absl::StatusOr<std::unique_ptr<Observer>> observer = OpenReadOnly(options_);
  ASSERT_THAT(observer, IsOk());
  ForkedChild child([&](Channel&) -> std::string {
    if (!IsClosed((*observer)->sessions().Find(session_.alias).status())) return "Find";
    if (!IsClosed((*observer)->sessions().Stats().status())) return "Stats";
    observer->reset();
    return "";
  });
  EXPECT_EQ(child.Join(), "");
  EXPECT_THAT((*observer)->sessions().Find(session_.alias), IsOk());
}

// Where the descriptors of the program that this command starts lead to.
std::string DescriptorsOfAnotherProgram() {
  FILE* const output = popen("for fd in /proc/self/fd/*; do readlink $fd; done", "r");
  std::string text;
  std::array<char, 4096> bytes;
  while (const size_t size = fread(bytes.data(), 1, bytes.size(), output)) {
    text.append(bytes.data(), size);
  }
  pclose(output);
  return text;
}

std::string OwnDescriptors() {
  std::string text;
  std::error_code closed_meanwhile;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    absl::StrAppend(&text, fs::read_symlink(entry.path(), closed_meanwhile).string(), "\n");
  }
  return text;
}

TEST_F(ForkTest, AProgramThatIsStartedInheritsNoDescriptor) {
  const std::string store = fs::canonical(directory_).string();
  EXPECT_THAT(OwnDescriptors(), HasSubstr(store)) << "else the test would see nothing";
  const std::string inherited = DescriptorsOfAnotherProgram();
  EXPECT_THAT(inherited, HasSubstr("pipe:")) << "else the test would see nothing";
  EXPECT_THAT(inherited, Not(HasSubstr(store)));
}

// Also one that is started at the very moment at which descriptors are made: LMDB does not mark
// them at once. Programs started by posix_spawn, which does not ask whether it may, are not
// promised this.
TEST_F(ForkTest, AProgramThatIsStartedWhileStoresAreOpenedInheritsNothingEither) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own locks do not survive the fork of a process with threads";
#endif
  constexpr int kPrograms = 300;
  std::atomic<bool> stop = false;
  std::atomic<int> opened = 0;
  const std::string other = folder_ / "other";
  std::thread opener([&] {
    for (int i = 0; !stop; ++i) {
      Options options = options_;
      options.directory = other;
      options.verify = Verification::kAlways;
      EXPECT_THAT(Open(options), IsOk());
      EXPECT_THAT(OpenReadOnly(options), IsOk());
      EXPECT_THAT(Verify({.directory = other}), IsOk());
      if (i % 2 == 1) fs::remove_all(other);  // and is made anew
      ++opened;
    }
  });
  const TempDir elsewhere;
  const std::string listing = fs::canonical(elsewhere.path()).string() + "/listing";
  const std::string root = fs::canonical(folder_.path()).string();
  for (int i = 0; i < kPrograms || opened == 0; ++i) {
    ForkedChild program([&](Channel&) -> std::string {
      const int out = open(listing.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      dup2(out, STDOUT_FILENO);
      execl("/bin/ls", "ls", "-l", "/proc/self/fd", nullptr);
      return "there is no ls";
    });
    ASSERT_EQ(program.Join(), "");
    const std::string listed = ReadFile(listing);
    ASSERT_THAT(listed, HasSubstr(listing)) << "else the test would see nothing";
    ASSERT_THAT(listed, Not(HasSubstr(root)));
  }
  stop = true;
  opener.join();
}

}  // namespace
}  // namespace batonstore::recovery
