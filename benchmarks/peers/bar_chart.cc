#include "benchmarks/peers/bar_chart.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace batonstore::benchmarks {
namespace {

constexpr int kWidth = 860;
constexpr int kMargin = 20;
constexpr int kLabelWidth = 140;
constexpr int kBarWidth = 440;  // of the longest
constexpr int kBarHeight = 16;
constexpr int kLine = 22;
constexpr int kHeader = 70;
constexpr int kBetweenGroups = 16;

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text,
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

const char* ColourOf(Bar::Kind kind) {
  switch (kind) {
    case Bar::Kind::kOurs:
      return "#1f5fa8";
    case Bar::Kind::kTheirs:
      return "#9aa5b1";
    case Bar::Kind::kNotRanked:
      return "#e3e7eb";
  }
  return "";
}

int HeightOf(const std::vector<BarGroup>& groups) {
  int height = kHeader + kMargin;
  for (const BarGroup& group : groups) {
    height += kLine * static_cast<int>(1 + group.bars.size()) + kBetweenGroups;
  }
  return height;
}

// Its baseline at `y`.
void AddText(int x, int y, const char* style, const std::string& text, std::string& svg) {
  absl::StrAppendFormat(&svg, "<text x=\"%d\" y=\"%d\" %s>%s</text>\n", x, y, style, Escaped(text));
}

void AddBar(const Bar& bar, double longest, int top, std::string& svg) {
  const double share = longest > 0 ? bar.value / longest : 0;
  const int width = std::max(1, static_cast<int>(share * kBarWidth));
  const int left = kMargin + kLabelWidth;
  const int baseline = top + kBarHeight - 4;
  const bool ours = bar.kind == Bar::Kind::kOurs;
  AddText(left - 8, baseline,
          ours ? "text-anchor=\"end\" font-weight=\"bold\"" : "text-anchor=\"end\"", bar.label,
          svg);
  absl::StrAppendFormat(&svg, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n",
                        left, top, width, kBarHeight, ColourOf(bar.kind));
  AddText(left + width + 6, baseline, "fill=\"#333\"", bar.text, svg);
}

}  // namespace

std::string BarChart(const std::string& title, const std::string& note,
                     const std::vector<BarGroup>& groups) {
  const int height = HeightOf(groups);
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
      "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, height, kWidth, height);
  AddText(kMargin, 30, "font-size=\"18\" font-weight=\"bold\"", title, svg);
  AddText(kMargin, 52, "fill=\"#555\"", note, svg);
  int top = kHeader;
  for (const BarGroup& group : groups) {
    AddText(kMargin, top + kBarHeight - 4, "font-weight=\"bold\" fill=\"#333\"", group.title, svg);
    top += kLine;
    double longest = 0;
    for (const Bar& bar : group.bars) longest = std::max(longest, bar.value);
    for (const Bar& bar : group.bars) {
      AddBar(bar, longest, top, svg);
      top += kLine;
    }
    top += kBetweenGroups;
  }
  svg += "</svg>\n";
  return svg;
}

}  // namespace batonstore::benchmarks
