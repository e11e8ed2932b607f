// SPDX-License-Identifier: Apache-2.0
/// \file
/// What the command line asks for, as plain values.
#pragma once

#include "headrace/loader.h"
#include "headrace/source.h"

#include "cli/bench/rounds.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace headrace::cli {

/// `headrace --help`, `headrace --version` and the like: print and be done.
struct ShowText {
  std::string text;
};

/// `headrace devices`.
struct DevicesOptions {
  std::string json;  ///< File for the JSON, "-" for standard output, empty for none.
};

/// `headrace inspect`.
struct InspectOptions {
  std::filesystem::path path;
  SourceOptions source;
  std::string json;
};

/// `headrace stream`.
struct StreamOptions {
  std::filesystem::path path;
  SourceOptions source;
  std::string device = "auto";
  AsyncDataLoaderConfig loader;  ///< Without memory manager and trace.
  std::string shard_origin;      ///< Where the shard comes from, when not from the option itself.
  bool verify = false;
  std::string random_crop;  ///< As it was given: "true" without bounds; empty for none.
  std::string warning;      ///< What was asked for without effect; empty for nothing.
  std::vector<std::filesystem::path> resume_from;  ///< State files, one of each rank.
  std::filesystem::path state;                     ///< Empty for none, as the two below.
  std::filesystem::path trace;
  std::string json;
};

/// `headrace pack`.
struct PackOptions {
  std::filesystem::path path;
  SourceOptions source;
  std::filesystem::path target;
  std::optional<std::uint64_t> shard_bytes;  ///< Most bytes of a tar shard; without: one, or none.
  bool force = false;                        ///< Replace what is there.
  bool resume = false;                       ///< Go on with what an interrupted run left.
  std::uint64_t checkpoint_bytes = std::uint64_t{256} << 20;  ///< Between two checkpoints.
  std::string json;
};

/// What `headrace bench` can measure.
enum class BenchGroup { memory, transfer, convert, loader };

/// `headrace bench`.
struct BenchOptions {
  std::vector<BenchGroup> groups;  ///< In the order to run.
  std::string device = "auto";
  std::size_t threads = 0;  ///< 0 for as many as the hardware has.
  Effort effort;
  std::string json;
};

using Command = std::
    variant<ShowText, DevicesOptions, InspectOptions, StreamOptions, PackOptions, BenchOptions>;

}  // namespace headrace::cli
