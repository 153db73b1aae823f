// Who takes part in a comparison.

#ifndef BATONSTORE_BENCHMARKS_PEERS_ROSTER_H_
#define BATONSTORE_BENCHMARKS_PEERS_ROSTER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/peers/question.h"

namespace batonstore::benchmarks {

// Named as their programs are, in the order in which they are started and asked. batonstore, the
// first, is what the others are compared with.
const std::vector<std::string>& AllPeers();
inline constexpr char kOurPeer[] = "batonstore";

// Those that are also measured on stores too large for the others.
bool IsForLargeStores(const std::string& peer);

// What is measured, in this order: reads come first, so that they find the store as it was filled.
struct QuestionAsked {
  Question question = Question::kCreate;
  int callers = 1;
};
const std::vector<QuestionAsked>& AllQuestionsAsked();

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_ROSTER_H_
