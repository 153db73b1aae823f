// What several threads call of one store and hear from it, as a history that a model of one thread
// judges (linearizability.h): which calls they make, and when an answer is right.

#ifndef BATONSTORE_TESTS_SUPPORT_STORE_HISTORY_H_
#define BATONSTORE_TESTS_SUPPORT_STORE_HISTORY_H_

#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "batonstore/store/policy.h"
#include "batonstore/store/session.h"
#include "tests/support/any_call.h"
#include "tests/support/linearizability.h"
#include "tests/support/store_calls.h"
#include "tests/support/store_model.h"

namespace batonstore::testing {

struct CallAndReply {
  Call call;
  Reply reply;  // without a text if it has not come; `turn_of` is known all the same
  bool may_have_met_another = false;  // by MarkThoseThatMayHaveMet
};
using StoreHistory = std::vector<HistoryEntry<CallAndReply>>;

// A session is held from before a turn is granted until after it has finished, and for a moment by
// those too who are refused once they hold it. So BUSY is right whenever another call that holds
// the session is under way. This finds those to whom that may have happened; who holds it between
// calls, the model knows.
void MarkThoseThatMayHaveMet(StoreHistory& history);

// Whether the model answers the same, and what it is then.
bool AnswersTheSame(StoreModel& model, const CallAndReply& made);

// Rules, and limits so low that they are met.
Policy AnyPolicy(std::mt19937_64& random);

// What there is to choose calls from, in a store that is as `model`, which must outlive it.
Surroundings SurroundingsOf(const StoreModel& model, const std::vector<Alias>& given);

// What one caller does next, weighed so that much happens to few sessions: `count` calls, which
// mostly go on with the turn that he may have. `first`, if given, is the first of them.
std::vector<Call> AnyCallsOf(int caller, size_t count, bool has_turn,
                             const std::optional<Call>& first, const Surroundings& surroundings,
                             std::mt19937_64& random);

}  // namespace batonstore::testing

#endif  // BATONSTORE_TESTS_SUPPORT_STORE_HISTORY_H_
