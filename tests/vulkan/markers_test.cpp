// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/markers.h"

#include <gtest/gtest.h>

namespace headrace::test {
namespace {

using vulkan::Marker;
using vulkan::Markers;

TEST(VulkanMarkersTest, AMarkerThatHasPassedIsNotALaterOne) {
  Markers markers;
  markers.add({.serial = 3, .value = 10});
  markers.add({.serial = 5, .value = 20});
  EXPECT_EQ(markers.pass(10, 0), 3U);
  EXPECT_FALSE(markers.find(3));
  ASSERT_TRUE(markers.find(4)) << "which no marker but the next one tells";
  EXPECT_EQ(markers.find(4)->value, 20U);
  EXPECT_EQ(markers.find(5)->value, 20U);
}

TEST(VulkanMarkersTest, AMarkerPassesWhenWhatItKeptIsDroppedAsWell) {
  Markers markers;
  markers.add({.serial = 1, .value = 10, .kept = 2});
  EXPECT_EQ(markers.pass(10, 1), 0U);
  EXPECT_TRUE(markers.find(1));
  EXPECT_EQ(markers.pass(10, 2), 1U);
  EXPECT_FALSE(markers.find(1));
}

}  // namespace
}  // namespace headrace::test
