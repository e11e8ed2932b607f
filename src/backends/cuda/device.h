// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/cuda/context.h"

#include <cstddef>
#include <memory>
#include <span>

namespace headrace::cuda {

/// One GPU: its memory and its streams.
class Device final : public BackendDevice {
 public:
  explicit Device(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  [[nodiscard]] DeviceInfo info() const override { return context_->info(); }
  [[nodiscard]] DeviceCaps caps() const override;
  [[nodiscard]] NativeHandle native_handle() const override {
    return {HandleKind::device, reinterpret_cast<std::uint64_t>(context_->handle()), 0};
  }
  MemoryBlock allocate(DeviceType device_type, std::size_t size) override;
  void release(const MemoryBlock& block) noexcept override;
  MemoryBlock register_host(std::byte* memory, std::size_t size, HostAccess access) override;
  void unregister_host(const MemoryBlock& block) noexcept override;
  [[nodiscard]] SubAllocationObserver* sub_allocation_observer() override {
    return context_->nvtx_memory();
  }
  std::shared_ptr<BackendStream> default_stream() override;
  std::shared_ptr<BackendStream> make_stream() override;
  std::shared_ptr<BackendStream> adopt_stream(NativeHandle handle) override;
  /// Any of this backend's: the driver has events and copies between all of them.
  [[nodiscard]] bool reaches(const BackendDevice& other) const override;

  [[nodiscard]] const std::shared_ptr<Context>& context() const noexcept { return context_; }

 private:
  [[noreturn]] void fail_to_allocate(CUresult result, DeviceType device_type, std::size_t size);
  [[noreturn]] void fail_to_register(CUresult result, std::span<const std::byte> memory);

  const std::shared_ptr<Context> context_;
};

}  // namespace headrace::cuda
