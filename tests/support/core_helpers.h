// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/headrace.h"
#include "headrace/testing.h"

#include "core/access.h"
#include "core/block.h"
#include "core/timeline.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>

// What the white-box tests of the core share.

namespace headrace {

inline void PrintTo(ErrorCode code, std::ostream* to) {
  *to << to_string(code);
}
inline void PrintTo(DeviceType type, std::ostream* to) {
  *to << to_string(type);
}

}  // namespace headrace

namespace headrace::test {

// Whether a sanitizer's own allocator is used, which ends the program where another gives null.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitizedAllocator = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitizedAllocator = true;
#else
inline constexpr bool kSanitizedAllocator = false;
#endif
#else
inline constexpr bool kSanitizedAllocator = false;
#endif

/// The code of the Error that `call` throws; nothing when it throws none.
inline std::optional<ErrorCode> code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

/// The code of an exception that a handler was told; nothing for null.
inline std::optional<ErrorCode> code_of(const std::exception_ptr& error) {
  return code_of([&error] {
    if (error) {
      std::rethrow_exception(error);
    }
  });
}

/// Lets other threads run until `happened`: for conditions that stay true once they are.
inline void wait_until(const std::function<bool()>& happened) {
  while (!happened()) {
    std::this_thread::yield();
  }
}

/// Whether a thread comes to its end. Passing does not depend on time: only a thread that hangs
/// reaches the deadline, and the test then fails instead of hanging too.
template <class T>
bool comes_to_an_end(const std::future<T>& result) {
  return result.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
}

/// Runs `call` on a thread of its own.
template <class F>
auto on_thread(F call) {
  return std::async(std::launch::async, std::move(call));
}

inline core::StreamState& state_of(const Stream& stream) {
  return *core::StreamAccess::state(stream);
}

inline const std::shared_ptr<core::StreamState>& shared_state_of(const Stream& stream) {
  return core::StreamAccess::state(stream);
}

inline core::DeviceState& state_of(const Device& device) {
  return *core::DeviceAccess::state(device);
}

inline core::Block& block_of(const Buffer& buffer) {
  return *core::BufferAccess::block(buffer);
}

/// Submits `work` to `stream` as the user would through its native handle: no pool hears of it.
inline void launch(const Stream& stream, std::function<void()> work) {
  auto submission = std::make_shared<Submission>();
  submission->commands.push_back(
      {LaunchCommand{[work = std::move(work)](NativeHandle) { work(); }}, "test"});
  state_of(stream).submit(std::move(submission));
}

/// A mock device's memory, which is host memory whatever its kind.
inline std::byte* bytes_of(const Buffer& buffer) {
  return buffer.native_handle().as_pointer<std::byte>();
}

/// The settings of a manager that a test names, the rest as they are by default.
struct Config {
  std::string name = "default";
  std::size_t byte_limit = 0;
  std::size_t soft_byte_limit = 0;
  std::size_t count_limit = 0;
  std::function<bool(std::size_t)> pressure_callback = nullptr;

  operator MemoryManagerConfig() const {  // NOLINT(google-explicit-constructor): stands for it
    MemoryManagerConfig config;
    config.name = name;
    config.byte_limit = byte_limit;
    config.soft_byte_limit = soft_byte_limit;
    config.count_limit = count_limit;
    config.pressure_callback = pressure_callback;
    return config;
  }
};

/// What must hold of a manager at any moment when no thread is inside it.
inline void expect_ledger_balances(const MemoryManager& manager, const MockDevice& mock) {
  const MemoryStats stats = manager.stats();
  EXPECT_EQ(stats.current_bytes + stats.cached_bytes, stats.reserved_bytes);
  EXPECT_LE(stats.requested_bytes, stats.current_bytes);
  EXPECT_LE(stats.current_bytes, stats.peak_bytes);
  EXPECT_LE(stats.reserved_bytes, stats.peak_reserved_bytes);
  EXPECT_EQ(stats.segments, mock.live_allocations());
  EXPECT_LE(stats.largest_free_bytes, stats.free_bytes);
  EXPECT_LE(stats.free_bytes, stats.cached_bytes);
  EXPECT_EQ(stats.reserved_bytes, mock.live_bytes());
  std::size_t available = 0;
  std::size_t allocated = 0;
  std::size_t bytes = 0;
  for (const auto& [key, pool] : manager.pool_stats()) {
    available += pool.available;
    allocated += pool.allocated;
    bytes += pool.allocated * key.size;
  }
  EXPECT_EQ(available, stats.cached_buffers);
  EXPECT_EQ(allocated, stats.cached_buffers + stats.current_buffers);
  EXPECT_EQ(stats.current_bytes == 0, stats.current_buffers == 0);
  EXPECT_LE(bytes + stats.free_bytes, stats.reserved_bytes) << "the rest is not yet carved";
}

}  // namespace headrace::test
