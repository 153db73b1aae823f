#include "benchmarks/peers/roster.h"

namespace batonstore::benchmarks {

const std::vector<std::string>& AllPeers() {
  static const auto& peers = *new std::vector<std::string>{
      kOurPeer,         "lmdb",       "sqlite", "leveldb", "rocksdb", "redis_always",
      "redis_everysec", "postgresql", "bbolt",  "floor",   "libjwt",  "go_streams"};
  return peers;
}

bool IsForLargeStores(const std::string& peer) { return peer == kOurPeer || peer == "leveldb"; }

const std::vector<QuestionAsked>& AllQuestionsAsked() {
  static const auto& asked = *new std::vector<QuestionAsked>{
      {Question::kFind, 1},       {Question::kFindKey, 1},       {Question::kList, 1},
      {Question::kVerify, 1},     {Question::kVerifyFind, 1},    {Question::kStreamTurn, 1},
      {Question::kStreamTurn, 2}, {Question::kHmac, 1},          {Question::kHmac, 2},
      {Question::kTurn, 64},      {Question::kCreate, 1},        {Question::kCreate, 8},
      {Question::kCreate, 64},    {Question::kReserveCreate, 64}};
  return asked;
}

}  // namespace batonstore::benchmarks
