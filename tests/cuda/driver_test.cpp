// SPDX-License-Identifier: Apache-2.0
#include "headrace/headrace.h"

#include "cuda/backend_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace headrace::test {
namespace {

TEST(CudaDriverTest, HasTwoDevicesByIndex) {
  std::vector<DeviceInfo> cuda = list_devices();
  std::erase_if(cuda, [](const DeviceInfo& info) { return info.backend != "cuda"; });
  ASSERT_EQ(cuda.size(), 2U);
  for (int index = 0; index < 2; ++index) {
    const DeviceInfo& info = cuda[static_cast<std::size_t>(index)];
    EXPECT_EQ(info.spec, "cuda:" + std::to_string(index));
    EXPECT_EQ(info.index, index);
    EXPECT_EQ(info.name, "Fake GPU " + std::to_string(index));
    EXPECT_TRUE(info.is_gpu);
    EXPECT_EQ(info.uuid, "00112233445566778899aabbccddee0" + std::to_string(index));
    EXPECT_EQ(cuda::make_backend()->open(index)->info().index, index);
  }
}

/// A backend that reaches the first CUDA device too, and calls its memory a little larger.
class GeneralBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const override { return "a_general"; }
  std::vector<DeviceInfo> devices() override {
    DeviceInfo info = cuda::make_backend()->devices().at(0);
    info.spec = "a_general:0";
    ++info.total_bytes;
    return {info};
  }
  std::shared_ptr<BackendDevice> open(int) override { return nullptr; }
};

// In a process of its own, for nothing takes the backend away again.
TEST(CudaDriverDeathTest, AutoIsTheCudaDeviceThoughAnotherBackendReachesItsCard) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto list = [] {
    register_backend(std::make_unique<GeneralBackend>());
    std::string specs;
    for (const DeviceInfo& info : list_devices()) {
      specs += info.backend == "vulkan" ? "" : info.spec + " ";  // Whatever this machine has.
    }
    std::fputs((specs + "auto: " + open_device("auto").info().spec).c_str(), stderr);
    std::_Exit(0);
  };
  EXPECT_EXIT(list(), testing::ExitedWithCode(0), "^cuda:0 a_general:0 cuda:1 host auto: cuda:0$");
}

// The driver does not work across a fork.
TEST(CudaDriverTest, AChildHasNoDevices) {
  const auto count = [] {
    return std::ranges::count(list_devices(), "cuda", &DeviceInfo::backend);
  };
  ASSERT_EQ(count(), 2);
  const pid_t child = fork();
  if (child == 0) {
    std::_Exit(static_cast<int>(count()));
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "devices in the child";
}

/// Devices of the backend's in a process whose driver is `changed` before it is looked for.
int devices_when(const std::function<void(const fake_cuda::Control&)>& change) {
  dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  change(*fake_cuda::control());
  return static_cast<int>(std::ranges::count(list_devices(), "cuda", &DeviceInfo::backend));
}

// Each in a process of its own: a driver is looked for once.
TEST(CudaDriverDeathTest, WithoutACallOrACuInitThatWorksThereIsNoDevice) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto exit_code = [](int code) { return testing::ExitedWithCode(code); };
  EXPECT_EXIT(std::_Exit(devices_when([](const auto&) {})), exit_code(2), "");
  EXPECT_EXIT(
      std::_Exit(devices_when([](const auto& driver) { driver.hide("cuGraphExecUpdate"); })),
      exit_code(0),
      "");
  EXPECT_EXIT(std::_Exit(devices_when([](const auto& driver) { driver.fail("cuInit", 1, 999); })),
              exit_code(0),
              "");
  EXPECT_EXIT(
      std::_Exit(devices_when([](const auto& driver) { driver.fail("cuDeviceGetCount", 1, 3); })),
      exit_code(0),
      "");
  EXPECT_EXIT(
      std::_Exit(devices_when([](const auto& driver) { driver.fail("cuDeviceGetName", 1, 3); })),
      exit_code(1),
      "");
}

TEST(CudaDriverDeathTest, AGpuWithoutAUuidIsListed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      std::_Exit(devices_when([](const auto& driver) { driver.fail("cuDeviceGetUuid", 1, 801); })),
      testing::ExitedWithCode(2),
      "");
}

// There are no kernels for it; nobody asks for a context of it.
TEST(CudaDriverDeathTest, AGpuThatIsTooOldIsNotListed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto count_of = [](int major, int minor) {
    return devices_when(
        [major, minor](const auto& driver) { driver.set_capability(0, major, minor); });
  };
  const auto exit_code = [](int code) { return testing::ExitedWithCode(code); };
  EXPECT_EXIT(std::_Exit(count_of(6, 1)), exit_code(1), "");
  EXPECT_EXIT(std::_Exit(count_of(7, 0)), exit_code(1), "");
  EXPECT_EXIT(std::_Exit(count_of(7, 5)), exit_code(2), "");
  EXPECT_EXIT(std::_Exit(count_of(12, 0)), exit_code(2), "");
}

}  // namespace
}  // namespace headrace::test
