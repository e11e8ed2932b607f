// SPDX-License-Identifier: Apache-2.0
#include "cli/values.h"

#include "headrace/error.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <optional>
#include <ranges>
#include <utility>

namespace headrace::cli {
namespace {

constexpr std::array kBenchGroups{
    std::pair{std::string_view("memory"), BenchGroup::memory},
    std::pair{std::string_view("transfer"), BenchGroup::transfer},
    std::pair{std::string_view("convert"), BenchGroup::convert},
    std::pair{std::string_view("loader"), BenchGroup::loader},
};

[[noreturn]] void refuse(std::string_view option, std::string_view text, std::string_view wanted) {
  throw UsageError(fmt::format("{}: '{}' is not {}.", option, text, wanted));
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

/// Both numbers of "A<separator>B".
std::optional<std::pair<std::uint64_t, std::uint64_t>> parse_pair(std::string_view text,
                                                                  char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const auto first = parse_number<std::uint64_t>(text.substr(0, at));
  const auto second = parse_number<std::uint64_t>(text.substr(at + 1));
  if (!first || !second) {
    return std::nullopt;
  }
  return std::pair(*first, *second);
}

template <class Value, std::size_t Count>
Value parse_choice(std::string_view option,
                   std::string_view text,
                   const std::array<std::pair<std::string_view, Value>, Count>& choices) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : choices) {
    if (name == text) {
      return value;
    }
    names.push_back(name);
  }
  refuse(option, text, fmt::format("one of {}", fmt::join(names, ", ")));
}

}  // namespace

std::uint64_t parse_count(std::string_view option,
                          std::string_view text,
                          std::uint64_t least,
                          std::uint64_t most) {
  const auto number = parse_number<std::uint64_t>(text);
  if (!number || *number < least || *number > most) {
    refuse(option,
           text,
           most == UINT64_MAX ? fmt::format("a whole number of at least {}", least)
                              : fmt::format("a whole number from {} to {}", least, most));
  }
  return *number;
}

std::vector<double> parse_list(std::string_view option, std::string_view text, double above) {
  std::vector<double> values;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto number = parse_number<double>(text.substr(begin, end - begin));
    if (!number || !std::isfinite(*number) || *number <= above) {
      refuse(option,
             text,
             above == 0 ? "a list of numbers above 0, separated by commas"
                        : "a list of numbers, separated by commas");
    }
    values.push_back(*number);
    begin = end + 1;
  }
  return values;
}

Shard parse_shard(std::string_view text) {
  const auto pair = parse_pair(text, '/');
  if (!pair || pair->first >= pair->second) {
    refuse("--shard", text, "R/N with R from 0 to N - 1, or auto");
  }
  return {.rank = pair->first, .world_size = pair->second};
}

Shard shard_from_environment(std::string& origin) {
  const char* const rank = std::getenv("RANK");
  const char* const world_size = std::getenv("WORLD_SIZE");
  if (rank == nullptr && world_size == nullptr) {
    origin = "RANK and WORLD_SIZE are not set";
    return {};
  }
  if (rank == nullptr || world_size == nullptr) {
    throw UsageError(fmt::format("--shard auto: {} is set but {} is not.",
                                 rank == nullptr ? "WORLD_SIZE" : "RANK",
                                 rank == nullptr ? "RANK" : "WORLD_SIZE"));
  }
  const std::uint64_t ranks = parse_count("--shard auto: WORLD_SIZE", world_size, 1);
  origin = "from RANK and WORLD_SIZE";
  return {.rank = parse_count("--shard auto: RANK", rank, 0, ranks - 1), .world_size = ranks};
}

ImageSize parse_image_size(std::string_view text) {
  const auto pair = parse_pair(text, 'x');
  if (!pair || pair->first == 0 || pair->second == 0) {
    refuse("--image-size", text, "WxH with two whole numbers of at least 1");
  }
  return {.width = pair->first, .height = pair->second};
}

RandomCrop parse_random_crop(std::string_view text) {
  RandomCrop crop;
  if (text == "true") {
    return crop;
  }
  const std::vector<double> shares = parse_list("--random-crop", text, 0);
  if (shares.size() != 2 || shares[0] > shares[1] || shares[1] > 1) {
    refuse("--random-crop", text, "MIN,MAX, shares of the area above 0, at most 1");
  }
  crop.min_scale = shares[0];
  crop.max_scale = shares[1];
  return crop;
}

DataType parse_dtype(std::string_view text) {
  std::array<std::pair<std::string_view, DataType>, kAllDataTypes.size()> choices;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    choices[i] = {to_string(kAllDataTypes[i]), kAllDataTypes[i]};
  }
  return parse_choice("--dtype", text, choices);
}

Layout parse_layout(std::string_view text) {
  return parse_choice("--layout",
                      text,
                      std::array{std::pair{std::string_view("keep"), Layout::keep},
                                 std::pair{std::string_view("hwc"), Layout::hwc},
                                 std::pair{std::string_view("chw"), Layout::chw}});
}

Tail parse_tail(std::string_view text) {
  return parse_choice("--tail",
                      text,
                      std::array{std::pair{std::string_view("short"), Tail::short_batch},
                                 std::pair{std::string_view("drop"), Tail::drop},
                                 std::pair{std::string_view("pad_repeat"), Tail::pad_repeat},
                                 std::pair{std::string_view("pad_zero"), Tail::pad_zero}});
}

OnError parse_on_error(std::string_view text) {
  return parse_choice("--on-error",
                      text,
                      std::array{std::pair{std::string_view("raise"), OnError::raise},
                                 std::pair{std::string_view("skip"), OnError::skip}});
}

std::vector<BenchGroup> parse_bench_groups(const std::vector<std::string>& texts) {
  std::vector<BenchGroup> groups;
  for (const std::string& text : texts) {
    const BenchGroup group = parse_choice("GROUP", text, kBenchGroups);
    if (std::ranges::count(groups, group) == 0) {
      groups.push_back(group);
    }
  }
  if (groups.empty()) {
    std::ranges::copy(std::views::values(kBenchGroups), std::back_inserter(groups));
  }
  return groups;
}

std::string to_string(BenchGroup group) {
  const auto* const found =
      std::ranges::find(kBenchGroups, group, &std::pair<std::string_view, BenchGroup>::second);
  return std::string(found->first);
}

double parse_seconds(std::string_view option, std::string_view text) {
  constexpr double kMost = 3600;
  const auto number = parse_number<double>(text);
  if (!number || !(*number > 0) || *number > kMost) {
    refuse(option, text, fmt::format("a number of seconds above 0, at most {}", kMost));
  }
  return *number;
}

}  // namespace headrace::cli
