// Redis that syncs every second: a crash loses what it has acknowledged since. Not durable.

#include "benchmarks/peers/redis_peer.h"

int main(int argc, char** argv) {
  batonstore::benchmarks::RedisPeer peer("everysec");
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
