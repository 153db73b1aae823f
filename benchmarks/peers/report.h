// A comparison as files and text.

#ifndef BATONSTORE_BENCHMARKS_PEERS_REPORT_H_
#define BATONSTORE_BENCHMARKS_PEERS_REPORT_H_

#include <string>

#include "benchmarks/peers/comparison.h"
#include "benchmarks/peers/machine.h"

namespace batonstore::benchmarks {

// What the table and the files have in common: where, and what was left out.
std::string Heading(const Machine& machine, const Comparison& comparison);

// What each store takes on the disk, per session.
std::string SizeTable(const Comparison& comparison);

// peers.json, with every sample; peers.txt, the tables; a chart for each question and one for the
// size, as SVG. Makes the folder.
void WriteReport(const std::string& folder, const Machine& machine, const Comparison& comparison);

}  // namespace batonstore::benchmarks

#endif  // BATONSTORE_BENCHMARKS_PEERS_REPORT_H_
