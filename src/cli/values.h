// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/loader.h"
#include "headrace/source.h"

#include "cli/options.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// Reads the values of options. Each function throws UsageError, naming the option, when the text is
// not what it says.

namespace headrace::cli {

/// The command line is wrong; the text is one line.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A whole number from `least` to `most`.
std::uint64_t parse_count(std::string_view option,
                          std::string_view text,
                          std::uint64_t least,
                          std::uint64_t most = UINT64_MAX);

/// Finite numbers separated by commas, each above `above`.
std::vector<double> parse_list(std::string_view option, std::string_view text, double above);

/// "R/N" with R below N.
Shard parse_shard(std::string_view text);

/// The shard that a launcher such as torchrun gives a process in the variables RANK and WORLD_SIZE;
/// the whole when neither is set. `origin` receives words that say which it was.
Shard shard_from_environment(std::string& origin);

/// "WxH", both at least 1.
ImageSize parse_image_size(std::string_view text);

/// "MIN,MAX", shares of an image's area, or "true" for the default ones.
RandomCrop parse_random_crop(std::string_view text);

/// "INPUT" or "INPUT+LABEL", each the name of a DataType and the extents: "uint8[32,32,3]+int64".
SampleSpec parse_raw(std::string_view text);

/// Name of a DataType.
DataType parse_dtype(std::string_view text);
/// "keep", "hwc" or "chw".
Layout parse_layout(std::string_view text);
/// "short", "drop", "pad_repeat" or "pad_zero".
Tail parse_tail(std::string_view text);
/// "raise" or "skip".
OnError parse_on_error(std::string_view text);
/// Names of groups, each of which counts once; none stands for all.
std::vector<BenchGroup> parse_bench_groups(const std::vector<std::string>& texts);
/// The name that `parse_bench_groups` reads.
std::string to_string(BenchGroup group);
/// A time in seconds above 0, at most an hour.
double parse_seconds(std::string_view option, std::string_view text);

}  // namespace headrace::cli
