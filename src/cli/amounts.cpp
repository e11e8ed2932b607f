// SPDX-License-Identifier: Apache-2.0
#include "cli/amounts.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace headrace::cli {
namespace {

/// Three digits, however large: "1.23", "12.3", "123".
std::string three_digits(double number) {
  return fmt::format("{:.{}f}", number, number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2);
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) {
    return fmt::format("{} B", bytes);
  }
  auto amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; amount >= 999.5; ++unit) {
    amount /= 1024;
  }
  return fmt::format("{} {}", three_digits(amount), kUnits.at(unit));
}

std::string count_text(double count) {
  constexpr std::array kUnits{"", " k", " M", " G", " T"};
  std::size_t unit = 0;
  for (; count >= (unit == 0 ? 9999.5 : 999.5) && unit + 1 < kUnits.size(); ++unit) {
    count /= 1000;
  }
  return (unit == 0 ? fmt::format("{:.0f}", count) : three_digits(count)) + kUnits.at(unit);
}

std::string time_text(double seconds) {
  if (seconds < 1e-6) {
    return three_digits(seconds * 1e9) + " ns";
  }
  if (seconds < 1e-3) {
    return three_digits(seconds * 1e6) + " us";
  }
  return seconds < 1 ? three_digits(seconds * 1e3) + " ms" : three_digits(seconds) + " s";
}

std::string clock_text(double seconds) {
  const auto total = static_cast<std::uint64_t>(std::ceil(seconds));
  const std::uint64_t hours = total / 3600;
  return hours == 0 ? fmt::format("{}:{:02}", total / 60, total % 60)
                    : fmt::format("{}:{:02}:{:02}", hours, total / 60 % 60, total % 60);
}

}  // namespace headrace::cli
