// SPDX-License-Identifier: Apache-2.0
/// \file
/// The one interface that a backend implements. Pools, limits, staging, statistics, argument checks
/// and the loader are written once above it. See docs/design/001-timeline.md for the rules.
#pragma once

#include "headrace/data_type.h"
#include "headrace/device_type.h"
#include "headrace/export.h"
#include "headrace/native_handle.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace headrace {

class BackendDevice;
class Trace;

/// A device as a user sees it before opening it.
struct DeviceInfo {
  std::string spec = {};          ///< What `open_device` takes: "host", "cuda:0".
  std::string backend = {};       ///< Name of its backend.
  std::string name = {};          ///< The vendor's name for it.
  int index = 0;                  ///< Index in its backend.
  std::uint64_t total_bytes = 0;  ///< Memory of the device.
  bool is_gpu = false;            ///< GPUs are listed before anything else.
  bool unified_memory = false;    ///< The host reads and writes `gpu` memory in place.
  /// The same of one card in all backends that reach it: CUDA's and Vulkan's UUID of the device,
  /// 32 lower-case hex digits; empty where the API below tells none.
  std::string uuid = {};
};

/// What the code above must know of an open device.
struct DeviceCaps {
  bool unified_memory = false;  ///< Every block has a host address and needs no staging copy.
  std::size_t alignment = 256;  ///< What its memory, and every block in it, starts at multiples of,
                                ///< in bytes: at most 256.
  /// Allocations are best made in multiples of this many bytes, a power of two.
  std::size_t granularity = 256;
};

/// What work of a device may do with host memory of the caller's.
enum class HostAccess : std::uint8_t { read_only, read_write };

/// One allocation of a backend, or host memory that was registered with it.
struct MemoryBlock {
  std::uint64_t handle = 0;   ///< Address or buffer object.
  std::byte* host = nullptr;  ///< Where the host sees it; null when it does not.
  std::size_t size = 0;       ///< Bytes.
  HandleKind kind = HandleKind::pointer;
};

/// A place inside a block.
struct MemoryView {
  std::uint64_t handle = 0;
  std::uint64_t offset = 0;   ///< Bytes from the start of the block.
  std::byte* host = nullptr;  ///< Host address of the place itself (offset included), or null.
};

/// Copies `bytes` bytes; the places do not overlap.
struct CopyCommand {
  MemoryView from = {};
  MemoryView to = {};
  std::size_t bytes = 0;
  /// Whose one of the places is, when it is not the stream's device's; that one reaches it. Life:
  /// to the end of `prepare` and `submit`.
  const BackendDevice* peer = nullptr;
};

/// Writes the low `element_bytes` bytes of `pattern` `count` times.
struct FillCommand {
  MemoryView to = {};
  std::uint64_t pattern = 0;
  std::size_t element_bytes = 1;
  std::size_t count = 0;
};

/// Converts `count` elements by the rules of docs/design/002-numerics.md.
struct ConvertCommand {
  MemoryView from = {};
  DataType from_type = DataType::float32;
  MemoryView to = {};
  DataType to_type = DataType::float32;
  std::size_t count = 0;
};

/// How samples are expanded on the device: type, order of dimensions, and x * scale + bias.
struct ExpandSpec {
  DataType from = DataType::uint8;
  DataType to = DataType::float32;
  std::int64_t height = 1;
  std::int64_t width = 1;
  std::int64_t channels = 1;
  bool to_planar = false;         ///< Height, width, channel becomes channel, height, width.
  std::vector<float> scale = {};  ///< One a channel, or empty for none.
  std::vector<float> bias = {};   ///< As many as `scale`.
};

/// Expands `samples` samples as `spec` says.
struct ExpandCommand {
  MemoryView from = {};
  MemoryView to = {};
  std::int64_t samples = 0;
  std::shared_ptr<const ExpandSpec> spec = {};
};

/// Work of the caller's own. A backend that records calls `function` once, in `prepare`, with the
/// handle that records; `host` calls it in its turn, as the work itself.
struct LaunchCommand {
  std::function<void(NativeHandle)> function = {};
};

/// One piece of work of a submission, and the label that traces show for it.
struct Command {
  std::variant<CopyCommand, FillCommand, ConvertCommand, ExpandCommand, LaunchCommand> work = {};
  std::string label = {};
};

/// Whether a submission failed. Threads: safe from any thread.
class HEADRACE_EXPORT Outcome {
 public:
  /// Keeps the first failure.
  void fail(std::exception_ptr error) noexcept;
  /// The failure, or null. Final once a marker behind the submission has completed.
  [[nodiscard]] std::exception_ptr error() const noexcept;

 private:
  mutable std::mutex mutex_;
  std::exception_ptr error_;
};

/// Commands that run one after another, handed to a stream as one piece.
///
/// Life: the backend keeps it until the work is done, and no longer: commands hold objects of the
/// caller's. The outcome lives on with whoever waits for it.
struct Submission {
  std::vector<Command> commands = {};
  /// Told by the backend that a command failed and the ones after it were not run.
  std::shared_ptr<Outcome> outcome = std::make_shared<Outcome>();
  /// Where the backend, if it can tell, records when each labelled command began and ended; null
  /// for nowhere.
  std::shared_ptr<Trace> trace = {};
  std::string track = {};  ///< Of that trace: the stream's.
  /// What the backend's `prepare` leaves for its `submit`.
  std::shared_ptr<void> prepared = {};
};

/// Runs the commands of a submission, one after another, on this thread: all that a backend must do
/// whose memory the host reaches. Every MemoryView's handle must be an address of the host's.
///
/// Labelled commands are recorded in the submission's trace, if it has one. When a command throws,
/// the outcome is told and the commands after it are not run.
///
/// Threads: safe from any thread, for submissions of its own.
/// \param stream  What LaunchCommand functions are given.
HEADRACE_EXPORT void run_on_host(Submission& submission, NativeHandle stream) noexcept;

/// A marker's place in its stream: rises by one from 1.
using MarkerSerial = std::uint64_t;

/// A stream of one device: work runs in the order submitted.
///
/// Threads: `submit`, `signal`, `wait_for` and `native_handle` come from one thread at a time;
/// `prepare`, `completed`, `wait` and `is_capturing` from any thread at any time. Errors: any call
/// throws `device_lost` once the device is gone.
class HEADRACE_EXPORT BackendStream {
 public:
  BackendStream() = default;
  BackendStream(const BackendStream&) = delete;
  BackendStream& operator=(const BackendStream&) = delete;
  /// Work submitted earlier still runs; the destructor may wait for it.
  virtual ~BackendStream();

  /// Comes before `submit` of a submission with launches, with no lock of the library's held: a
  /// backend that records runs their functions here. What one throws is told to the outcome, and
  /// the commands after it are left out.
  virtual void prepare(Submission& /*submission*/) {}

  /// Runs the commands after everything submitted before. Returns without waiting for them.
  virtual void submit(std::shared_ptr<Submission> submission) = 0;

  /// Puts a marker behind everything submitted so far, work through `native_handle` included.
  virtual void signal(MarkerSerial serial) = 0;

  /// The highest marker that the device has passed; 0 at first.
  virtual MarkerSerial completed() = 0;

  /// Waits until marker `serial` is passed, at most `timeout`. \returns Whether it is passed.
  virtual bool wait(MarkerSerial serial, std::chrono::nanoseconds timeout) = 0;

  /// Makes work submitted later wait, on the device, for a marker that `producer` was given: a
  /// stream of the same device, or of one that this one's reaches.
  virtual void wait_for(BackendStream& producer, MarkerSerial serial) = 0;

  /// The stream in the API below, which others submit to from then on: behind all that was
  /// submitted before, and the waits.
  [[nodiscard]] virtual NativeHandle native_handle() = 0;

  /// Whether work reaches the stream through `submit` alone until `native_handle` is given out.
  /// False for streams that other code can name, as CUDA's default stream.
  [[nodiscard]] virtual bool is_private() const { return false; }

  /// Whether a marker, or a wait for another stream's, would break a capture: the caller records a
  /// graph from this stream, or from another one that forbids it (CUDA's legacy default stream).
  [[nodiscard]] virtual bool is_capturing() const { return false; }
};

/// A tool that checks which memory work touches, as compute-sanitizer does, told which parts of its
/// allocations a pool has handed out.
///
/// A part is open from before it is handed out until it is back and its last work is over. Open
/// parts do not overlap. Design: docs/design/020-memory-checkers.md.
///
/// Threads: safe from any thread. Locks: the pool's is held, so it calls nothing of the library's.
class HEADRACE_EXPORT SubAllocationObserver {
 public:
  SubAllocationObserver() = default;
  SubAllocationObserver(const SubAllocationObserver&) = delete;
  SubAllocationObserver& operator=(const SubAllocationObserver&) = delete;
  virtual ~SubAllocationObserver();

  /// From now on, until the device has `memory` back, work may touch only what is open of it.
  virtual void watch(const MemoryBlock& memory) noexcept = 0;

  /// Work may touch `bytes` bytes from `part` on.
  virtual void open(const MemoryView& part, std::size_t bytes) noexcept = 0;

  /// No more, as it was opened.
  virtual void close(const MemoryView& part) noexcept = 0;
};

/// An open device.
///
/// Threads: every call from any thread at any time.
class HEADRACE_EXPORT BackendDevice {
 public:
  BackendDevice() = default;
  BackendDevice(const BackendDevice&) = delete;
  BackendDevice& operator=(const BackendDevice&) = delete;
  virtual ~BackendDevice();

  [[nodiscard]] virtual DeviceInfo info() const = 0;
  [[nodiscard]] virtual DeviceCaps caps() const = 0;

  /// The device in the API below; `HandleKind::none` where there is none.
  [[nodiscard]] virtual NativeHandle native_handle() const { return {}; }

  /// Gives new memory of at least `size` bytes, `size` > 0.
  ///
  /// \throws Error  `out_of_memory`, `device_lost`.
  virtual MemoryBlock allocate(DeviceType device_type, std::size_t size) = 0;

  /// Gives memory back that no work uses any more.
  virtual void release(const MemoryBlock& block) noexcept = 0;

  /// Makes `size` > 0 bytes of host memory that the caller owns a place that commands copy from,
  /// and with `read_write` to, at the rate of memory of `allocate`'s. Whoever asks sees to it that
  /// no two ranges overlap and that the memory stays mapped.
  ///
  /// \returns A block of exactly that memory.
  /// \throws Error  `unsupported`, as the default does, where the device cannot or the memory is of
  ///                a kind that it cannot take; `invalid_argument`; `out_of_memory`, of the host's;
  ///                `device_lost`.
  virtual MemoryBlock register_host(std::byte* memory, std::size_t size, HostAccess access);

  /// Ends what `register_host` began, when no work uses the memory any more.
  virtual void unregister_host(const MemoryBlock& block) noexcept;

  /// A tool to be told what pools hand out, which lives as long as the device; null for none. Asked
  /// by each pool when it is made. A pool that tells one is slower: see SubAllocationObserver.
  [[nodiscard]] virtual SubAllocationObserver* sub_allocation_observer() { return nullptr; }

  /// The stream that work without a stream goes to.
  virtual std::shared_ptr<BackendStream> default_stream() = 0;

  /// A new stream, which waits for no other by itself.
  virtual std::shared_ptr<BackendStream> make_stream() = 0;

  /// A stream made elsewhere, which stays its maker's. The handle must mean one stream for every
  /// thread: a cuda backend takes `cudaStreamLegacy` for its default stream, which null is too
  /// (also in code built with --default-stream per-thread), and refuses `cudaStreamPerThread`.
  ///
  /// \throws Error  `unsupported` when the backend has no such streams; `invalid_argument` for a
  ///                handle that names none.
  virtual std::shared_ptr<BackendStream> adopt_stream(NativeHandle handle);

  /// Whether work of this device's streams may copy from and to memory of `other`, which is another
  /// device, and wait for markers of its streams. Where two devices say so of each other, work is
  /// ordered and tensors are copied between them on the device, else by the host.
  [[nodiscard]] virtual bool reaches(const BackendDevice& /*other*/) const { return false; }
};

/// A way to reach devices.
///
/// Threads: one call at a time. Fork: a child calls it as a new process would; devices and streams
/// that were opened before get no call there, and are not destroyed.
class HEADRACE_EXPORT Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend();

  /// The first part of its devices' specs: "cuda".
  [[nodiscard]] virtual std::string_view name() const = 0;

  /// The devices present, by index; empty when the driver is missing. Never throws for a missing
  /// driver.
  virtual std::vector<DeviceInfo> devices() = 0;

  /// Opens device `index`, which `devices` listed.
  virtual std::shared_ptr<BackendDevice> open(int index) = 0;
};

/// Adds a backend of the caller's to those that `list_devices` and `open_device` know.
///
/// Threads: safe from any thread.
/// \throws Error  `invalid_argument` when it is null or a backend of that name is there already.
HEADRACE_EXPORT void register_backend(std::unique_ptr<Backend> backend);

}  // namespace headrace
