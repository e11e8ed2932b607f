// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"

namespace headrace::test {
namespace {

class CopyTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(CopyTest);

TEST_P(CopyTest, BetweenEveryPairOfKindsOfMemory) {
  for (const DeviceType from : {DeviceType::cpu, DeviceType::gpu, DeviceType::persistent_gpu}) {
    for (const DeviceType to : {DeviceType::cpu, DeviceType::gpu, DeviceType::persistent_gpu}) {
      const std::vector<std::int32_t> values = sequence<std::int32_t>(5000, 11);
      const Tensor source = tensor_of(values, from);
      Tensor target(manager_, {5000}, DataType::int32, to);
      target.copy_from(source);
      EXPECT_EQ(target.to_vector<std::int32_t>(), values)
          << to_string(from) << " to " << to_string(to);
    }
  }
}

TEST_P(CopyTest, BetweenSlicesLeavesTheirNeighboursAlone) {
  const Tensor source = tensor_of(sequence<std::uint8_t>(100));
  Tensor target = tensor_of(std::vector<std::uint8_t>(100, 200));
  for (const std::int64_t begin : {0, 1, 3, 7, 31}) {
    for (const std::int64_t count : {1, 2, 5, 16, 33}) {
      target.copy_from(std::vector<std::uint8_t>(100, 200));
      target.slice(begin + 1, begin + 1 + count).copy_from(source.slice(begin, begin + count));
      std::vector<std::uint8_t> expected(100, 200);
      for (std::int64_t i = 0; i < count; ++i) {
        expected[begin + 1 + i] = static_cast<std::uint8_t>(begin + i);
      }
      EXPECT_EQ(target.to_vector<std::uint8_t>(), expected) << begin << ", " << count;
    }
  }
}

TEST_P(CopyTest, WithinOneStorage) {
  const Tensor tensor = tensor_of(sequence<std::int16_t>(100));
  tensor.slice(50, 100).copy_from(tensor.slice(0, 50));
  std::vector<std::int16_t> expected = sequence<std::int16_t>(50);
  expected.insert(expected.end(), expected.begin(), expected.begin() + 50);
  EXPECT_EQ(tensor.to_vector<std::int16_t>(), expected);
}

// A backend is promised that the places of a copy do not overlap. Whether the library refuses or
// goes through other memory, the elements are never a mixture.
TEST_P(CopyTest, OfOverlappingRowsIsRefusedOrRight) {
  const Tensor tensor = tensor_of(sequence<std::int32_t>(1000));
  const std::optional<ErrorCode> refused =
      code_of([&] { tensor.slice(1, 1000).copy_from(tensor.slice(0, 999)); });
  std::vector<std::int32_t> expected = sequence<std::int32_t>(1000);
  if (refused) {
    EXPECT_EQ(refused, ErrorCode::invalid_argument);
  } else {
    std::copy_backward(expected.begin(), expected.end() - 1, expected.end());
  }
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), expected);
}

TEST_P(CopyTest, OntoItselfChangesNothing) {
  Tensor tensor = tensor_of(sequence<std::int32_t>(1000));
  const std::optional<ErrorCode> refused = code_of([&] { tensor.copy_from(tensor.clone()); });
  EXPECT_TRUE(!refused || refused == ErrorCode::invalid_argument);
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), sequence<std::int32_t>(1000));
}

TEST_P(CopyTest, BetweenTwoDevices) {
  MockDeviceConfig config;
  config.random_order = true;
  const MockDevice other(config);
  const MemoryManager manager(other.device());
  Tensor there(manager, {300}, DataType::float32);
  Tensor back(manager_, {300}, DataType::float32);
  there.copy_from(tensor_of(sequence<float>(300, 3)));
  EXPECT_EQ(there.to_vector<float>(), sequence<float>(300, 3));
  there.copy_from(sequence<float>(300, 4));
  back.copy_from(there);
  EXPECT_EQ(back.to_vector<float>(), sequence<float>(300, 4));
}

// What the library itself needs for a moment is not the user's to plan for.
TEST_P(CopyTest, ToAndFromTheHostWorkWhenTheManagerIsFull) {
  const MemoryManager manager = make_manager({.byte_limit = 4096, .pressure_callback = {}});
  Tensor tensor(manager, {1024}, DataType::int32);
  EXPECT_EQ(code_of([&] { tensor.copy_from(sequence<std::int32_t>(1024)); }), std::nullopt);
  std::vector<std::int32_t> seen;
  EXPECT_EQ(code_of([&] { seen = tensor.to_vector<std::int32_t>(); }), std::nullopt);
  EXPECT_EQ(seen, sequence<std::int32_t>(1024));
}

TEST_P(CopyTest, OfManyMebibytes) {
  const std::vector<std::int32_t> values = sequence<std::int32_t>(3'000'001);
  const Tensor tensor = tensor_of(values);
  EXPECT_EQ(tensor.deep_copy().to_vector<std::int32_t>(), values);
}

}  // namespace
}  // namespace headrace::test
