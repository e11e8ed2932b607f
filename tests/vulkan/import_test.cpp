// SPDX-License-Identifier: Apache-2.0
#include "vulkan/backend_fixture.h"

#include <cstring>
#include <numeric>

// Memory of the caller's, in place.

namespace headrace::test {
namespace {

class VulkanImportTest : public VulkanTest {};

TEST_F(VulkanImportTest, ARangeThatBeginsInsideAPageIsCopiedFromItsOwnBeginning) {
  open_with("HEADRACE_VULKAN_LAYER_HIDE", "none");
  std::vector<std::uint8_t> values(10000);
  std::iota(values.begin(), values.end(), std::uint8_t{0});
  const MemoryBlock imported = device_->register_host(
      reinterpret_cast<std::byte*>(values.data()) + 123, 5000, HostAccess::read_write);
  {
    const auto gpu = block(5000);
    const auto host = block(5000, DeviceType::cpu);
    Queue queue = this->queue();
    queue.submit({copy({imported.handle, 7, imported.host + 7}, gpu->at(), 4000),
                  copy(gpu->at(), host->at(), 4000)});
    queue.finish();
    EXPECT_EQ(std::memcmp(host->host<std::uint8_t>(), values.data() + 130, 4000), 0);
  }
  device_->unregister_host(imported);
}

TEST_F(VulkanImportTest, ADeviceThatImportsNothingSaysSo) {
  std::vector<std::byte> values(10000);
  const std::optional<Error> error =
      error_of([&] { device_->register_host(values.data(), 5000, HostAccess::read_write); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::unsupported);
  EXPECT_THAT(error->what(), testing::HasSubstr("vulkan:0"));
}

}  // namespace
}  // namespace headrace::test
