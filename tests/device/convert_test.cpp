// SPDX-License-Identifier: Apache-2.0
#include "support/device_fixture.h"
#include "support/edge_values.h"
#include "support/tensor_bytes.h"

#include <cstring>
#include <map>

namespace headrace::test {
namespace {

using Bits = std::vector<std::uint64_t>;

/// Calls `function` with a value of the C++ type of `dtype`.
template <class Function>
auto with_type(DataType dtype, Function function) {
  switch (dtype) {
    case DataType::float32:
      return function(float{});
    case DataType::int32:
      return function(std::int32_t{});
    case DataType::float16:
      return function(float16{});
    case DataType::int8:
      return function(std::int8_t{});
    case DataType::bfloat16:
      return function(bfloat16{});
    case DataType::float64:
      return function(double{});
    case DataType::int64:
      return function(std::int64_t{});
    case DataType::int16:
      return function(std::int16_t{});
    case DataType::uint8:
      return function(std::uint8_t{});
    case DataType::uint16:
      return function(std::uint16_t{});
    case DataType::uint32:
      return function(std::uint32_t{});
    case DataType::uint64:
      return function(std::uint64_t{});
    case DataType::boolean:
      return function(bool{});
    case DataType::float8_e4m3:
      return function(float8_e4m3{});
    default:
      return function(float8_e5m2{});
  }
}

/// Sets `tensor`'s elements to the encodings `bits`.
void write_bits(Tensor& tensor, const Bits& bits) {
  with_type(tensor.dtype(), [&]<class T>(T) {
    const auto values = std::make_unique<T[]>(bits.size());
    for (std::size_t i = 0; i < bits.size(); ++i) {
      std::memcpy(static_cast<void*>(&values[i]), &bits[i], sizeof(T));
    }
    tensor.copy_from(std::span(values.get(), bits.size()));
  });
}

Bits read_bits(const Tensor& tensor) {
  if (tensor.dtype() == DataType::boolean) {
    return read_bits(tensor.convert_to(DataType::uint8));
  }
  return with_type(tensor.dtype(), [&]<class T>(T) {
    Bits bits;
    using Read = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    for (const Read value : tensor.to_vector<Read>()) {
      bits.push_back(0);
      std::memcpy(&bits.back(), &value, sizeof(T));
    }
    return bits;
  });
}

/// Elements of `dtype` worth trying: limits, special values, ties, and random ones.
Bits sample_of(DataType dtype) {
  if (dtype == DataType::boolean) {
    return {0, 1, 1, 0, 1};
  }
  Bits bits;
  if (is_floating_point(dtype)) {
    reference::append_specials(dtype, bits);
  }
  for (const std::int32_t number :
       {0,   1,    2,     3,     5,     127,   128,   255,   256,   448,
        465, 2049, 32767, 32768, 57344, 65504, 65520, 65535, 65536, 16777217}) {
    reference::append_around(
        dtype, {reference::Kind::number, false, static_cast<std::uint64_t>(number), 0}, bits);
  }
  for (const int exponent : {-30, -25, -17, -16, -10, -9, -1, 30, 31, 62, 63, 127}) {
    reference::append_around(dtype, {reference::Kind::number, false, 3, exponent}, bits);
  }
  reference::append_random(dtype, 60, bits);
  for (std::uint64_t& element : bits) {
    element &= ~std::uint64_t{0} >> (64 - 8 * size_of(dtype));
  }
  return bits;
}

Tensor tensor_of_bits(const MemoryManager& manager, DataType dtype, const Bits& bits) {
  Tensor tensor(manager, {static_cast<std::int64_t>(bits.size())}, dtype);
  write_bits(tensor, bits);
  return tensor;
}

class ConvertTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(ConvertTest);

TEST_P(ConvertTest, EveryPairGivesTheBitsOfHostAndOfTheRules) {
  const MemoryManager host(open_device("host"));
  for (const DataType from : kAllDataTypes) {
    const Bits bits = sample_of(from);
    const Tensor here = tensor_of_bits(manager_, from, bits);
    const Tensor there = tensor_of_bits(host, from, bits);
    for (const DataType to : kAllDataTypes) {
      SCOPED_TRACE(std::string(to_string(from)) + " to " + std::string(to_string(to)));
      Bits expected;
      for (const std::uint64_t element : bits) {
        expected.push_back(reference::convert(from, element, to));
      }
      const Bits result = read_bits(here.convert_to(to));
      EXPECT_EQ(result, expected);
      EXPECT_EQ(result, read_bits(there.convert_to(to)));
    }
  }
}

TEST_P(ConvertTest, EveryPairInACommandBufferAtEveryOffset) {
  CommandBufferPool pool(device_.default_stream(), 1);
  for (const DataType from : kAllDataTypes) {
    const Bits bits = sample_of(from);
    const auto count = static_cast<std::int64_t>(bits.size());
    const Tensor source = tensor_of_bits(manager_, from, bits);
    for (const DataType to : kAllDataTypes) {
      SCOPED_TRACE(std::string(to_string(from)) + " to " + std::string(to_string(to)));
      const std::int64_t begin = 1 + static_cast<std::int64_t>(to) % 3;
      const std::int64_t place = 1 + static_cast<std::int64_t>(from) % 4;
      Bits expected(bits.size() + 8, 1);
      Tensor target = tensor_of_bits(manager_, to, expected);
      CommandBuffer commands = pool.get_buffer();
      commands.convert(source.slice(begin, count), target.slice(place, place + count - begin));
      pool.execute_async(std::move(commands)).wait();
      for (std::int64_t i = begin; i < count; ++i) {
        expected[place + i - begin] = reference::convert(from, bits[i], to);
      }
      EXPECT_EQ(read_bits(target), expected);  // and nothing beside it
    }
  }
}

TEST_P(ConvertTest, EveryPairOfManyElementsAtOddPlaces) {
  const MemoryManager host(open_device("host"));
  const std::int64_t count = 20'011;  // no multiple of anything
  for (const DataType from : kAllDataTypes) {
    const Tensor here = random_tensor(manager_, {count}, from);
    const Tensor there = random_tensor(host, {count}, from);
    for (const DataType to : kAllDataTypes) {
      SCOPED_TRACE(std::string(to_string(from)) + " to " + std::string(to_string(to)));
      for (const std::int64_t begin : {0, 1, 8}) {
        EXPECT_EQ(bytes_of(here.slice(begin, count).convert_to(to)),
                  bytes_of(there.slice(begin, count).convert_to(to)));
      }
    }
  }
}

TEST_P(ConvertTest, OfASliceConvertsItsRowsOnly) {
  const Tensor tensor = tensor_of(sequence<std::uint8_t>(100)).reshape({20, 5});
  for (const std::int64_t begin : {0, 1, 3, 7}) {
    const Tensor converted = tensor.slice(begin, 13).convert_to(DataType::float32);
    EXPECT_EQ(converted.shape(), (Shape{13 - begin, 5}));
    EXPECT_EQ(
        converted.to_vector<float>(),
        sequence<float>(static_cast<std::size_t>(13 - begin) * 5, static_cast<float>(begin * 5)));
  }
}

TEST_P(ConvertTest, TheSameTypeShares) {
  const Tensor tensor = tensor_of(sequence<float>(10));
  const Tensor same = tensor.convert_to(DataType::float32);
  EXPECT_EQ(same.native_handle(), tensor.native_handle());
  EXPECT_EQ(tensor.ref_count(), 2);
  EXPECT_EQ(tensor.slice(2, 5).convert_to(DataType::float32).to_vector<float>(),
            sequence<float>(3, 2));
}

TEST_P(ConvertTest, KeepsShapeAndKindOfMemory) {
  for (const DeviceType kind : {DeviceType::cpu, DeviceType::gpu, DeviceType::persistent_gpu}) {
    const Tensor converted =
        tensor_of(sequence<float>(6), kind).reshape({1, 2, 3}).convert_to(DataType::int64);
    EXPECT_EQ(converted.shape(), (Shape{1, 2, 3}));
    EXPECT_EQ(converted.device_type(), kind);
    EXPECT_EQ(converted.to_vector<std::int64_t>(), sequence<std::int64_t>(6));
  }
}

TEST_P(ConvertTest, OfManyElements) {
  const std::size_t count = 300'001;  // no multiple of anything
  const Tensor tensor = tensor_of(sequence<std::int32_t>(count));
  EXPECT_EQ(tensor.convert_to(DataType::float64).to_vector<double>(), sequence<double>(count));
}

TEST_P(ConvertTest, ToBooleanAndBackIsZeroAndOne) {
  const Tensor truth =
      tensor_of(
          std::vector<float>{0, -0.0F, 1, 300, -2, 1e-40F, std::numeric_limits<float>::quiet_NaN()})
          .convert_to(DataType::boolean);
  EXPECT_EQ(truth.convert_to(DataType::int32).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{0, 0, 1, 1, 1, 1, 1}));
}

TEST_P(ConvertTest, FillConvertsItsValueAsTheRulesSay) {
  CommandBufferPool pool(device_.default_stream(), 1);
  const std::vector<double> values{
      0, 1, -1, 2.5, 300, 1e10, -1e30, std::numeric_limits<double>::quiet_NaN()};
  for (const DataType dtype : kAllDataTypes) {
    for (const double value : values) {
      SCOPED_TRACE(std::string(to_string(dtype)) + " " + std::to_string(value));
      std::uint64_t bits = 0;
      std::memcpy(&bits, &value, sizeof(value));
      const Tensor tensor = tensor_of_bits(manager_, dtype, Bits(9, 1));
      CommandBuffer commands = pool.get_buffer();
      commands.fill(tensor.slice(1, 8), value);
      pool.execute_async(std::move(commands)).wait();
      Bits expected(9, reference::convert(DataType::float64, bits, dtype));
      expected.front() = expected.back() = 1;
      EXPECT_EQ(read_bits(tensor), expected);
    }
  }
}

}  // namespace
}  // namespace headrace::test
