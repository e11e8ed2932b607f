// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/trace.h"

#include "backends/cuda/event_pool.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace headrace::cuda {

class Context;

/// When a labelled command began and ended, as the device will know.
struct Span {
  std::string label;
  EventHold begin;
  EventHold end;
};

/// A submission that must live until its work is done.
struct Kept {
  std::shared_ptr<Submission> submission;
  std::vector<Span> spans;
  std::vector<EventHold> recorded;  ///< Events that the work itself records.
  EventHold done;
};

/// One of them, in a list: made before its work is under way, so that to keep it cannot fail.
using KeptOne = std::list<Kept>;

/// Keeps what the work of one stream still needs, drops it when the work is done, and records
/// traces. A thread of its own does so, from the first thing kept: what is dropped may be the
/// caller's and may call the library.
///
/// Threads: `start`, `keep` and `kept` from one thread at a time, the others from any.
class Keeper {
 public:
  explicit Keeper(std::shared_ptr<Context> context);
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  /// Waits for the work, unless the device is lost or the thread itself destroys the keeper.
  ~Keeper();

  /// Starts the thread, so that `keep` need not, which must not fail.
  void start();

  /// Keeps `kept` until its event is passed; all that was kept earlier comes first.
  void keep(KeptOne kept) noexcept;

  /// How many were kept so far, and how many of them, from the first on, are dropped.
  [[nodiscard]] std::uint64_t kept() const noexcept { return kept_; }
  [[nodiscard]] std::uint64_t dropped() const;

  /// Waits until `count` are dropped, at most `timeout`. \returns Whether they are.
  /// \throws Error  `invalid_argument` from what is just being dropped: it would wait for itself.
  bool wait_for_dropped(std::uint64_t count, std::chrono::nanoseconds timeout) const;

 private:
  struct State;

  const std::shared_ptr<State> state_;
  std::uint64_t kept_ = 0;
  std::thread thread_;  // see start
};

}  // namespace headrace::cuda
