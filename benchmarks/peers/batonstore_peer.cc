// batonstore itself.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "batonstore/base/clock.h"
#include "batonstore/crypto/baton.h"
#include "batonstore/store/schema.h"
#include "batonstore/store/session.h"
#include "batonstore/store/session_store.h"
#include "batonstore/store/stream_registry.h"
#include "benchmarks/filled_store.h"
#include "benchmarks/peers/peer.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

// What clients hold, side by side.
using BatonText = std::array<char, kBatonLength>;
absl::string_view View(const BatonText& text) { return {text.data(), text.size()}; }
void Copy(absl::string_view baton, BatonText& text) {
  CheckThat(baton.size() == text.size(), "a baton has its length");
  std::copy(baton.begin(), baton.end(), text.begin());
}

SessionSpec SpecOf(int64_t principal, int64_t database) {
  SessionSpec spec;
  spec.label = std::string(kLabel);
  spec.principal = PrincipalName(principal);
  spec.database = DatabaseName(database);
  spec.expires_at = absl::Now() + absl::Hours(24 * 365);
  return spec;
}

SessionSpec FreshSpec(Caller& caller) {
  const FilledSessions filled(caller.sessions);
  return SpecOf(static_cast<int64_t>(caller.random() % static_cast<uint64_t>(filled.principals())),
                static_cast<int64_t>(caller.random() % kDatabases));
}

class BatonstorePeer final : public Peer {
 public:
  std::string Name() const override { return "batonstore"; }
  std::string Version() const override {
    return absl::StrCat("batonstore, format ", kFormatVersion);
  }
  std::vector<Question> Questions() const override {
    return {Question::kCreate, Question::kReserveCreate, Question::kTurn,
            Question::kFind,   Question::kFindKey,       Question::kList,
            Question::kVerify, Question::kVerifyFind,    Question::kStreamTurn};
  }

  void Fill(const PeerOptions& options) override {
    // Where the filled store makes its folder.
    CheckThat(setenv("TMPDIR", options.folder.c_str(), 1) == 0, "the environment has room");
    const FilledSessions filled(options.sessions);
    store_ = std::make_unique<FilledStore>(Filling{options.sessions, [&](int64_t session) {
                                                     return SpecOf(filled.PrincipalOf(session),
                                                                   filled.DatabaseOf(session));
                                                   }});
  }

  void Prepare(Question question) override {
    switch (question) {
      case Question::kTurn:
      case Question::kVerify:
      case Question::kVerifyFind:
        if (batons_.empty()) HandOutBatons();
        return;
      case Question::kFindKey:
        if (public_keys_.empty()) ReadPublicKeys();
        return;
      case Question::kStreamTurn:
        if (streams_ == nullptr) OpenStreams();
        return;
      default:
        return;
    }
  }

  void Create(Caller& caller) override {
    CheckOk(sessions().ReserveAndCreate(FreshSpec(caller)).status());
  }

  void ReserveAndCreate(Caller& caller) override {
    const Session session = ValueOf(sessions().Reserve(FreshSpec(caller)));
    CheckOk(sessions().Create(session.alias));
  }

  // The store knows the generation; so does the baton.
  void Turn(Caller& caller, int64_t session, uint64_t generation) override {
    BatonText& baton = batons_[static_cast<size_t>(session)];
    const FilledSessions filled(caller.sessions);
    Resumed resumed =
        ValueOf(sessions().Resume(View(baton), digest_, DatabaseName(filled.DatabaseOf(session)),
                                  PrincipalName(filled.PrincipalOf(session))));
    SessionTurn& turn = std::get<SessionTurn>(resumed);
    CheckThat(turn.generation() == generation, "the generation is the one the last turn left");
    Copy(ValueOf(turn.Finish("")), baton);
  }

  void Find(Caller&, int64_t session) override {
    const Alias alias = AliasOf(session);
    CheckThat(ValueOf(sessions().Find(alias)).alias == alias, "the session is found");
  }

  void FindByPublicKey(Caller&, int64_t session) override {
    const std::string& public_key =
        public_keys_[static_cast<size_t>(session) % public_keys_.size()];
    CheckThat(ValueOf(sessions().FindByPublicKey(public_key)).public_key == public_key,
              "the session is found");
  }

  void ListOfPrincipal(Caller&, int64_t principal) override {
    ListFilter filter;
    filter.principal = PrincipalName(principal);
    std::optional<Alias> after;
    do {
      const ListPage page = ValueOf(sessions().List(filter, kMaxPageSize, after));
      CheckThat(!page.sessions.empty(), "the principal has sessions");
      after = page.next;
    } while (after.has_value());
  }

  void Verify(Caller&, int64_t session) override {
    const BatonText& baton = batons_[static_cast<size_t>(session)];
    CheckOk(sessions().stream_host().Ring().Verify(View(baton)).status());
  }

  void VerifyAndFind(Caller& caller, int64_t session) override {
    const FilledSessions filled(caller.sessions);
    CheckOk(sessions()
                .Verify(View(batons_[static_cast<size_t>(session)]),
                        DatabaseName(filled.DatabaseOf(session)),
                        PrincipalName(filled.PrincipalOf(session)))
                .status());
  }

  void StreamTurn(Caller& caller) override {
    BatonText& baton = stream_batons_[static_cast<size_t>(caller.index)].text;
    Copy(ValueOf(ValueOf(streams_->Resume(View(baton), database_, principal_)).Finish()), baton);
  }

 private:
  struct alignas(128) StreamBaton {
    BatonText text;
  };

  SessionStore& sessions() { return store_->sessions(); }
  Alias AliasOf(int64_t session) const { return store_->aliases()[static_cast<size_t>(session)]; }

  // Each has rotated once, so that every turn replaces a row that is there.
  void HandOutBatons() {
    streams_.reset();  // of the store that is opened anew
    store_->RotateBatons(digest_);
    batons_.resize(store_->aliases().size());
    for (size_t i = 0; i < batons_.size(); ++i) {
      Copy(ValueOf(sessions().Issue(store_->aliases()[i])), batons_[i]);
    }
  }

  // Of every session, or of a million that are spread evenly.
  void ReadPublicKeys() {
    constexpr size_t kMost = 1'000'000;
    const size_t stride = (store_->aliases().size() + kMost - 1) / kMost;
    for (size_t i = 0; i < store_->aliases().size(); i += stride) {
      public_keys_.push_back(ValueOf(sessions().Find(store_->aliases()[i])).public_key);
    }
  }

  void OpenStreams() {
    const absl::Duration long_enough = absl::Hours(1000);
    streams_ = std::make_unique<StreamRegistry>(
        sessions().stream_host(), SystemClock(),
        StreamOptions{
            .idle_timeout = long_enough, .max_age = long_enough, .max_per_database = 4096});
    stream_batons_.resize(static_cast<size_t>(options().callers));
    for (StreamBaton& baton : stream_batons_) {
      auto turn = ValueOf(streams_->Open({.database = database_, .principal = principal_}));
      Copy(ValueOf(std::move(turn).Finish()), baton.text);
    }
  }

  const std::string digest_ = std::string(32, 'd');  // of every request
  const std::string database_ = DatabaseName(0);
  const std::string principal_ = PrincipalName(0);
  std::unique_ptr<FilledStore> store_;
  std::unique_ptr<StreamRegistry> streams_;  // of the store
  std::vector<BatonText> batons_;            // of each session
  std::vector<StreamBaton> stream_batons_;   // of each caller
  std::vector<std::string> public_keys_;
};

}  // namespace
}  // namespace batonstore::benchmarks

int main(int argc, char** argv) {
  batonstore::benchmarks::BatonstorePeer peer;
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
