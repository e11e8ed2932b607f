// SPDX-License-Identifier: Apache-2.0
#include "headrace/headrace.h"

#include "fake_cuda/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

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
    EXPECT_EQ(open_device(info.spec).info().index, index);
  }
}

}  // namespace
}  // namespace headrace::test
