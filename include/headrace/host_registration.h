// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"
#include "headrace/export.h"

#include <cstddef>
#include <memory>
#include <span>

namespace headrace {

namespace core {
class HostRange;
struct RegistrationAccess;
}  // namespace core

/// Host memory of the caller's that one device copies from, or to, directly: page-locked where the
/// device needs that. `Device::register_host` makes one.
///
/// Move-only. Ends what it began when it is destroyed, reset or assigned to; that waits for the
/// copies that use the memory, and the memory is then the caller's alone again.
/// Life: the memory must stay where it is and mapped until then; the device stays open.
/// Threads: copies from any thread at any time; it is moved and ended by one.
class HEADRACE_EXPORT HostRegistration {
 public:
  /// No memory; every copy that is given it throws `invalid_argument`.
  HostRegistration() = default;
  HostRegistration(HostRegistration&&) noexcept = default;
  /// Ends what this held.
  HostRegistration& operator=(HostRegistration&&) noexcept = default;
  HostRegistration(const HostRegistration&) = delete;
  HostRegistration& operator=(const HostRegistration&) = delete;
  /// Waits: until the copies that use the memory are done. When the device cannot say so, which is
  /// logged, they may still run; a lost device runs none.
  ~HostRegistration() = default;

  /// The memory; empty when this is.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept;

  /// What the device may do with it; `read_only` when this is empty.
  [[nodiscard]] HostAccess access() const noexcept;

  /// Ends it now; afterwards this is empty. Waits: as the destructor.
  void reset() noexcept { range_.reset(); }

  /// False when default-made, moved from or reset; true also for a range of no bytes.
  explicit operator bool() const noexcept { return range_ != nullptr; }

 private:
  friend struct core::RegistrationAccess;
  std::shared_ptr<core::HostRange> range_;
};

}  // namespace headrace
