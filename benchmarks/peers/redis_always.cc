// Redis that syncs before it answers; what waits meanwhile shares the next sync.

#include "benchmarks/peers/redis_peer.h"

int main(int argc, char** argv) {
  batonstore::benchmarks::RedisPeer peer("always");
  return batonstore::benchmarks::PeerMain(argc, argv, peer);
}
