#include "benchmarks/scratch.h"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <system_error>

namespace batonstore::benchmarks {

namespace fs = std::filesystem;

void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << "\n";
  std::exit(1);
}

void CheckThat(bool condition, absl::string_view what) {
  if (condition) return;
  std::cerr << "not so: " << what << "\n";
  std::exit(1);
}

Folder::Folder() : path_((fs::temp_directory_path() / "batonstore-benchmark-XXXXXX").string()) {
  CheckThat(mkdtemp(path_.data()) != nullptr, "there is room for a temporary folder");
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace batonstore::benchmarks
