// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/measurement.h"

#include "cli/amounts.h"

#include <fmt/format.h>

namespace headrace::cli {
namespace {

std::string amount_text(Unit unit, double value) {
  switch (unit) {
    case Unit::seconds:
      return time_text(value);
    case Unit::bytes_per_second:
      return count_text(value) + "B/s";
    case Unit::samples_per_second:
      return count_text(value) + "/s";
  }
  return "";
}

}  // namespace

std::string to_string(Unit unit) {
  switch (unit) {
    case Unit::seconds:
      return "seconds";
    case Unit::bytes_per_second:
      return "bytes_per_second";
    case Unit::samples_per_second:
      return "samples_per_second";
  }
  return "";
}

double Measurement::ratio() const {
  if (peer.empty() || value <= 0 || peer_value <= 0) {
    return 0;
  }
  return unit == Unit::seconds ? peer_value / value : value / peer_value;
}

std::string to_text(const Measurement& measurement) {
  std::string line = fmt::format(
      "  {:<42}  {:>10}", measurement.name, amount_text(measurement.unit, measurement.value));
  if (!measurement.peer.empty()) {
    line += fmt::format("  {:>10}  {:>8}  {}",
                        amount_text(measurement.unit, measurement.peer_value),
                        fmt::format("{:.2f} x", measurement.ratio()),
                        measurement.peer);
  }
  return line + "\n";
}

}  // namespace headrace::cli
