// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

/// Spans of time on named tracks, written in the Trace Event Format that Perfetto and
/// chrome://tracing read.
///
/// Of more events than it may keep, the newest are kept and the others counted.
/// Threads: safe from any thread. Recording takes a lock and keeps 40 bytes an event, and every
/// name once.
class HEADRACE_EXPORT Trace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint64_t kNoBatch = UINT64_MAX;

  /// \param most_events  Events kept, at least 1.
  /// \throws Error  `invalid_argument` when it is 0.
  explicit Trace(std::size_t most_events = 1'000'000);

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
  struct Event {
    const std::string* stage;
    std::uint32_t track;
    std::int64_t begin_ns;
    std::int64_t length_ns;
    std::uint64_t batch;
  };

  const Clock::time_point origin_;
  const std::size_t most_events_;
  mutable std::mutex mutex_;
  std::vector<std::string> tracks_;            // guarded by mutex_
  std::set<std::string, std::less<>> stages_;  // guarded by mutex_
  std::vector<Event> events_;                  // guarded by mutex_; a ring once it is full
  std::size_t oldest_ = 0;                     // guarded by mutex_; index into events_
  std::uint64_t dropped_ = 0;                  // guarded by mutex_
};

}  // namespace headrace
