// The command batonstore: a store's sessions, seen and served from a terminal.

#include "batonstore/tools/command_line.h"

int main(int argc, char** argv) { return batonstore::tools::RunCommandLine(argc, argv); }
