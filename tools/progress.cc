#include "batonstore/tools/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace batonstore::tools {
namespace {

constexpr size_t kBarWidth = 30;
constexpr char kWipeLine[] = "\r\x1b[K";

}  // namespace

Progress::Progress(std::string what, uint64_t total, int fd)
    : what_(std::move(what)), total_(total), fd_(fd), visible_(total > 0 && isatty(fd) == 1) {
  if (visible_) Draw(0);
}

Progress::~Progress() {
  if (visible_) Write(kWipeLine);
}

void Progress::Advance(uint64_t steps) {
  done_ = std::min(done_ + steps, total_);
  if (!visible_) return;
  const uint64_t percent = done_ * 100 / total_;
  if (percent != drawn_percent_) Draw(percent);
}

void Progress::Draw(uint64_t percent) {
  drawn_percent_ = percent;
  const std::string bar(percent * kBarWidth / 100, '#');
  Write(absl::StrCat(kWipeLine, absl::StrFormat("%s [%-*s] %3d%%", what_,
                                                static_cast<int>(kBarWidth), bar, percent)));
}

// A bar that cannot be drawn is no reason to stop.
void Progress::Write(const std::string& text) {
  [[maybe_unused]] const ssize_t ignored = write(fd_, text.data(), text.size());
}

}  // namespace batonstore::tools
