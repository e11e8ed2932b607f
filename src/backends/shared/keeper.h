// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <thread>

namespace headrace::backends {

/// What work that is under way still needs, such as its submission: what launches captured is the
/// caller's. It is dropped, on the keeper's thread, after `finish`.
class Kept {
 public:
  Kept() = default;
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  virtual ~Kept();

  /// Waits until the work is done or never will be, then notes what there is to note, as a trace.
  /// Comes once, on the keeper's thread, with no lock held. There is nobody to throw to.
  virtual void finish() noexcept = 0;
};

/// One of them, in a list: made before its work is under way, so that to keep it cannot fail.
using KeptOne = std::list<std::unique_ptr<Kept>>;

/// Keeps what the work of one stream still needs, and drops it when the work is done. A thread of
/// its own does so, from `start` on: what is dropped may be the caller's and may call the library.
///
/// Threads: `start`, `keep` and `kept` from one thread at a time, the others from any.
class Keeper {
 public:
  Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  /// Waits until all is dropped, unless after `detach`, or if it is what is dropped that destroys
  /// the keeper.
  ~Keeper();

  /// Starts the thread, so that `keep` need not, which must not fail.
  void start();

  /// Keeps `one` until it has finished; all that was kept earlier comes first. After `start`.
  void keep(KeptOne one) noexcept;

  /// How many were kept so far, and how many of them, from the first on, are dropped.
  [[nodiscard]] std::uint64_t kept() const noexcept { return kept_; }
  [[nodiscard]] std::uint64_t dropped() const;

  /// Waits until `count` are dropped, at most `timeout`. \returns Whether they are.
  /// \throws Error  `invalid_argument` from what is just being dropped: it would wait for itself.
  bool wait_for_dropped(std::uint64_t count, std::chrono::nanoseconds timeout) const;

  /// Has the destructor not wait, for the device is lost: what is left to wait for is but the
  /// caller's own destructors, which may need what whoever destroys the stream holds. The thread
  /// still drops what is kept.
  void detach() noexcept { is_detached_ = true; }

 private:
  struct State;

  const std::shared_ptr<State> state_;
  std::uint64_t kept_ = 0;
  bool is_detached_ = false;
  std::thread thread_;  // see start
};

}  // namespace headrace::backends
