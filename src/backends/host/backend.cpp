// SPDX-License-Identifier: Apache-2.0
#include "headrace/backend.h"

#include "headrace/error.h"

#include "backends/host/stream.h"

#include <cstdlib>
#include <new>
#include <unistd.h>

namespace headrace::host {

namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kGranularity = std::size_t{64} << 10;

DeviceInfo describe() {
  DeviceInfo info;
  info.spec = "host";
  info.backend = "host";
  info.name = "CPU, " + std::to_string(std::max(1U, std::thread::hardware_concurrency())) +
              " hardware threads";
  info.total_bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                     static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE));
  info.unified_memory = true;
  return info;
}

class Device final : public BackendDevice {
 public:
  [[nodiscard]] DeviceInfo info() const override { return info_; }
  [[nodiscard]] DeviceCaps caps() const override {
    return {.unified_memory = true, .alignment = kAlignment, .granularity = kGranularity};
  }

  MemoryBlock allocate(DeviceType, std::size_t size) override {
    void* memory = size > info_.total_bytes
                       ? nullptr
                       : ::operator new (size, std::align_val_t{kAlignment}, std::nothrow);
    if (memory == nullptr) {
      throw Error(ErrorCode::out_of_memory,
                  "The host has no " + std::to_string(size) + " bytes of memory left.");
    }
    return {reinterpret_cast<std::uint64_t>(memory),
            static_cast<std::byte*>(memory),
            size,
            HandleKind::pointer};
  }

  void release(const MemoryBlock& block) noexcept override {
    ::operator delete (block.host, std::align_val_t{kAlignment});
  }

  MemoryBlock register_host(std::byte* memory, std::size_t size, HostAccess) override {
    return {reinterpret_cast<std::uint64_t>(memory), memory, size, HandleKind::pointer};
  }

  std::shared_ptr<BackendStream> default_stream() override { return make_stream(); }
  std::shared_ptr<BackendStream> make_stream() override { return std::make_shared<Stream>(); }

 private:
  const DeviceInfo info_ = describe();
};

class Host final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "host"; }
  std::vector<DeviceInfo> devices() override { return {describe()}; }
  std::shared_ptr<BackendDevice> open(int) override { return std::make_shared<Device>(); }
};

}  // namespace

std::unique_ptr<Backend> make_backend() {
  return std::make_unique<Host>();
}

}  // namespace headrace::host
