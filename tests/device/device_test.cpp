// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

// What an open device says of itself.

namespace headrace::test {
namespace {

class OpenDeviceTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(OpenDeviceTest);

TEST_P(OpenDeviceTest, TheApisOwnDeviceIsTheSameForEveryHandle) {
  const bool has_api = GetParam() == "cuda" || GetParam() == "vulkan";
  const NativeHandle handle = device_.native_handle();
  EXPECT_EQ(handle.kind, has_api ? HandleKind::device : HandleKind::none);
  EXPECT_EQ(handle.value != 0, has_api);
  if (mock_ == nullptr) {
    EXPECT_EQ(open_device(device_.info().spec).native_handle(), handle);
  }
  EXPECT_EQ(code_of([] { static_cast<void>(Device().native_handle()); }),
            ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace headrace::test
