// SPDX-License-Identifier: Apache-2.0
/// \file
/// Host memory of the caller's, registered with a device, and the direct copies between it and
/// tensors. Design: docs/design/018-host-ranges.md.
#pragma once

#include "headrace/host_registration.h"
#include "headrace/tensor.h"

#include "core/block.h"
#include "core/process.h"

#include <cstddef>
#include <memory>
#include <span>

namespace headrace::core {

class DeviceState;

/// What a HostRegistration stands for: a block of no pool, which knows the copies that use it.
///
/// Threads: safe from any thread, but for its end.
class HostRange {
 public:
  /// \throws Error  as `Device::register_host`.
  HostRange(std::shared_ptr<DeviceState> device, std::span<std::byte> memory, HostAccess access);
  HostRange(const HostRange&) = delete;
  HostRange& operator=(const HostRange&) = delete;
  /// Waits for the copies.
  ~HostRange();

  [[nodiscard]] std::span<std::byte> memory() const noexcept {
    return {block_.memory().host, block_.memory().size};
  }
  [[nodiscard]] HostAccess access() const noexcept { return access_; }
  [[nodiscard]] Block& block() noexcept { return block_; }

  /// \throws Error  `invalid_argument` unless `tensor`, which is not empty, is of this device and
  ///                as many bytes as it has are at `offset`; `call` is for the text.
  void require_fits(const Tensor& tensor, std::size_t offset, const char* call) const;
  /// \throws Error  `invalid_argument` when the device may only read it.
  void require_writable(const char* call) const;
  void require_current() const { process_.require_current("The registration"); }

 private:
  const ProcessStamp process_;
  const std::shared_ptr<DeviceState> device_;
  const HostAccess access_;
  Block block_;
};

/// What `registration` stands for. \throws Error  `invalid_argument` when it is empty; `call` is
/// for the text.
HostRange& range_of(const HostRegistration& registration, const char* call);

/// Submits a copy of as many bytes as `target` holds, which are at `offset` of `source`.
/// \returns Where its failure is told.
std::shared_ptr<Outcome> submit_from_range(StreamState& stream,
                                           HostRange& source,
                                           std::size_t offset,
                                           const Tensor& target);

/// The same on the device's default stream. Waits: until it is done.
///
/// \throws Error  `invalid_argument` when that stream takes no markers; nothing is changed.
void copy_from_range(const Tensor& target, HostRange& source, std::size_t offset);

/// Copies `source`'s elements to `offset` of `target`. Waits: until they are there.
///
/// Throws what the last write of `source` failed with; the bytes may then be written in part.
void copy_to_range(const Tensor& source, HostRange& target, std::size_t offset);

}  // namespace headrace::core
