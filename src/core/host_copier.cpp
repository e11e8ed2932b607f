// SPDX-License-Identifier: Apache-2.0
#include "core/host_copier.h"

#include "core/log.h"
#include "kernels/copy_past_caches.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <sys/mman.h>

namespace headrace::core {

namespace {
/// More would not be faster: a few threads use all that the memory gives.
constexpr unsigned kMostThreads = 8;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kSmallPage = std::size_t{4} << 10;  // the smallest that there is

// The place is the storage of a container that has no elements yet; a sanitizer may know it as
// nobody's.
__attribute__((no_sanitize("address"))) void write_to_each_page(std::byte* place,
                                                                std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += kSmallPage) {
    static_cast<volatile std::byte*>(place)[i] = std::byte{0};
  }
}

/// Waits while `condition` holds, for as long as it may take to wake a thread, and gives the
/// processor to whoever else wants it.
template <class Condition>
void spin_while(const Condition& condition) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::microseconds kSpin(50);
  for (const Clock::time_point end = Clock::now() + kSpin; condition() && Clock::now() < end;) {
    std::this_thread::yield();
  }
}

/// Bytes from `place` to the next huge page.
std::size_t to_huge_page(const std::byte* place) {
  return kHugePage - reinterpret_cast<std::uintptr_t>(place) % kHugePage;
}
}  // namespace

unsigned copying_threads(unsigned hardware_threads) noexcept {
  return hardware_threads <= 2 ? 0 : std::min(kMostThreads, hardware_threads - 1);
}

HostCopier::HostCopier(unsigned most_threads) : most_threads_(most_threads) {}

HostCopier::~HostCopier() {
  {
    const std::scoped_lock lock(mutex_);
    is_closed_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void HostCopier::copy(std::byte* to, const std::byte* from, std::size_t bytes) {
  in_pieces(bytes, kPieceBytes, [to, from](std::size_t offset, std::size_t piece) {
    std::copy_n(from + offset, piece, to + offset);
  });
}

void HostCopier::copy_for_device(std::byte* to, const std::byte* from, std::size_t bytes) {
  in_pieces(bytes, kPieceBytes, [to, from](std::size_t offset, std::size_t piece) {
    kernels::copy_past_caches(to + offset, from + offset, piece);
  });
}

void HostCopier::touch(std::byte* place, std::size_t bytes) {
  if (bytes < kTouchedBytes) {
    return;
  }
  const std::size_t head = to_huge_page(place);
  const std::size_t rest = bytes - head;
  // Advice: where there are no huge pages, or none for this memory, small ones do.
  static_cast<void>(madvise(place + head, rest / kHugePage * kHugePage, MADV_HUGEPAGE));
  write_to_each_page(place, head);
  // A huge page is one thread's: two that meet in it would both clear one.
  in_pieces(rest, kHugePage, [first = place + head](std::size_t offset, std::size_t piece) {
    write_to_each_page(first + offset, piece);
  });
}

void HostCopier::in_pieces(std::size_t bytes, std::size_t piece_bytes, const Work& work) {
  if (bytes < kSharedBytes) {
    work(0, bytes);
    return;
  }
  Job job{work, bytes, piece_bytes};
  std::unique_lock lock(mutex_);
  if (!start_threads_locked()) {
    lock.unlock();
    work(0, bytes);
    return;
  }
  jobs_.push_back(&job);
  posted_.fetch_add(1, std::memory_order_relaxed);
  const std::size_t helpers = std::min(sleepers_, (bytes - 1) / piece_bytes);
  for (std::size_t i = 0; i < helpers; ++i) {
    work_.notify_one();
  }
  lock.unlock();
  job.take_pieces();
  spin_while([&job] { return job.helpers.load(std::memory_order_acquire) != 0; });
  lock.lock();
  std::erase(jobs_, &job);
  done_.wait(lock, [&job] { return job.helpers == 0; });
}

void HostCopier::Job::take_pieces() noexcept {
  for (std::size_t offset = next.fetch_add(piece_bytes); offset < bytes;
       offset = next.fetch_add(piece_bytes)) {
    work(offset, std::min(piece_bytes, bytes - offset));
  }
}

/// \returns Whether there are any.
bool HostCopier::start_threads_locked() {
  try {
    while (threads_.size() < most_threads_) {
      threads_.emplace_back([this] { serve(); });
    }
  } catch (const std::exception& error) {
    log_error(fmt::format("Of {} threads to copy host memory with, {} could be started: {}.",
                          most_threads_,
                          threads_.size(),
                          error.what()));
    most_threads_ = static_cast<unsigned>(threads_.size());
  }
  return !threads_.empty();
}

void HostCopier::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++sleepers_;
    work_.wait(lock, [this] { return is_closed_ || !jobs_.empty(); });
    --sleepers_;
    if (jobs_.empty()) {
      return;
    }
    help(*jobs_.front(), lock);
    if (jobs_.empty()) {
      const unsigned posted = posted_.load(std::memory_order_relaxed);
      lock.unlock();
      spin_while([&] { return posted_.load(std::memory_order_relaxed) == posted; });
      lock.lock();
    }
  }
}

/// The job is its caller's, who may go on, and destroy it, once it has no helpers.
void HostCopier::help(Job& job, std::unique_lock<std::mutex>& lock) noexcept {
  job.helpers.fetch_add(1, std::memory_order_relaxed);
  lock.unlock();
  job.take_pieces();
  lock.lock();
  std::erase(jobs_, &job);
  if (job.helpers.fetch_sub(1, std::memory_order_release) == 1) {
    done_.notify_all();
  }
}

}  // namespace headrace::core
