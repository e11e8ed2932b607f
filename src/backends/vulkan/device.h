// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/backend.h"

#include "backends/vulkan/context.h"

#include <cstddef>
#include <memory>
#include <utility>

namespace headrace::vulkan {

/// One GPU: its memory and its streams.
class Device final : public BackendDevice {
 public:
  explicit Device(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  [[nodiscard]] DeviceInfo info() const override { return context_->facts().info; }
  [[nodiscard]] DeviceCaps caps() const override;
  [[nodiscard]] NativeHandle native_handle() const override {
    return {HandleKind::device, reinterpret_cast<std::uint64_t>(context_->device()), 0};
  }
  MemoryBlock allocate(DeviceType device_type, std::size_t size) override {
    return context_->memory().allocate(device_type, size);
  }
  void release(const MemoryBlock& block) noexcept override { context_->memory().release(block); }
  MemoryBlock register_host(std::byte* memory, std::size_t size, HostAccess /*access*/) override {
    return context_->memory().import(memory, size);
  }
  void unregister_host(const MemoryBlock& block) noexcept override {
    context_->memory().release(block);
  }
  std::shared_ptr<BackendStream> default_stream() override { return make_stream(); }
  std::shared_ptr<BackendStream> make_stream() override;

 private:
  const std::shared_ptr<Context> context_;
};

}  // namespace headrace::vulkan
