// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device.h"
#include "headrace/error.h"
#include "headrace/export.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace headrace {

class SubAllocationObserver;

namespace core {
class MockState;
}  // namespace core

/// Calls that a MockDevice counts and can be told to fail.
enum class MockCall {
  allocate,
  release,
  make_stream,
  submit,  ///< One submission, however many commands.
  copy,    ///< One copy command, when it is submitted.
  fill,
  convert,
  expand,
  launch,
  signal,
  wait_for,   ///< One stream made to wait for another.
  host_wait,  ///< The host waiting for a marker.
  register_host,
  unregister_host,
};

/// How a MockDevice behaves.
struct MockDeviceConfig {
  /// False: work runs only when `step` or `complete_all` is called. True: whenever the host polls
  /// or waits, work of a stream chosen at random runs.
  bool random_order = false;
  std::uint64_t seed = 0;                          ///< Of the random order.
  bool unified_memory = false;                     ///< Whether the host sees `gpu` memory.
  std::size_t total_bytes = std::size_t{1} << 30;  ///< Allocations beyond fail with out_of_memory.
  /// Allocations are best made in multiples of this many bytes, a power of two.
  std::size_t granularity = 256;
  /// Told what pools hand out; outlives the device. Null for none.
  SubAllocationObserver* observer = nullptr;
};

/// A device for tests: it does real work in host memory, when told to or in a seeded random order
/// between its streams, fails the calls it is told to fail, and counts everything.
///
/// In manual mode a host wait blocks until another thread completes the work. Memory is filled with
/// 0xCD when given and 0xDD when taken back. Threads: safe from any thread.
class HEADRACE_EXPORT MockDevice {
 public:
  explicit MockDevice(MockDeviceConfig config = {});
  ~MockDevice();
  MockDevice(const MockDevice&) = delete;
  MockDevice& operator=(const MockDevice&) = delete;

  /// The device to hand to the code under test; works on when this object is gone, in random order.
  [[nodiscard]] const Device& device() const noexcept { return device_; }

  /// Runs one piece of work (a submission, a marker or a wait) of a stream that can go on: the
  /// lowest-numbered one, or in random order any. \returns False when no stream can go on.
  bool step();

  /// Runs one piece of work of stream `stream_number` (0 is the default stream, then in order of
  /// making). \returns False when it has none or must wait for another stream.
  bool step(std::size_t stream_number);

  /// Runs work until no stream can go on.
  void complete_all();

  /// Pieces of work not yet run.
  [[nodiscard]] std::size_t pending() const;

  /// Makes the `nth` call of this kind from now on (1 is the next one) throw `code`, once.
  void fail(MockCall call, std::uint64_t nth, ErrorCode code = ErrorCode::internal);

  /// Loses the device: every call from now on throws `device_lost`, pending work never runs, and
  /// whoever waits is woken with `device_lost`. Memory can still be given back.
  void lose();

  /// Says that all streams are, or none is, being captured by the user.
  void set_capturing(bool capturing);

  /// Says that one stream is, or is not. As a capture does, it takes the stream's native handle.
  ///
  /// \throws Error  `invalid_argument` when it is of another device.
  void set_capturing(const Stream& stream, bool capturing);

  /// Markers and waits for other streams that came to a stream while it was captured: each would
  /// have broken the capture.
  [[nodiscard]] std::uint64_t broken_captures() const;

  /// Calls of a kind so far, failed ones included.
  [[nodiscard]] std::uint64_t count(MockCall call) const;

  /// Allocations that were not given back.
  [[nodiscard]] std::size_t live_allocations() const;
  [[nodiscard]] std::size_t live_bytes() const;

 private:
  std::shared_ptr<core::MockState> state_;
  Device device_;
};

}  // namespace headrace
