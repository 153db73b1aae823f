// What a peer is asked, and how each question is named on the line between driver and peer.

#ifndef BATONSTORE_BENCHMARKS_PEERS_QUESTION_H_
#define BATONSTORE_BENCHMARKS_PEERS_QUESTION_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace batonstore::benchmarks {

enum class Question : uint8_t {
  kCreate,         // a durable creation
  kReserveCreate,  // Reserve, then Create: two durable steps
  kTurn,           // a durable update of one session's generation
  kFind,           // by alias
  kFindKey,        // by public key
  kList,           // all sessions of one principal, in order
  kVerify,         // a token's tag and form, without a look-up
  kVerifyFind,     // the same, and the session that it names
  kStreamTurn,     // volatile: a token is checked and its successor made
  kHmac,           // bare HMAC-SHA256 of 24 bytes
};

inline constexpr std::array<Question, 10> kAllQuestions = {
    Question::kCreate,     Question::kReserveCreate, Question::kTurn,   Question::kFind,
    Question::kFindKey,    Question::kList,          Question::kVerify, Question::kVerifyFind,
    Question::kStreamTurn, Question::kHmac};

// "create", "reserve_create", "turn", "find", "find_key", "list", "verify", "verify_find",
// "stream_turn", "hmac".
absl::string_view QuestionName(Question question);
std::optional<Question> QuestionFromName(absl::string_view name);

// Whether an answer is acknowledged only once it is on the disk.
bool IsDurable(Question question);

// How many are asked between two looks at the clock: more than one of what is over so fast that the
// clock would be felt. Latencies are then the means of such a block.
int64_t QuestionsInBlock(Question question);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_QUESTION_H_
