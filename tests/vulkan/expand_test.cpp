// SPDX-License-Identifier: Apache-2.0
#include "kernels/expand.h"

#include "vulkan/backend_fixture.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

// Expansions at any place: in parts, planes begin anywhere.

namespace headrace::test {
namespace {

class VulkanExpandTest : public VulkanTest {
 protected:
  void expect_bits_of_host_at_every_place() const;
};

constexpr std::size_t kRoom = 4096;

/// What is expanded.
struct Case {
  kernels::ExpandShape shape;
  bool has_coefficients;

  [[nodiscard]] std::shared_ptr<const ExpandSpec> spec() const {
    auto spec = std::make_shared<ExpandSpec>();
    spec->from = shape.from;
    spec->to = shape.to;
    spec->height = shape.height;
    spec->width = shape.width;
    spec->channels = shape.channels;
    spec->to_planar = shape.to_planar;
    if (has_coefficients) {
      spec->scale.assign(static_cast<std::size_t>(shape.channels), 0.25F);
      spec->bias.assign(static_cast<std::size_t>(shape.channels), -1.5F);
    }
    return spec;
  }
};

void VulkanExpandTest::expect_bits_of_host_at_every_place() const {
  const Block source(device_, DeviceType::cpu, kRoom);
  const Block target(device_, DeviceType::cpu, kRoom);
  auto* const from = source.host<std::byte>();
  auto* const to = target.host<std::byte>();
  for (std::size_t i = 0; i < kRoom; ++i) {
    from[i] = static_cast<std::byte>(i * 37 % 113);
  }
  const Case cases[] = {
      {{3, 5, 7, 3, true, DataType::uint8, DataType::uint8}, false},
      {{3, 5, 7, 3, true, DataType::uint8, DataType::float16}, true},
      {{3, 5, 7, 3, true, DataType::uint16, DataType::float16}, true},
      {{3, 5, 7, 3, false, DataType::uint16, DataType::float16}, true},
      {{2, 5, 7, 2, true, DataType::int32, DataType::float64}, true},
  };
  Queue queue = this->queue();
  for (const Case& one : cases) {
    const std::shared_ptr<const ExpandSpec> spec = one.spec();
    for (std::size_t place = 0; place < 64; ++place) {
      SCOPED_TRACE(testing::Message() << to_string(spec->from) << " to " << to_string(spec->to)
                                      << ", place " << place);
      const std::size_t read_at = place % 8;
      const std::size_t write_at = place / 8;
      std::vector<std::byte> expected(kRoom, std::byte{0xaa});
      kernels::expand(
          from + read_at, expected.data() + write_at, one.shape, spec->scale, spec->bias);
      std::fill_n(to, kRoom, std::byte{0xaa});
      queue.submit(
          {{ExpandCommand{source.at(read_at), target.at(write_at), one.shape.samples, spec},
            "expand"}});
      queue.finish();
      ASSERT_EQ(std::vector<std::byte>(to, to + kRoom), expected);
    }
  }
}

TEST_F(VulkanExpandTest, GivesTheBitsOfHostAtEveryPlaceAndTouchesNothingBeside) {
  expect_bits_of_host_at_every_place();
}

TEST_F(VulkanExpandTest, DoesSoWithFloatControls) {
  open_with("HEADRACE_VULKAN_LAYER_HIDE", "none");
  count_what_is_kept();
  expect_bits_of_host_at_every_place();
}

}  // namespace
}  // namespace headrace::test
