// SPDX-License-Identifier: Apache-2.0
#include "headrace/device.h"

#include "headrace/error.h"

#include "core/access.h"
#include "core/host_range.h"

namespace headrace {

namespace {
core::DeviceState& opened(const std::shared_ptr<core::DeviceState>& state) {
  if (!state) {
    throw Error(ErrorCode::invalid_argument, "This Device was never opened; see open_device.");
  }
  return *state;
}
}  // namespace

const DeviceInfo& Device::info() const {
  return opened(state_).info();
}
NativeHandle Device::native_handle() const {
  return opened(state_).backend().native_handle();
}
Stream Device::default_stream() const {
  return opened(state_).default_stream();
}
Stream Device::make_stream() const {
  return opened(state_).make_stream();
}
Stream Device::adopt_stream(NativeHandle handle) const {
  return opened(state_).adopt_stream(handle);
}
HostRegistration Device::register_host(std::span<const std::byte> bytes) const {
  opened(state_);
  auto* place = const_cast<std::byte*>(bytes.data());  // Nothing is written there.
  return core::RegistrationAccess::make(core::make_shared_here<core::HostRange>(
      state_, std::span(place, bytes.size()), HostAccess::read_only));
}
HostRegistration Device::register_host_writable(std::span<std::byte> bytes) const {
  opened(state_);
  return core::RegistrationAccess::make(
      core::make_shared_here<core::HostRange>(state_, bytes, HostAccess::read_write));
}
void Device::synchronize() const {
  if (!opened(state_).synchronize()) {
    throw Error(ErrorCode::invalid_argument,
                "Not all work of " + info().spec +
                    " could be waited for: a stream is being captured, or has a CaptureScope whose "
                    "end_capture was not called.");
  }
}

}  // namespace headrace
