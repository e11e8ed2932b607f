// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace headrace::core {

/// Threads that copy beside the one that asks, on a machine of `hardware_threads`: 0 for two or
/// fewer, where the caller copies alone.
unsigned copying_threads(unsigned hardware_threads) noexcept;

/// Copies host memory with several threads, which one thread does far below the memory's rate.
///
/// A large range is split in pieces; the caller and the copier's threads take them in order, and
/// the caller returns when all are done. Copies of different callers share the threads, first come,
/// first served. The threads are started by the first large copy, look for the next for 50 us after
/// each and then sleep, call nothing of the library's and hold none of its objects.
/// Threads: safe from any thread. Fork: a device's copier is refused to a child with its device.
class HostCopier {
 public:
  /// \param most_threads  Threads beside the caller; 0: it copies alone.
  explicit HostCopier(unsigned most_threads = copying_threads(std::thread::hardware_concurrency()));
  HostCopier(const HostCopier&) = delete;
  HostCopier& operator=(const HostCopier&) = delete;
  /// Ends the threads; no copy is under way.
  ~HostCopier();

  /// Bytes from which work is shared: below it waking a thread takes as long as the copy.
  static constexpr std::size_t kSharedBytes = std::size_t{1} << 20;
  /// Bytes of a copy's pieces: few enough that the last ones end at about the same time.
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 15;

  /// Copies `bytes` bytes between places that do not overlap. `from` is read, and `to` written,
  /// when this returns.
  void copy(std::byte* to, const std::byte* from, std::size_t bytes);
  /// The same, where a device reads `to` next.
  void copy_for_device(std::byte* to, const std::byte* from, std::size_t bytes);

  /// Bytes from which `touch` does something: two huge pages, one of them whole.
  static constexpr std::size_t kTouchedBytes = std::size_t{4} << 20;

  /// Has the system map memory that was just taken and holds nothing yet, with several threads and
  /// in huge pages where it can: who writes it first would wait for each small page in turn.
  /// Leaves some of its bytes 0 and the rest as they are.
  void touch(std::byte* place, std::size_t bytes);

  /// Is called with the offset and the bytes of a piece; must not throw.
  using Work = std::function<void(std::size_t offset, std::size_t bytes)>;
  /// Calls `work` for each `piece_bytes` of `bytes` bytes, the last with what is left, on several
  /// threads, or for all at once on this one. Returns when all calls have.
  void in_pieces(std::size_t bytes, std::size_t piece_bytes, const Work& work);

 private:
  struct Job {
    /// Does pieces until all are taken.
    void take_pieces() noexcept;

    const Work& work;
    const std::size_t bytes;
    const std::size_t piece_bytes;
    std::atomic<std::size_t> next{0};  // the first byte that nobody has taken, or beyond the last
    std::atomic<std::size_t> helpers{0};  // threads at it beside its caller; changes under mutex_
  };

  bool start_threads_locked();
  void serve();
  void help(Job& job, std::unique_lock<std::mutex>& lock) noexcept;

  std::mutex mutex_;
  std::condition_variable work_;     // there is a job, or no more will come
  std::condition_variable done_;     // the last helper left a job
  std::deque<Job*> jobs_;            // that may have pieces to take; guarded by mutex_
  std::atomic<unsigned> posted_{0};  // jobs so far; changes under mutex_
  std::size_t sleepers_ = 0;         // threads that must be woken; guarded by mutex_
  unsigned most_threads_;            // guarded by mutex_
  bool is_closed_ = false;           // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace headrace::core
