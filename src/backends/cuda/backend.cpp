// SPDX-License-Identifier: Apache-2.0
#include "headrace/backend.h"

#include "headrace/error.h"

#include "backends/cuda/device.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace headrace::cuda {

namespace {

/// Whether there are kernels for it: of compute capability 7.5 or later.
bool has_kernels(const Driver& driver, CUdevice device) {
  int major = 0;
  int minor = 0;
  return driver.cuDeviceGetAttribute(
             &major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device) == CUDA_SUCCESS &&
         driver.cuDeviceGetAttribute(
             &minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device) == CUDA_SUCCESS &&
         std::pair(major, minor) >= std::pair(7, 5);
}

/// As DeviceInfo has it; empty when the driver tells none.
std::string uuid_of(const Driver& driver, CUdevice device) {
  CUuuid uuid{};
  if (driver.cuDeviceGetUuid(&uuid, device) != CUDA_SUCCESS) {
    return {};
  }
  std::string text;
  for (const char byte : uuid.bytes) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return text;
}

/// What the driver says of device `index`; nothing when it cannot be used.
std::optional<DeviceInfo> describe(const Driver& driver, int index) {
  CUdevice device = 0;
  std::array<char, 256> name{};
  std::size_t bytes = 0;
  if (driver.cuDeviceGet(&device, index) != CUDA_SUCCESS ||
      driver.cuDeviceGetName(name.data(), static_cast<int>(name.size()), device) != CUDA_SUCCESS ||
      driver.cuDeviceTotalMem(&bytes, device) != CUDA_SUCCESS || !has_kernels(driver, device)) {
    return std::nullopt;
  }
  DeviceInfo info;
  info.spec = "cuda:" + std::to_string(index);
  info.backend = "cuda";
  info.name = name.data();
  info.index = index;
  info.total_bytes = bytes;
  info.is_gpu = true;
  info.uuid = uuid_of(driver, device);
  return info;
}

class Cuda final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "cuda"; }

  std::vector<DeviceInfo> devices() override {
    const Driver* driver = Driver::find();
    int count = 0;
    if (driver == nullptr || driver->cuDeviceGetCount(&count) != CUDA_SUCCESS) {
      return {};
    }
    std::vector<DeviceInfo> all;
    for (int index = 0; index < count; ++index) {
      if (std::optional<DeviceInfo> info = describe(*driver, index)) {
        all.push_back(*std::move(info));
      }
    }
    return all;
  }

  /// The contexts stay for the life of the process, as the driver's runtime keeps them: making one
  /// takes a fifth of a second. One that is lost and has no user left is given up for a new one.
  std::shared_ptr<BackendDevice> open(int index) override {
    std::shared_ptr<Context>& context = contexts_[index];
    if (context && context->is_lost() && context.use_count() == 1) {
      context.reset();
    }
    if (!context) {
      const Driver& driver = *Driver::find();
      CUdevice device = 0;
      const std::optional<DeviceInfo> info = describe(driver, index);
      if (!info || driver.cuDeviceGet(&device, index) != CUDA_SUCCESS) {
        throw Error(ErrorCode::device_lost, "cuda:" + std::to_string(index) + " is gone.");
      }
      context = std::make_shared<Context>(driver, device, *info);
    }
    return std::make_shared<Device>(context);
  }

 private:
  std::map<int, std::shared_ptr<Context>> contexts_;
};

}  // namespace

std::unique_ptr<Backend> make_backend() {
  return std::make_unique<Cuda>();
}

}  // namespace headrace::cuda
