// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/testing.h"

#include "core/process.h"

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <variant>
#include <vector>

namespace headrace::core {

/// A MockDevice's whole machine: its streams' queues, its memory, its counts and its faults.
///
/// Threads: safe from any thread; one lock for everything, which is not held while work runs, for
/// launched work may call the library.
class MockState final : public BackendDevice, public std::enable_shared_from_this<MockState> {
 public:
  explicit MockState(const MockDeviceConfig& config);
  ~MockState() override;
  MockState(const MockState&) = delete;
  MockState& operator=(const MockState&) = delete;

  [[nodiscard]] DeviceInfo info() const override;
  [[nodiscard]] DeviceCaps caps() const override;
  MemoryBlock allocate(DeviceType device_type, std::size_t size) override;
  void release(const MemoryBlock& block) noexcept override;
  MemoryBlock register_host(std::byte* memory, std::size_t size, HostAccess access) override;
  void unregister_host(const MemoryBlock& block) noexcept override;
  [[nodiscard]] SubAllocationObserver* sub_allocation_observer() override {
    return config_.observer;
  }
  std::shared_ptr<BackendStream> default_stream() override;
  std::shared_ptr<BackendStream> make_stream() override;
  std::shared_ptr<BackendStream> adopt_stream(NativeHandle handle) override;

  /// How far one BackendStream's markers are; two of them may be on one queue.
  struct Timeline {
    std::size_t queue = 0;
    MarkerSerial completed = 0;
  };

  void submit(const Timeline& timeline, std::shared_ptr<Submission> submission);
  void signal(Timeline& timeline, MarkerSerial serial);
  void wait_for(const Timeline& timeline, const Timeline& producer, MarkerSerial serial);
  MarkerSerial completed(const Timeline& timeline);
  bool host_wait(const Timeline& timeline, MarkerSerial serial, std::chrono::nanoseconds timeout);
  [[nodiscard]] bool is_capturing(const Timeline& timeline) const;

  bool step_any();
  bool step(std::size_t stream);
  void complete_all();
  void run_by_itself();
  [[nodiscard]] std::size_t pending() const;
  void fail(MockCall call, std::uint64_t nth, ErrorCode code);
  void lose();
  /// Lets go of the submissions that have not begun; markers and waits stay.
  void drop_submissions();
  /// Waits for work that runs on other threads at this moment.
  void wait_for_running();
  void set_capturing(bool capturing);
  void set_capturing(std::size_t stream, bool capturing);
  [[nodiscard]] std::uint64_t broken_captures() const;
  [[nodiscard]] std::uint64_t count(MockCall call) const;
  [[nodiscard]] std::size_t live_allocations() const;
  [[nodiscard]] std::size_t live_bytes() const;
  [[nodiscard]] const ProcessStamp& process() const noexcept { return process_; }

 private:
  struct Marker {
    Timeline* timeline;
    MarkerSerial serial;
  };
  struct Wait {
    const Timeline* producer;
    MarkerSerial serial;
  };
  using Work = std::variant<std::shared_ptr<Submission>, Marker, Wait>;
  struct Queue {
    std::deque<Work> work;
    bool running = false;
    bool capturing = false;
    std::thread::id runner = {};  // of the work that is running
  };
  struct Fault {
    std::uint64_t calls_left;
    ErrorCode code;
  };

  static constexpr std::size_t kCalls = static_cast<std::size_t>(MockCall::unregister_host) + 1;

  void called_locked(MockCall call);
  void require_present_locked() const;
  [[nodiscard]] bool is_capturing_locked(const Timeline& timeline) const;
  [[nodiscard]] bool can_step_locked(std::size_t stream) const;
  void step_locked(std::size_t stream, std::unique_lock<std::mutex>& lock);
  void step_on_poll_locked(std::unique_lock<std::mutex>& lock);
  std::optional<std::size_t> pick_locked();
  [[nodiscard]] bool others_run_locked() const;
  void run_submission(std::size_t stream, std::shared_ptr<Submission> submission);
  bool step_any_locked(std::unique_lock<std::mutex>& lock);
  std::shared_ptr<BackendStream> make_stream_locked(std::size_t queue);

  const ProcessStamp process_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  const MockDeviceConfig config_;
  bool random_order_;
  bool losing_ = false;  // no more work is begun
  bool lost_ = false;
  bool all_capturing_ = false;
  std::uint64_t broken_captures_ = 0;
  std::mt19937_64 random_;
  // Deques: their elements stay where they are as they grow.
  std::deque<Queue> queues_;  // by stream number
  std::deque<Timeline> timelines_;
  std::map<std::uint64_t, std::size_t> allocations_;
  std::size_t live_bytes_ = 0;
  std::array<std::uint64_t, kCalls> counts_{};
  std::multimap<MockCall, Fault> faults_;
};

}  // namespace headrace::core
