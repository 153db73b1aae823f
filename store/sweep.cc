#include "batonstore/store/sweep.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "batonstore/base/status_macros.h"
#include "batonstore/store/expiries.h"
#include "batonstore/store/outbox.h"
#include "batonstore/store/revocations.h"
#include "batonstore/store/rows.h"

namespace batonstore {
namespace {

// How long the first session of a group, whose retention has ended, is kept until it is looked at
// again, because the group has other members.
constexpr absl::Duration kGroupRecheck = absl::Hours(24);

class Piece {
 public:
  Piece(Transaction& transaction, const SessionTable& table, absl::Time now, uint64_t part)
      : transaction_(transaction),
        table_(table),
        now_(now),
        sessions_(std::max<uint64_t>(kSweepSessions / part, 1)),
        rows_(std::max<uint64_t>(kSweepRows / part, 1)) {}

  absl::StatusOr<Swept> Run() {
    BATONSTORE_RETURN_IF_ERROR(WorkOffRevocations());
    BATONSTORE_RETURN_IF_ERROR(WorkOffExpiries());
    if (rows_ == 0) swept_.more = true;
    if (swept_.more) return swept_;
    BATONSTORE_ASSIGN_OR_RETURN(swept_.trimmed, TrimOutbox(transaction_, rows_));
    swept_.more = swept_.trimmed == rows_;
    return swept_;
  }

 private:
  bool exhausted() const { return sessions_ == 0 || rows_ == 0; }

  void Spend(uint64_t rows) { rows_ -= std::min(rows_, rows); }

  // What `change` does to one session, at the cost of the rows that it writes.
  absl::Status ForOneSession(absl::FunctionRef<absl::Status()> change) {
    const uint64_t writes = transaction_.writes();
    absl::Status changed = change();
    Spend(transaction_.writes() - writes);
    --sessions_;
    return changed;
  }

  absl::Status WorkOffRevocations() {
    for (;;) {
      BATONSTORE_ASSIGN_OR_RETURN(std::optional<Revocation> revocation,
                                  FirstRevocation(transaction_, table_.keys()));
      if (!revocation.has_value()) return absl::OkStatus();
      if (exhausted()) {
        swept_.more = true;
        return absl::OkStatus();
      }
      BATONSTORE_RETURN_IF_ERROR(WorkOff(*revocation));
    }
  }

  // Goes on where the last piece stopped, and drops the mark at the end.
  absl::Status WorkOff(Revocation revocation) {
    bool done = true;
    uint64_t passed = 0;
    absl::Status broken;
    std::vector<StoredSession> covered;
    BATONSTORE_RETURN_IF_ERROR(table_.indexes().Scan(
        transaction_,
        {Table::kPrincipals, revocation.principal, Alias(revocation.record.done.value() + 1)},
        [&](Alias alias) {
          if (alias > revocation.covered) return false;
          done = covered.size() < sessions_ && passed < kSweepRows;
          if (!done) return false;
          absl::StatusOr<StoredSession> session = table_.GetNamed(transaction_, alias, now_);
          broken = session.status();
          if (!broken.ok()) return false;
          revocation.record.done = alias;
          ++passed;
          if (IsTerminal(session->state) && session->is_stored_live()) {
            covered.push_back(*std::move(session));
          }
          return true;
        }));
    BATONSTORE_RETURN_IF_ERROR(broken);
    for (size_t i = 0; i < covered.size(); ++i) {
      if (i > 0 && exhausted()) {
        revocation.record.done = covered[i - 1].alias();
        done = false;
        break;
      }
      BATONSTORE_RETURN_IF_ERROR(Settle(covered[i]));
    }
    Spend(passed + 1);
    return done ? DeleteRevocation(transaction_, revocation)
                : PutRevocation(transaction_, table_.keys(), revocation);
  }

  absl::Status Settle(StoredSession& session) {
    ++(session.state == State::kRevoked  ? swept_.revoked
       : session.reservation.has_value() ? swept_.removed
                                         : swept_.expired);
    return ForOneSession([&] { return table_.Settle(transaction_, session, now_).status(); });
  }

  absl::Status WorkOffExpiries() {
    for (;;) {
      BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Expiry> first, FirstExpiry(transaction_));
      if (!first.has_value() || first->at > now_) return absl::OkStatus();
      if (exhausted()) {
        swept_.more = true;
        return absl::OkStatus();
      }
      BATONSTORE_RETURN_IF_ERROR(WorkOff(*first));
    }
  }

  absl::Status WorkOff(const Expiry& expiry) {
    BATONSTORE_ASSIGN_OR_RETURN(StoredSession session,
                                table_.GetNamed(transaction_, expiry.alias, now_));
    if (session.is_stored_live() && IsTerminal(session.state)) return Settle(session);
    if (session.is_stored_live()) return CorruptRow(Table::kExpiries, expiry.alias.ToKey());
    return ForOneSession([&] { return Bury(session, expiry); });
  }

  absl::Status Bury(const StoredSession& session, const Expiry& expiry) {
    BATONSTORE_RETURN_IF_ERROR(DeleteExpiry(transaction_, expiry));
    BATONSTORE_ASSIGN_OR_RETURN(const bool heads_group, HeadsGroup(session.record.session));
    if (heads_group) return PutExpiry(transaction_, {now_ + kGroupRecheck, expiry.alias});
    ++swept_.removed;
    return table_.RemoveEnded(transaction_, session, now_);
  }

  absl::StatusOr<bool> HeadsGroup(const Session& session) {
    if (session.group != session.alias) return false;
    BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Alias> linked,
                                table_.indexes().LastLinked(transaction_, session.alias));
    return linked.has_value();
  }

  Transaction& transaction_;
  const SessionTable& table_;
  const absl::Time now_;
  uint64_t sessions_;  // still to end or remove
  uint64_t rows_;      // still to pass or write
  Swept swept_;
};

}  // namespace

absl::StatusOr<Swept> Sweep(Transaction& transaction, const SessionTable& table, absl::Time now,
                            uint64_t part) {
  return Piece(transaction, table, now, part).Run();
}

absl::StatusOr<bool> AnythingDue(Snapshot& snapshot, const SessionTable& table, absl::Time now) {
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Revocation> revocation,
                              FirstRevocation(snapshot, table.keys()));
  if (revocation.has_value()) return true;
  BATONSTORE_ASSIGN_OR_RETURN(const std::optional<Expiry> first, FirstExpiry(snapshot));
  return first.has_value() && first->at <= now;
}

}  // namespace batonstore
