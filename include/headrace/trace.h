// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"

#include <chrono>
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
/// Threads: safe from any thread. Recording takes a lock and keeps 40 bytes an event, and every
/// name once.
class HEADRACE_EXPORT Trace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint64_t kNoBatch = UINT64_MAX;

  Trace();

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

  /// Events recorded so far.
  [[nodiscard]] std::size_t size() const;

  /// Writes everything recorded to a file. \throws Error  `io`.
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
  mutable std::mutex mutex_;
  std::vector<std::string> tracks_;            // guarded by mutex_
  std::set<std::string, std::less<>> stages_;  // guarded by mutex_
  std::vector<Event> events_;                  // guarded by mutex_
};

}  // namespace headrace
