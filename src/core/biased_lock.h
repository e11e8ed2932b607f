// SPDX-License-Identifier: Apache-2.0
/// \file
/// A lock that is nearly free for the one thread that owns it, and dear for all others.
/// Design: docs/design/007-thread-caches.md.
#pragma once

#include <atomic>
#include <thread>

namespace headrace::core {

/// What a BiasedLock needs of the machine below.
struct NativePlatform {
  template <class T>
  using Atomic = std::atomic<T>;

  /// Whether `heavy_barrier` works, so that the owner may do without a barrier of its own.
  static bool has_heavy_barrier() noexcept { return is_registered.load(std::memory_order_relaxed); }
  /// Finds that out; until then it counts as no. Before the first lock is made, for the two sides
  /// of one must think the same.
  static void find_heavy_barrier() noexcept;
  /// Makes every thread of the process pass a full barrier before it returns. When the kernel
  /// refuses what it gave before, the program ends with one line that says so.
  static void heavy_barrier() noexcept;
  /// Keeps the compiler, but not the processor, from moving memory accesses across.
  static void light_barrier() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
  static void pause() noexcept { std::this_thread::yield(); }

 private:
  // Not found out by a static constructor: others may run earlier and use memory already.
  static constinit std::atomic<bool> is_registered;
};

/// A lock with an owner: one thread, which enters and leaves it with two stores and a load. Any
/// other thread first stops the owner from entering, and then has what is guarded to itself.
///
/// This is Dekker's handshake with its two barriers put where they are cheap (asymmetric fences;
/// Linux's membarrier, the way of RCU and of tcmalloc's per-CPU caches): the owner stores `inside`
/// and then loads `gate`, whoever stops stores `gate` and then loads `inside`, and a barrier
/// that the stopper has every processor pass keeps both from missing the other's store. Without
/// such a barrier the owner passes one of its own, at several nanoseconds.
///
/// Threads: `try_enter` and `leave` by the owner; `stop`, `await_owner` and `resume` by others, one
/// at a time, in this order, with one `heavy_barrier` between the first two:
///     stop();  Platform::heavy_barrier();  await_owner();  ...  resume();
template <class Platform>
class BasicBiasedLock {
 public:
  /// Enters if that is nearly free. \returns False when the owner is stopped, or has to pass a
  /// barrier of its own: it is not inside then.
  bool try_enter_freely() noexcept {
    inside_.store(true, std::memory_order_relaxed);
    Platform::light_barrier();
    if (gate_.load(std::memory_order_seq_cst) == open) [[likely]] {
      return true;
    }
    inside_.store(false, std::memory_order_release);
    return false;
  }

  /// Enters. \returns False when the owner is stopped: it is not inside then.
  bool try_enter() noexcept {
    if (unstopped_ == open) {
      return try_enter_freely();
    }
    inside_.exchange(true, std::memory_order_seq_cst);
    if (gate_.load(std::memory_order_seq_cst) == unstopped_) {
      return true;
    }
    inside_.store(false, std::memory_order_release);
    return false;
  }

  void leave() noexcept { inside_.store(false, std::memory_order_release); }

  void stop() noexcept {
    if (Platform::has_heavy_barrier()) {
      gate_.store(stopped, std::memory_order_relaxed);
    } else {
      gate_.exchange(stopped, std::memory_order_seq_cst);
    }
  }

  void await_owner() noexcept {
    while (inside_.load(std::memory_order_seq_cst)) {
      Platform::pause();
    }
  }

  void resume() noexcept { gate_.store(unstopped_, std::memory_order_release); }

 private:
  enum Gate : unsigned char {
    open,     ///< The owner may enter freely.
    dear,     ///< It may enter, past a barrier of its own.
    stopped,  ///< It may not.
  };

  const Gate unstopped_ = Platform::has_heavy_barrier() ? open : dear;
  typename Platform::template Atomic<bool> inside_{false};
  typename Platform::template Atomic<Gate> gate_{unstopped_};
};

using BiasedLock = BasicBiasedLock<NativePlatform>;

}  // namespace headrace::core
