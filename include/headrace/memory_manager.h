// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/buffer.h"
#include "headrace/device.h"
#include "headrace/device_type.h"
#include "headrace/export.h"
#include "headrace/stats.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace headrace {

namespace core {
class MemoryPool;
class PointerTable;
struct ManagerAccess;
}  // namespace core

/// How a size asked for becomes the capacity of a buffer. Sizes are rounded up to 256 bytes first;
/// above 1 MiB eighths and quarters become 64ths.
enum class SizeClassPolicy {
  eighths,   ///< Eight capacities per doubling: at most 1/8 above the size asked.
  quarters,  ///< Four capacities per doubling: at most 1/4 above.
  exact,     ///< The rounded size itself; no buffer is kept for its size.
};

/// Limits and habits of a MemoryManager.
struct MemoryManagerConfig {
  std::string name = "default";     ///< Shown in errors, snapshots and reports.
  std::size_t byte_limit = 0;       ///< Most bytes held from the device; 0 for no limit.
  std::size_t soft_byte_limit = 0;  ///< Above it, reuse that makes a stream wait is preferred to
                                    ///< growing; 0 for none.
  std::size_t count_limit = 0;      ///< Most buffers there are, taken or cached; 0 for no limit.
  SizeClassPolicy size_classes = SizeClassPolicy::eighths;
  /// Whether buffers still taken when the manager's last handle goes, or for the global manager
  /// when the process exits, are logged by tag to standard error. They may outlive the manager.
  bool report_leaks = false;
  /// Called, with no lock held, when memory is short: the bytes wanted. Gives something back and
  /// returns true to have the request tried again; called at most 8 times a request.
  std::function<bool(std::size_t)> pressure_callback = {};
  /// A file, made anew and this manager's alone, that gets a line for every buffer taken and
  /// returned and every take that fails; `docs/design/009-allocation-log.md` has its format. Empty:
  /// none, at no cost. With a log no thread keeps buffers of its own, so that every take and return
  /// is dearer; what the pool asks of the device stays the same but for what threads would keep.
  /// The file is complete when the manager and its buffers are gone.
  std::filesystem::path allocation_log = {};
};

/// Pools of device memory, one for each capacity and kind.
///
/// A cheap shared value. Threads: safe from any thread.
/// Fork: in a child of the process that made it, calls throw `unsupported` and its buffers, when
/// they are given back or destroyed, stay where they are; see Device.
class HEADRACE_EXPORT MemoryManager {
 public:
  /// No manager; every call but the operator throws `invalid_argument`.
  MemoryManager() = default;

  /// \throws Error  `invalid_argument` for no device; `io` when the allocation log cannot be
  /// opened.
  explicit MemoryManager(Device device, MemoryManagerConfig config = {});

  /// Takes a buffer of at least `size` bytes, ready to be used on `stream`.
  ///
  /// Order: work submitted to `stream` afterwards may use the buffer at once. When its memory was
  /// last used on another stream, that use is over, or `stream` is made to wait for it. `cpu`
  /// memory is given only when its last use is over. Waits: for `cpu` memory under a limit, and
  /// before giving up; counted in MemoryStats.
  ///
  /// \param size    Bytes; 0 gives an empty buffer and touches nothing.
  /// \param device_type  Kind of memory.
  /// \param stream  Stream of this manager's device that uses the buffer first.
  /// \throws Error  `out_of_memory` when the device or `byte_limit` has no room after everything
  ///                unused was given back; `capacity` when `count_limit` is reached;
  ///                `invalid_argument` for a stream of another device or a size that cannot be
  ///                rounded; `device_lost`. The manager is unchanged.
  Buffer get_buffer(std::size_t size,
                    DeviceType device_type = DeviceType::gpu,
                    const Stream& stream = {});

  /// Gives a buffer back to the pool it came from. An empty one is ignored.
  void return_buffer(Buffer&& buffer) noexcept;

  /// Takes `gpu` memory as a bare address, for callers that cannot hold a Buffer. On vulkan the
  /// result is an opaque key.
  ///
  /// \returns null when `size` is 0. \throws Error  as `get_buffer`.
  void* allocate_buffer(std::size_t size, const Stream& stream = {});

  /// Gives back what `allocate_buffer` gave; null is ignored.
  ///
  /// \param stream  A stream whose work so far used the memory, besides the one it was taken for.
  ///                A marker that cannot be recorded there now is recorded later.
  /// \throws Error  `invalid_argument` when this manager did not give `pointer` or has it back
  ///                already; nothing is changed.
  void release_buffer(void* pointer, const Stream& stream = {});

  /// Counts of each pool that has a buffer.
  [[nodiscard]] std::map<PoolKey, BufferPoolStats> pool_stats() const;

  [[nodiscard]] MemoryStats stats() const;

  /// What is taken under each MemoryTag; under "" what was taken under none. Tags of which nothing
  /// is taken are left out, and so are buffers of 0 bytes.
  ///
  /// Exact when no other thread is inside the manager; else each buffer is counted at its own
  /// moment. A walk over all buffers under the manager's lock: for takes it costs nothing.
  [[nodiscard]] std::map<std::string, MemoryTagStats> tag_stats() const;

  /// Where every byte is, as a JSON object on one line:
  /// - `version` (1), `manager`, `device`, `limits` and `totals` (MemoryStats and `fragmentation`);
  /// - `tags`: for each tag `tag`, `bytes`, `requested_bytes`, `buffers`, as `tag_stats`;
  /// - `segments`, the allocations of the device: `kind`, `bytes`, `address` (or the buffer object)
  ///   in hexadecimal, `age_ms`, and `spans` that cover the segment in order;
  /// - a span: `offset` in its segment, `bytes`, `state`, and `uses`, the streams whose work may
  ///   still use what is in no block. In `state` "blocks" also `capacity`, `uncarved` (places whose
  ///   block was never made) and the other places' `blocks`;
  /// - a block: `offset` in its segment, `bytes`, `requested`, `state` "taken", "kept" (given back,
  ///   and a CaptureScope keeps it) or "cached", `tag` of its taker or of the last one, `stream` (0
  ///   when it is for none in particular), and `at_most_age_ms`. That is the time since its state
  ///   last changed without a hit, for hits read no clock: a block that only hits took and returned
  ///   since is in its state for less.
  ///
  /// Exact when no other thread is inside the manager; else blocks are each of their own moment.
  /// Other calls may go on; those that find nothing in their thread's cache wait for the walk.
  /// Buffers of 0 bytes are not shown. Text that is no UTF-8 is replaced.
  [[nodiscard]] std::string snapshot() const;

  /// Makes `peak_bytes` and `peak_reserved_bytes` what is taken and held now. Memory that is being
  /// asked of the device at the moment counts as held.
  void reset_peaks();

  /// Gives memory that holds no taken buffer and whose last use is over back to the device.
  /// \returns Bytes given back.
  std::size_t trim();

  /// The device of the memory.
  [[nodiscard]] const Device& device() const;

  explicit operator bool() const noexcept { return pool_ != nullptr; }
  friend bool operator==(const MemoryManager& a, const MemoryManager& b) noexcept {
    return a.pool_ == b.pool_;
  }

 private:
  friend struct core::ManagerAccess;
  Buffer get_missed(std::size_t size, DeviceType device_type, const Stream& stream);
  std::shared_ptr<core::MemoryPool> pool_;
  std::shared_ptr<core::PointerTable> pointers_;
};

/// Makes the process's own manager on `device`. The first call wins; a later one changes nothing.
/// Fork: the first call in a child wins there.
///
/// It is never destroyed: with `report_leaks` its report comes when the process exits, after the
/// static objects made since this call are gone.
///
/// \throws Error  `invalid_argument` for no device.
HEADRACE_EXPORT void initialize_global_memory_manager(const Device& device,
                                                      MemoryManagerConfig config = {});

/// The process's own manager.
///
/// \throws Error  `invalid_argument` before `initialize_global_memory_manager`; `unsupported` in a
///                child of fork() before its own call of it.
HEADRACE_EXPORT MemoryManager global_memory_manager();

/// The device of the process's own manager. \throws Error  as `global_memory_manager`.
HEADRACE_EXPORT Device get_device();

}  // namespace headrace
