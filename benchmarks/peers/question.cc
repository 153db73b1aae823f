#include "benchmarks/peers/question.h"

namespace batonstore::benchmarks {

absl::string_view QuestionName(Question question) {
  switch (question) {
    case Question::kCreate:
      return "create";
    case Question::kReserveCreate:
      return "reserve_create";
    case Question::kTurn:
      return "turn";
    case Question::kFind:
      return "find";
    case Question::kFindKey:
      return "find_key";
    case Question::kList:
      return "list";
    case Question::kVerify:
      return "verify";
    case Question::kVerifyFind:
      return "verify_find";
    case Question::kStreamTurn:
      return "stream_turn";
    case Question::kHmac:
      return "hmac";
  }
  return "";
}

std::optional<Question> QuestionFromName(absl::string_view name) {
  for (const Question question : kAllQuestions) {
    if (QuestionName(question) == name) return question;
  }
  return std::nullopt;
}

bool IsDurable(Question question) {
  return question == Question::kCreate || question == Question::kReserveCreate ||
         question == Question::kTurn;
}

int64_t QuestionsInBlock(Question question) {
  switch (question) {
    case Question::kVerify:
    case Question::kVerifyFind:
    case Question::kStreamTurn:
    case Question::kHmac:
      return 100;
    default:
      return 1;
  }
}

}  // namespace batonstore::benchmarks
