#include "batonstore/tools/demo_ledger.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/base/verdict.h"
#include "batonstore/tools/values.h"

namespace batonstore::tools {
namespace {

using Kind = DemoEvent::Kind;

constexpr std::array<absl::string_view, 5> kKindNames = {"reserved", "abandoned", "created",
                                                         "revoking", "revoked"};

std::optional<Kind> KindFromName(absl::string_view name) {
  for (size_t i = 0; i < kKindNames.size(); ++i) {
    if (kKindNames[i] == name) return static_cast<Kind>(i);
  }
  return std::nullopt;
}

// The private key opens and belongs to the session's public key.
bool HasKeyPair(const SessionStore& store, const Session& session) {
  const absl::StatusOr<SecretBytes> private_key = store.PrivateKey(session.alias);
  if (!private_key.ok()) return false;
  const absl::StatusOr<std::string> public_key = PublicKeyOf(session.key_type, *private_key);
  return public_key.ok() && *public_key == session.public_key;
}

}  // namespace

std::string DemoEvent::ToLine() const {
  return absl::StrCat(kKindNames[static_cast<size_t>(kind)], " ", alias.ToString(), " ",
                      absl::BytesToHexString(public_key), "\n");
}

std::optional<DemoEvent> DemoEvent::Parse(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3) return std::nullopt;
  const std::optional<Kind> kind = KindFromName(words[0]);
  const std::optional<Alias> alias = Alias::Parse(words[1]);
  const absl::StatusOr<std::string> public_key = ParseHex(words[2]);
  if (!kind.has_value() || !alias.has_value() || !public_key.ok()) return std::nullopt;
  return DemoEvent{*kind, *alias, *public_key};
}

void DemoLedger::Record(const DemoEvent& event) {
  Entry& entry = entries_[event.alias];
  if (event.kind == Kind::kReserved) {
    if (!entry.public_key.empty()) ++duplicates_;
    entry.public_key = event.public_key;
  }
  if (event.kind == Kind::kCreated) ++acknowledged_;
  entry.last = event.kind;
}

bool DemoLedger::IsKept(const SessionStore& store, Alias alias, const Entry& entry) {
  const absl::StatusOr<Session> session = store.Find(alias);
  if (!session.ok()) {
    const bool may_be_gone = entry.last == Kind::kReserved || entry.last == Kind::kAbandoned;
    return may_be_gone && VerdictOf(session.status()) == Verdict::kNotFound;
  }
  if (session->public_key != entry.public_key) return false;
  const bool revoked = session->state == State::kRevoked && session->revoked_at.has_value();
  const bool created = session->state == State::kCreated && HasKeyPair(store, *session);
  switch (entry.last) {
    case Kind::kReserved:  // the kill may have come between a creation and its acknowledgement
      return created || session->state == State::kReserved;  // which is counted on its own
    case Kind::kAbandoned:
      return false;
    case Kind::kCreated:
      return created;
    case Kind::kRevoking:
      return created || revoked;
    case Kind::kRevoked:
      return revoked;
  }
  return false;
}

// Whatever is in the store, promised or not: nothing is Reserved, and aliases rise.
absl::Status DemoLedger::CountUnlawful(const SessionStore& store, DemoResult& result) {
  std::optional<Alias> last;
  std::optional<Alias> after;
  do {
    BATONSTORE_ASSIGN_OR_RETURN(const ListPage page, store.List({}, kMaxPageSize, after));
    for (const Session& session : page.sessions) {
      if (session.state == State::kReserved) ++result.reserved_left;
      if (last.has_value() && session.alias <= *last) ++result.duplicate_aliases;
      last = session.alias;
    }
    after = page.next;
  } while (after.has_value());
  return absl::OkStatus();
}

DemoResult DemoLedger::Check(const SessionStore& store, const std::function<void()>& step) const {
  DemoResult result;
  result.acknowledged = acknowledged_;
  result.duplicate_aliases = duplicates_;
  for (const auto& [alias, entry] : entries_) {
    if (!IsKept(store, alias, entry)) ++result.lost;
    step();
  }
  result.error = CountUnlawful(store, result);
  return result;
}

}  // namespace batonstore::tools
