// Stands for a peer that could not be built, and says what to install. Built with PEER and
// MISSING_PACKAGES defined.

#include <iostream>

int main() {
  std::cout << R"({"ready":false,"peer":")" << PEER << R"(","missing":")" << MISSING_PACKAGES
            << "\"}" << std::endl;
}
