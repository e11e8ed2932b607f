// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

namespace headrace {

/// Spans of time on named tracks, written in the Trace Event Format that Perfetto and
/// chrome://tracing read.
///
/// Of more events than it may keep, the newest are kept and the others counted.
/// Threads: safe from any thread. Recording takes a lock and keeps 40 bytes an event, and every
/// name once. Fork: in a child of the process that made it, every call throws `unsupported`.
class HEADRACE_EXPORT Trace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint64_t kNoBatch = UINT64_MAX;

  /// \param most_events  Events kept, at least 1.
  /// \throws Error  `invalid_argument` when it is 0.
  explicit Trace(std::size_t most_events = 1'000'000);
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  ~Trace();

  /// A track, by name; the same name is the same track.
  std::uint32_t track(std::string_view name);

  /// Records that `stage` took from `begin` to `end`.
  ///
  /// \param batch  The batch it was for, if it was for one.
  void record(std::uint32_t track,
              std::string_view stage,
              Clock::time_point begin,
              Clock::time_point end,
              std::uint64_t batch = kNoBatch);

  /// Events kept so far.
  [[nodiscard]] std::size_t size() const;

  /// Events that were recorded and had to make room for newer ones.
  [[nodiscard]] std::uint64_t dropped() const;

  /// Writes what is kept to a file, and how many events were dropped. \throws Error  `io`.
  void write(const std::filesystem::path& path) const;

 private:
  struct State;
  State& here() const;

  const std::shared_ptr<State> state_;
};

}  // namespace headrace
