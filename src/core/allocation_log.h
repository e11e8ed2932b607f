// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device_type.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

namespace headrace::core {

/// A file with a line for every take and return of a pool.
///
/// Blocks are told apart by their address while they are taken. The first failure to write ends the
/// log, so that what is in the file has no hole. Threads: safe from any thread. Lock order: its
/// mutex is innermost. Format and design: docs/design/009-allocation-log.md.
class AllocationLog {
 public:
  /// Makes the file, in place of one that is there.
  /// \throws Error  `io` when it cannot be opened.
  explicit AllocationLog(const std::filesystem::path& path);
  AllocationLog(const AllocationLog&) = delete;
  AllocationLog& operator=(const AllocationLog&) = delete;
  ~AllocationLog();

  /// What somebody asked for.
  struct Request {
    std::size_t bytes = 0;
    DeviceType device_type = DeviceType::gpu;
    std::uint64_t stream = 0;  ///< Id of the stream.
  };

  /// Says that `block` is the caller's; before anybody else may know it.
  void taken(const void* block, const Request& request) noexcept;
  /// Says that `block` comes back; before it can be taken again. Nothing if it was not logged as
  /// taken.
  void returned(const void* block) noexcept;
  /// Says that there was no block.
  void failed(const Request& request) noexcept;

  /// Writes what is not yet in the file.
  void flush() noexcept;

  /// Whether the log ended before its time.
  [[nodiscard]] bool is_broken() const noexcept {
    return is_broken_.load(std::memory_order_relaxed);
  }

 private:
  struct Taken {
    std::uint64_t number = 0;
    Request request;
  };
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  void write_line(const char* event, const std::string& buffer, const Request& request);
  void write_out();
  /// Calls `write` unless the log is over; what it throws ends the log. `mutex_` is held.
  template <class F>
  void unless_broken(const F& write) noexcept;

  const std::string path_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::atomic<bool> is_broken_{false};  // written under mutex_
  std::mutex mutex_;
  // What follows is guarded by mutex_.
  std::unique_ptr<std::FILE, Close> file_;
  std::string text_;  // not yet written
  std::unordered_map<const void*, Taken> taken_;
  std::unordered_map<std::thread::id, std::size_t> threads_;
  std::uint64_t buffers_ = 0;
};

}  // namespace headrace::core
