// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/device.h"
#include "headrace/stream.h"

#include "core/host_copier.h"
#include "core/process.h"
#include "core/timeline.h"

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace headrace::core {

class DeviceState;
struct PoolLink;

/// What the copies of one Stream share: when the last goes, the stream retires.
class StreamLease {
 public:
  StreamLease(std::weak_ptr<DeviceState> device, std::shared_ptr<StreamState> stream);
  StreamLease(const StreamLease&) = delete;
  StreamLease& operator=(const StreamLease&) = delete;
  ~StreamLease();

  [[nodiscard]] const std::shared_ptr<StreamState>& stream() const noexcept { return stream_; }

 private:
  std::weak_ptr<DeviceState> device_;
  std::shared_ptr<StreamState> stream_;
};

/// An open device: its streams, and the memory that waits for its last use before it can go back.
///
/// Threads: safe from any thread. Lock order: `reap_mutex_`, `mutex_`, a StreamState's; nothing is
/// waited for and no backend memory is released under it. Fork: a child can only ask what it is.
class DeviceState : public std::enable_shared_from_this<DeviceState> {
 public:
  explicit DeviceState(std::shared_ptr<BackendDevice> backend);
  DeviceState(const DeviceState&) = delete;
  DeviceState& operator=(const DeviceState&) = delete;
  ~DeviceState();

  [[nodiscard]] BackendDevice& backend() const noexcept { return *backend_; }
  [[nodiscard]] const DeviceInfo& info() const noexcept { return info_; }
  [[nodiscard]] const DeviceCaps& caps() const noexcept { return caps_; }
  /// Copies what goes to the device or comes from it within the host's memory.
  [[nodiscard]] HostCopier& copier() noexcept { return copier_; }

  Stream default_stream();
  Stream make_stream();
  Stream adopt_stream(NativeHandle handle);

  /// The stream that `stream` means on this device.
  ///
  /// \throws Error  `invalid_argument` when it is of another device.
  std::shared_ptr<StreamState> resolve(const Stream& stream);
  /// The stream that `stream` means for work that uses memory of this device.
  ///
  /// \throws Error  `invalid_argument` when it is of another device and the two are not joined.
  std::shared_ptr<StreamState> resolve_user(const Stream& stream);

  /// Waits for all work of every stream; of one that takes no markers, for what has one.
  /// \returns Whether that was all.
  bool synchronize();

  /// Registers memory of the caller's; no bytes give a block of no memory.
  ///
  /// \throws Error  `invalid_argument` when a part of it is registered already; else as
  ///                `BackendDevice::register_host`.
  MemoryBlock register_host(std::span<std::byte> memory, HostAccess access);
  /// Ends that once `uses` are over: at once, or at a later `reap`.
  void unregister_host(const MemoryBlock& memory, UseList&& uses) noexcept;

  /// Releases `memory` once `uses` are over: at once, or at a later `reap`.
  void bury(const MemoryBlock& memory, UseList&& uses) noexcept;
  /// The uses of all that is buried.
  [[nodiscard]] UseList buried_uses();

  /// Closes retired streams and releases buried memory whose work is over; a tool that checks
  /// memory is told what else is.
  void reap() noexcept;

  /// Takes over a stream whose last handle is gone, and tells the pools.
  void retire(std::shared_ptr<StreamState> stream) noexcept;

  /// Has a pool told of streams that end.
  void enlist(const std::shared_ptr<PoolLink>& pool);

 private:
  struct Grave {
    MemoryBlock memory;
    UseList uses;
    bool is_registered = false;  // the caller's memory, to be unregistered; else to be released

    void give_back_to(BackendDevice& backend) const noexcept;
  };
  void bury(Grave grave) noexcept;
  void give_back(const Grave& grave) noexcept;
  /// Notes a range before it is registered, which takes long. \throws Error  `invalid_argument`.
  void enter(std::span<std::byte> memory);
  Stream adopt(std::shared_ptr<BackendStream> backend, StreamState::Owner owner);
  /// Calls `visit` with every pool that is open.
  template <class Visit>
  void for_each_pool(const Visit& visit) noexcept;
  void require_current() const { process_.require_current("The device"); }

  const ProcessStamp process_;
  const std::shared_ptr<BackendDevice> backend_;
  const DeviceInfo info_;
  const DeviceCaps caps_;
  HostCopier copier_;
  std::once_flag default_made_;
  std::shared_ptr<StreamLease> default_stream_;  // set once, by default_made_
  std::mutex reap_mutex_;  // before mutex_; held while the device is given memory
  std::mutex mutex_;
  std::vector<std::weak_ptr<StreamState>> streams_;    // guarded by mutex_
  std::vector<std::shared_ptr<StreamState>> retired_;  // guarded by mutex_
  std::vector<Grave> graves_;                          // guarded by mutex_
  std::vector<std::weak_ptr<PoolLink>> pools_;         // guarded by mutex_
  // Ranges of the caller's memory by where they begin, and bytes of each. Guarded by mutex_.
  std::map<std::byte*, std::size_t> registered_;
};

}  // namespace headrace::core
