#include "benchmarks/line_plot.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "benchmarks/scratch.h"

namespace batonstore::benchmarks {
namespace {

// In pixels.
constexpr double kWidth = 860;
constexpr double kHeight = 460;
constexpr double kLeft = 90;
constexpr double kRight = 640;  // the legend stands beyond
constexpr double kTop = 50;
constexpr double kBottom = 400;

constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
                                    "#56b4e9", "#000000", "#999999", "#7f3c8d", "#a5aa99",
                                    "#66a61e", "#e7298a"};  // can be told apart by everybody

std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

std::string Text(double x, double y, absl::string_view anchor, absl::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor,
                         Escaped(text));
}

std::string Stroke(double x1, double y1, double x2, double y2, absl::string_view colour) {
  return absl::StrFormat("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
                         x1, y1, x2, y2, colour);
}

// 1,500,000 is 1.5M.
std::string Short(double number) {
  if (std::abs(number) < 1e-9) return "0";
  if (number >= 1e6) return absl::StrFormat("%gM", number / 1e6);
  if (number >= 1e3) return absl::StrFormat("%gk", number / 1e3);
  return absl::StrFormat("%g", number);
}

// 1, 2 or 5 times a power of ten, so that about five of them make `range`.
double Step(double range) {
  const double power = std::pow(10, std::floor(std::log10(range / 5)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power * 6 >= range) return factor * power;
  }
  return 10 * power;
}

class Drawing {
 public:
  explicit Drawing(const LinePlot& plot) : plot_(plot) {
    bool first = true;
    for (const Line& line : plot.lines) {
      for (const auto& [x, y] : line.points) {
        min_x_ = first ? x : std::min(min_x_, x);
        max_x_ = first ? x : std::max(max_x_, x);
        max_y_ = std::max(max_y_, y);
        first = false;
      }
    }
    CheckThat(!first, "there is something to plot");
    if (max_y_ == 0) max_y_ = 1;
    if (max_x_ == min_x_) max_x_ = plot.log_x ? min_x_ * 10 : min_x_ + 1;
    y_step_ = Step(max_y_);
    max_y_ = std::ceil(max_y_ / y_step_) * y_step_;
  }

  std::string Svg() const {
    std::string svg = absl::StrFormat(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
        "font-family=\"sans-serif\" font-size=\"13\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
        kWidth, kHeight);
    absl::StrAppend(&svg, Text((kLeft + kRight) / 2, kTop - 20, "middle", plot_.title),
                    Text((kLeft + kRight) / 2, kBottom + 45, "middle", plot_.x_label),
                    Text(kLeft - 70, kTop - 20, "start", plot_.y_label), XAxis(), YAxis());
    for (size_t i = 0; i < plot_.lines.size(); ++i) absl::StrAppend(&svg, Curve(i));
    return svg + "</svg>\n";
  }

 private:
  double X(double x) const {
    const double share = plot_.log_x ? std::log(x / min_x_) / std::log(max_x_ / min_x_)
                                     : (x - min_x_) / (max_x_ - min_x_);
    return kLeft + share * (kRight - kLeft);
  }
  double Y(double y) const { return kBottom - y / max_y_ * (kBottom - kTop); }

  std::string XTick(double x) const {
    return absl::StrCat(Stroke(X(x), kTop, X(x), kBottom, "#dddddd"),
                        Text(X(x), kBottom + 20, "middle", Short(x)));
  }

  std::string XAxis() const {
    std::string ticks;
    if (plot_.log_x) {
      const double first = std::pow(10, std::ceil(std::log10(min_x_) - 1e-9));
      for (double x = first; x <= max_x_ * (1 + 1e-9); x *= 10) ticks += XTick(x);
    } else {
      const double step = Step(max_x_ - min_x_);
      for (double x = std::ceil(min_x_ / step) * step; x <= max_x_; x += step) ticks += XTick(x);
    }
    return ticks + Stroke(kLeft, kBottom, kRight, kBottom, "black");
  }

  std::string YAxis() const {
    std::string ticks;
    for (double y = 0; y <= max_y_ * (1 + 1e-9); y += y_step_) {
      absl::StrAppend(&ticks, Stroke(kLeft, Y(y), kRight, Y(y), "#dddddd"),
                      Text(kLeft - 8, Y(y) + 4, "end", Short(y)));
    }
    return ticks + Stroke(kLeft, kTop, kLeft, kBottom, "black");
  }

  std::string Curve(size_t number) const {
    const Line& line = plot_.lines[number];
    const char* const colour = kColours[number % std::size(kColours)];
    std::string points;
    std::string dots;
    for (const auto& [x, y] : line.points) {
      absl::StrAppendFormat(&points, "%.1f,%.1f ", X(x), Y(y));
      absl::StrAppendFormat(&dots, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"%s\"/>\n",
                            X(x), Y(y), colour);
    }
    const double legend = kTop + 20 * static_cast<double>(number);
    return absl::StrCat("<polyline fill=\"none\" stroke-width=\"2\" stroke=\"", colour,
                        "\" points=\"", points, "\"/>\n", dots,
                        Stroke(kRight + 15, legend, kRight + 35, legend, colour),
                        Text(kRight + 40, legend + 4, "start", line.name));
  }

  const LinePlot& plot_;
  double min_x_ = 0;
  double max_x_ = 0;
  double max_y_ = 0;
  double y_step_ = 1;
};

}  // namespace

std::string ToSvg(const LinePlot& plot) { return Drawing(plot).Svg(); }

}  // namespace batonstore::benchmarks
