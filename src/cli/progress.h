// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/periodic.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace headrace::cli {

/// How far a run is.
struct Standing {
  std::uint64_t samples = 0;  ///< Handed out.
  std::uint64_t total = 0;    ///< To be handed out; 0 when there is no end.
  std::uint64_t before = 0;   ///< Of `samples`, those of a run that this one goes on from.
  std::uint64_t bytes = 0;    ///< Sent to the device, or written.
  std::size_t queued = 0;     ///< Batches ready.
  std::size_t capacity = 0;   ///< Batches that can be ready; 0 where there are none.
  double seconds = 0;         ///< Since the start.
};

/// One line about `standing`, at most `width` columns wide, in ASCII. The bar and the less
/// telling parts are left out when there is no room.
std::string progress_line(const Standing& standing, std::size_t width);

/// Shows on standard error how far a run is: on a terminal as one live line, elsewhere as a line
/// every few seconds, and then none at all for a run of less than two.
///
/// What others print to the terminal meanwhile would be mixed up with it; call `stop` before.
class Progress {
 public:
  /// \param look  Called on a thread of its own; `seconds` need not be set.
  explicit Progress(std::function<Standing()> look);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { stop(); }

  /// Takes the live line away. Again: nothing.
  void stop() noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  void show();

  std::function<Standing()> look_;
  const bool is_live_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_line_;
  bool is_shown_ = false;
  std::optional<Periodic> periodic_;
};

}  // namespace headrace::cli
