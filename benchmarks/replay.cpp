// SPDX-License-Identifier: Apache-2.0
// Runs allocation logs against Headrace's manager and its peers: what each would hold of the device
// for what was asked, and how long an operation takes. Design: docs/design/009-allocation-log.md.
#include "headrace/headrace.h"

#include "allocation_trace.h"
#include "caching_model.h"
#include "pool_peers.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using headrace::SizeClassPolicy;
using replay::AllocationTrace;
using replay::CachingModel;
using replay::Operation;

constexpr std::size_t kReplays = 5;

/// What a policy held of its device at the most; nothing where that is not known.
struct Reserved {
  std::uint64_t bytes = 0;
  std::uint64_t segments = 0;
};

/// Headrace's manager on `host`, whose memory is virtual while nobody touches it.
template <SizeClassPolicy policy>
class HeadracePolicy {
 public:
  using Block = headrace::Buffer;
  explicit HeadracePolicy(const AllocationTrace& trace)
      : manager_(device_, {.size_classes = policy}) {
    for (std::size_t i = 0; i < trace.streams; ++i) {
      streams_.push_back(device_.make_stream());
    }
  }
  Block take(const Operation& operation) {
    return manager_.get_buffer(operation.bytes, operation.kind, streams_[operation.stream]);
  }
  static void give(Block& block) { block.reset(); }
  [[nodiscard]] std::optional<Reserved> reserved() const {
    const headrace::MemoryStats stats = manager_.stats();
    return Reserved{stats.peak_reserved_bytes, stats.segments};
  }

 private:
  headrace::Device device_ = headrace::open_device("host");
  headrace::MemoryManager manager_;
  std::vector<headrace::Stream> streams_;
};

/// PyTorch's policy, one pool for each kind of memory.
class ModelPolicy {
 public:
  struct Block {
    CachingModel* pool = nullptr;
    CachingModel::Block* block = nullptr;
  };
  explicit ModelPolicy(const AllocationTrace& /*trace*/) {}
  Block take(const Operation& operation) {
    CachingModel& pool = pools_[static_cast<std::size_t>(operation.kind)];
    return {&pool, operation.bytes == 0 ? nullptr : pool.take(operation.bytes, operation.stream)};
  }
  static void give(Block& taken) {
    if (taken.block != nullptr) {
      taken.pool->give(std::exchange(taken.block, nullptr));
    }
  }
  [[nodiscard]] std::optional<Reserved> reserved() const {
    Reserved sum;
    for (const CachingModel& pool : pools_) {
      sum.bytes += pool.reserved();
      sum.segments += pool.segments();
    }
    return sum;
  }

 private:
  std::array<CachingModel, 3> pools_;
};

/// A peer of which only the time is looked at.
template <class Peer>
class PeerPolicy {
 public:
  using Block = typename Peer::Block;
  explicit PeerPolicy(const AllocationTrace& /*trace*/) {}
  Block take(const Operation& operation) { return peer_.take(operation.bytes); }
  void give(Block& block) { peer_.give(std::exchange(block, nullptr)); }
  [[nodiscard]] static std::optional<Reserved> reserved() { return std::nullopt; }

 private:
  Peer peer_;
};

struct Result {
  std::string policy;
  std::optional<Reserved> reserved;      ///< In the first replay.
  std::optional<Reserved> reserved_all;  ///< In all of them.
  double ns = 0;                         ///< Median time of an operation.
};

/// Runs the whole trace once. \returns Nanoseconds an operation.
template <class Policy>
double replay_once(Policy& policy, const AllocationTrace& trace) {
  using Clock = std::chrono::steady_clock;
  std::vector<typename Policy::Block> blocks(trace.buffers);
  std::vector<char> is_taken(trace.buffers, 0);
  const Clock::time_point begin = Clock::now();
  for (const Operation& operation : trace.operations) {
    if (operation.is_take) {
      blocks[operation.buffer] = policy.take(operation);
    } else {
      policy.give(blocks[operation.buffer]);
    }
    is_taken[operation.buffer] = operation.is_take ? 1 : 0;
  }
  const std::chrono::duration<double, std::nano> time = Clock::now() - begin;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (is_taken[i] != 0) {
      policy.give(blocks[i]);
    }
  }
  return time.count() / static_cast<double>(trace.operations.size());
}

template <class Policy>
Result measure(const char* name, const AllocationTrace& trace) {
  Policy policy(trace);
  replay_once(policy, trace);
  Result result{name, policy.reserved(), std::nullopt, 0};
  std::array<double, kReplays> times{};
  for (double& time : times) {
    time = replay_once(policy, trace);
  }
  result.reserved_all = policy.reserved();
  std::ranges::sort(times);
  result.ns = times[kReplays / 2];
  return result;
}

std::vector<Result> measure_all(const AllocationTrace& trace) {
  return {
      measure<HeadracePolicy<SizeClassPolicy::eighths>>("headrace eighths", trace),
      measure<HeadracePolicy<SizeClassPolicy::quarters>>("headrace quarters", trace),
      measure<HeadracePolicy<SizeClassPolicy::exact>>("headrace exact", trace),
      measure<ModelPolicy>("model of PyTorch's", trace),
      measure<PeerPolicy<peers::BestFitPool>>("best fit", trace),
      measure<PeerPolicy<peers::Malloc>>("malloc", trace),
#ifdef HEADRACE_BENCH_MIMALLOC
      measure<PeerPolicy<peers::Mimalloc>>("mimalloc", trace),
#endif
  };
}

double waste(const Reserved& reserved, const AllocationTrace& trace) {
  return static_cast<double>(reserved.bytes) / static_cast<double>(trace.peak_live_bytes);
}

double megabytes(std::uint64_t bytes) {
  return static_cast<double>(bytes) / 1e6;
}

void print(const AllocationTrace& trace, const std::vector<Result>& results) {
  fmt::print("{}: {} operations on {} buffers, {} streams, {:.3f} MB live at the peak\n",
             trace.name,
             trace.operations.size(),
             trace.buffers,
             trace.streams,
             megabytes(trace.peak_live_bytes));
  fmt::print("  {:<20}{:>14}{:>8}{:>10}{:>10}{:>10}\n",
             "policy",
             "reserved MB",
             "waste",
             "in all",
             "segments",
             "ns each");
  for (const Result& result : results) {
    fmt::print("  {:<20}", result.policy);
    if (result.reserved && result.reserved_all) {
      fmt::print("{:>14.3f}{:>8.3f}{:>10.3f}{:>10}",
                 megabytes(result.reserved->bytes),
                 waste(*result.reserved, trace),
                 waste(*result.reserved_all, trace),
                 result.reserved->segments);
    } else {
      fmt::print("{:>14}{:>8}{:>10}{:>10}", "-", "-", "-", "-");
    }
    fmt::print("{:>10.1f}\n", result.ns);
  }
  std::fflush(stdout);
}

nlohmann::json to_json(const AllocationTrace& trace, const std::vector<Result>& results) {
  nlohmann::json policies = nlohmann::json::array();
  for (const Result& result : results) {
    nlohmann::json row{{"policy", result.policy}, {"ns_per_operation", result.ns}};
    if (result.reserved && result.reserved_all) {
      row["peak_reserved_bytes"] = result.reserved->bytes;
      row["waste"] = waste(*result.reserved, trace);
      row["waste_in_all_replays"] = waste(*result.reserved_all, trace);
      row["segments"] = result.reserved->segments;
    }
    policies.push_back(std::move(row));
  }
  return {{"trace", trace.name},
          {"operations", trace.operations.size()},
          {"buffers", trace.buffers},
          {"streams", trace.streams},
          {"failed_takes", trace.failures},
          {"peak_live_bytes", trace.peak_live_bytes},
          {"policies", std::move(policies)}};
}

constexpr const char* kUsage = "Usage: headrace_replay [--json FILE] LOG...\n";

void run(const std::vector<std::string>& arguments) {
  std::string json_path;
  std::vector<AllocationTrace> traces;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--json" && i + 1 < arguments.size()) {
      json_path = arguments[++i];
    } else if (arguments[i].starts_with("-")) {
      throw std::runtime_error("'" + arguments[i] + "' is no option, or has no value. " + kUsage);
    } else {
      traces.push_back(replay::read_trace(std::filesystem::path(arguments[i])));
    }
  }
  if (traces.empty()) {
    throw std::runtime_error(std::string("No log is named. ") + kUsage);
  }
  nlohmann::json all = nlohmann::json::array();
  for (const AllocationTrace& trace : traces) {
    const std::vector<Result> results = measure_all(trace);
    print(trace, results);
    all.push_back(to_json(trace, results));
  }
  if (!json_path.empty()) {
    std::ofstream file(json_path);
    file << all.dump(2) << '\n';
    if (!file.flush()) {
      throw std::runtime_error(json_path + ": cannot be written");
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    run({arguments + 1, arguments + count});
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "headrace_replay: {}\n", error.what());
    return 1;
  }
}
