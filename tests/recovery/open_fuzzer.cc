// Fuzzes opening with Verification::kAlways, which promises that a damaged file is never served:
// whatever is done to a sound store's bytes, opening is refused with a verdict, or all that was in
// the store is there, and the store goes on.
//
// An input is a list of edits (file_edits.h).

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/verdict.h"
#include "batonstore/crypto/secret_bytes.h"
#include "batonstore/recovery/open.h"
#include "batonstore/recovery/verify.h"
#include "batonstore/store/alias.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session_store.h"
#include "tests/recovery/file_edits.h"
#include "tests/recovery/file_rows.h"
#include "tests/support/fake_clock.h"
#include "tests/support/full_store.h"
#include "tests/support/fuzz_target.h"
#include "tests/support/scripted_keys.h"
#include "tests/support/sessions.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_folder.h"
#include "tests/support/temp_dir.h"

namespace batonstore::testing {
namespace {

// All that the store tells of these sessions, and what else it holds.
std::string AskForAll(SessionStore& store, const std::vector<Alias>& aliases) {
  std::string answers;
  const auto ask = [&](const Call& call) {
    absl::StrAppend(&answers, Describe(call), "\n", MakeCall(store, call).text, "\n");
  };
  for (const Alias alias : aliases) {
    for (const Do what : {Do::kFind, Do::kLoad, Do::kGroupOf, Do::kGroupMembers, Do::kIssue}) {
      ask({.what = what, .alias = alias});
    }
    ask({.what = Do::kSecret, .alias = alias, .text = "pin"});
    const absl::StatusOr<SecretBytes> key = store.PrivateKey(alias);
    absl::StrAppend(&answers, key.ok() ? TextOf(*key) : TextOf(key.status()), "\n");
  }
  ask({.what = Do::kList, .number = 1});
  ask({.what = Do::kCompensations});
  for (const char* consumer : {"mailer", "auditor"}) {
    ask({.what = Do::kReadEvents, .text = consumer});
  }
  return answers;
}

// A store, made once, and the folder that takes the edits.
class Subject {
 public:
  Subject() {
    MakeFullStore(directory_);
    opened_at_ = absl::Now();
    sound_ = ReadFile(data_file_);
    const FileRows rows = *ReadFileRows(data_file_);
    for (const auto& [row, value] : rows) {
      if (row.first == Table::kSessions) aliases_.push_back(*Alias::FromKey(row.second));
    }
    Require(Open([this](SessionStore& store) { right_ = AskForAll(store, aliases_); }).ok(),
            "what nobody has edited does not open");
  }

  // Whether verification found it sound, or told what is not.
  bool TryEdited(absl::string_view edits) const {
    WriteFile(data_file_, EditFile(sound_, edits));
    const absl::Status opened = Open([this](SessionStore& store) {
      Require(AskForAll(store, aliases_) == right_, "a damaged file is served");
    });
    return RequireVerdict(opened) || VerdictOf(opened) == Verdict::kCorrupt;
  }

 private:
  // Opens the store and asks it, if it opens.
  absl::Status Open(absl::FunctionRef<void(SessionStore&)> ask) const {
    FakeClock clock(opened_at_);  // what opening itself writes is the same each time
    ScriptedKeys keys([](uint64_t draw) { return draw; });
    const auto store = recovery::Open({.directory = directory_,
                                       .map_bytes = uint64_t{64} << 20,
                                       .reserved_bytes = 0,
                                       .sweep_every = absl::InfiniteDuration(),
                                       .verify = recovery::Verification::kAlways,
                                       .clock = &clock,
                                       .key_pairs = &keys});
    if (!store.ok()) return store.status();
    ask((*store)->sessions());
    GoOn(**store);
    return absl::OkStatus();
  }

  // LMDB, too, takes what has been verified for sound.
  void GoOn(recovery::Store& store) const {
    Require(store.sessions().ReserveAndCreate(LastingSpec()).ok(), "a new session is refused");
    Require(store.sessions().Revoke(aliases_.front()).ok(), "a session cannot be revoked");
    Require(store.Close().ok(), "the store does not close");
    const auto report = recovery::Verify({.directory = directory_});
    Require(report.ok() && report->is_sound(), "what was written on top is not sound");
  }

  TempDir folder_;
  const std::string directory_ = folder_ / "store";
  const std::string data_file_ = directory_ + "/data.mdb";
  std::string sound_;
  std::vector<Alias> aliases_;
  std::string right_;
  absl::Time opened_at_;
};

}  // namespace

bool TryInput(absl::string_view input) {
  KeepTempDirsInMemory();
  static const Subject subject;
  return subject.TryEdited(input);
}

std::map<std::string, std::string> MakeSeeds() { return SomeEdits(); }

}  // namespace batonstore::testing
