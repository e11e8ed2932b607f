// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/shader.h"

#include <gmock/gmock.h>

#include <utility>
#include <vector>

// What the modules demand of a device.

namespace headrace::vulkan {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::uint32_t kPreserve = 4461;  // SignedZeroInfNanPreserve
constexpr std::uint32_t kNearest = 4462;   // RoundingModeRTE

/// The float controls of the module's entry point: mode and width.
std::vector<std::pair<std::uint32_t, std::uint32_t>> demands_of(Shader shader,
                                                                FloatControls controls) {
  const std::vector<std::uint32_t> words = words_of(shader, controls);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> demands;
  std::size_t at = 5;  // Behind the header.
  while (at < words.size() && words[at] >> 16 != 0) {
    if ((words[at] & 0xffff) == 16 && words[at + 2] >= 4459 && words[at + 2] <= 4463) {
      demands.emplace_back(words[at + 2], words[at + 3]);
    }
    at += words[at] >> 16;
  }
  EXPECT_EQ(at, words.size()) << "an instruction ends behind the module";
  return demands;
}

TEST(VulkanShaderTest, FloatControlsAreDemandedOfEachTypeThatIsComputedWith) {
  for (const Shader shader : {Shader::convert, Shader::expand, Shader::expand_bytes}) {
    EXPECT_THAT(demands_of(shader, FloatControls::none), IsEmpty());
    EXPECT_THAT(demands_of(shader, FloatControls::of_each_type),
                UnorderedElementsAre(std::pair(kPreserve, 16U),
                                     std::pair(kPreserve, 32U),
                                     std::pair(kNearest, 16U),
                                     std::pair(kNearest, 32U)));
    EXPECT_THAT(demands_of(shader, FloatControls::with_float64),
                UnorderedElementsAre(std::pair(kPreserve, 16U),
                                     std::pair(kPreserve, 32U),
                                     std::pair(kNearest, 16U),
                                     std::pair(kNearest, 32U),
                                     std::pair(kNearest, 64U)));
  }
}

TEST(VulkanShaderTest, ThoseThatOnlyMoveBytesDemandNothing) {
  for (const Shader shader : {Shader::fill, Shader::copy}) {
    EXPECT_THAT(demands_of(shader, FloatControls::with_float64), IsEmpty());
  }
}

}  // namespace
}  // namespace headrace::vulkan
