// SPDX-License-Identifier: Apache-2.0
#include "vulkan/backend_fixture.h"

#include <array>
#include <thread>

namespace headrace::test {
namespace {

class VulkanThreadsTest : public VulkanTest {};

// Each thread's first conversion of a pair of types makes a pipeline while the others' work runs.
TEST_F(VulkanThreadsTest, ManyThreadsConvertOnStreamsOfTheirOwnStress) {
  std::vector<std::optional<Error>> errors(4);
  std::vector<int> wrong(errors.size(), 0);
  const auto work = [&](std::size_t thread) {
    constexpr std::size_t kCount = 1000;
    for (int turn = 0; turn < 40; ++turn) {
      const Block host(device_, DeviceType::cpu, kCount * 4);
      const Block gpu(device_, DeviceType::gpu, kCount * 16);
      Queue queue(device_->make_stream());
      const auto type =
          std::array{DataType::float32,
                     DataType::int32,
                     DataType::int64,
                     DataType::float16}[(thread + static_cast<std::size_t>(turn)) % 4];
      queue.submit(
          {fill(gpu.at(), 5, kCount),
           {ConvertCommand{gpu.at(), DataType::uint8, gpu.at(1024), type, kCount}, ""},
           {ConvertCommand{gpu.at(1024), type, gpu.at(12000), DataType::uint8, kCount}, ""},
           copy(gpu.at(12000), host.at(), kCount)});
      queue.finish();
      wrong[thread] += host.host<std::uint8_t>()[kCount - 1] == 5 ? 0 : 1;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < errors.size(); ++i) {
      threads.emplace_back([&, i] { errors[i] = error_of([&] { work(i); }); });
    }
  }
  EXPECT_THAT(wrong, testing::Each(0));
  for (const std::optional<Error>& error : errors) {
    EXPECT_FALSE(error) << error->what();
  }
}

}  // namespace
}  // namespace headrace::test
