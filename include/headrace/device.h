// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/export.h"
#include "headrace/host_registration.h"
#include "headrace/stream.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace headrace {

namespace core {
class DeviceState;
struct DeviceAccess;
}  // namespace core

/// An open device. A cheap shared value; the device closes with its last user.
///
/// Threads: safe from any thread.
/// Fork: in a child of fork(), whatever was made before it (devices, streams, managers, tensors,
/// pools, loaders) is dead: calls that give, wait or submit throw `unsupported`, what gives back
/// and what destroys does nothing, and its memory stays where it is. Facts (`info`, shapes, sizes)
/// can be read. The child opens the device again and makes its own. A child that is made on one of
/// Headrace's own threads (in a handler, a launch or a source's read) must not return from there:
/// it ends or runs another program.
/// Exit: this and all other handles may be static or thread-local objects.
class HEADRACE_EXPORT Device {
 public:
  /// No device; every call but the operator throws `invalid_argument`.
  Device() = default;

  /// What the device is.
  [[nodiscard]] const DeviceInfo& info() const;

  /// The open device in the API below, for code that makes objects of its own there, such as the
  /// pipelines that a launch records: a `VkDevice`, a `CUcontext`. `HandleKind::none` where there
  /// is no such thing. Life: the process's, unless the device is lost.
  [[nodiscard]] NativeHandle native_handle() const;

  /// The stream that `Stream{}` stands for: on cuda the legacy default stream.
  [[nodiscard]] Stream default_stream() const;

  /// A new stream, ordered with no other. \throws Error  `device_lost`, `out_of_memory`.
  [[nodiscard]] Stream make_stream() const;

  /// Takes part in a stream made by other code, which goes on owning it and must keep it alive
  /// while Headrace uses it; afterwards only the markers already recorded count. When the last
  /// handle goes while the stream is being captured, none can be recorded: then its owner must keep
  /// it until what was used on it has been given back to the device.
  ///
  /// \throws Error  `unsupported` when the backend has no such streams; `invalid_argument`.
  [[nodiscard]] Stream adopt_stream(NativeHandle handle) const;

  /// Makes `bytes`, host memory of the caller's such as a vector or a mapped file, memory that this
  /// device copies from directly, at the link's rate. Where it copies from any host memory, as
  /// `host` does, this costs nothing, and whether it is mapped is not looked at. No bytes are
  /// valid.
  ///
  /// Registering reads what is not in memory and keeps it there; 1 GiB in the page cache takes some
  /// 40 ms. What is locked counts against no manager's limit.
  /// Life: see HostRegistration. Threads: safe from any thread.
  /// \throws Error  `invalid_argument` when a part of it is not mapped, or registered already with
  ///                this device, or on cuda by anybody in the process; `unsupported` when the
  ///                device cannot take such memory; `out_of_memory` when no more can be locked;
  ///                `device_lost`.
  [[nodiscard]] HostRegistration register_host(std::span<const std::byte> bytes) const;

  /// The same for memory that the device may write too, as the target of `Tensor::copy_to`.
  ///
  /// \throws Error  `invalid_argument` also where `bytes` cannot be written.
  [[nodiscard]] HostRegistration register_host_writable(std::span<std::byte> bytes) const;

  /// Waits until all work of every stream of Headrace's on this device is done.
  ///
  /// \throws Error  `device_lost`; `invalid_argument`, after a wait for all other work, when
  ///                there is work on a stream that takes no markers (see CaptureScope).
  void synchronize() const;

  explicit operator bool() const noexcept { return state_ != nullptr; }
  friend bool operator==(const Device&, const Device&) = default;

 private:
  friend struct core::DeviceAccess;
  std::shared_ptr<core::DeviceState> state_;
};

/// The devices of every backend, best first: GPUs with memory of their own, then those that share
/// the host's, each by memory, then what is no GPU; `host` is always there. A card that several
/// backends reach is listed by each, in the order of HEADRACE_BACKENDS (by default alphabetical)
/// and then of `register_backend`; DeviceInfo::uuid tells that it is one.
HEADRACE_EXPORT std::vector<DeviceInfo> list_devices();

/// Opens the device named `spec`: "auto" (the first of `list_devices`), "host", "cuda:0",
/// "vulkan:1"; a backend's name alone means its device 0. Opening a device again gives the same
/// one; in a child of fork(), one of its own. The driver of a backend that `spec` does not name is
/// started only for "auto", and when no device of that name is found without it.
///
/// \throws Error  `invalid_argument` when no device has that name; the text lists those there are.
HEADRACE_EXPORT Device open_device(std::string_view spec = "auto");

}  // namespace headrace
