// SPDX-License-Identifier: Apache-2.0
#include "headrace/fmt.h"

#include "support/device_fixture.h"

#include <array>
#include <limits>
#include <span>

namespace headrace::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TensorTest : public DeviceTest {};
HEADRACE_ON_EVERY_DEVICE(TensorTest);

TEST_P(TensorTest, DefaultMadeIsEmpty) {
  Tensor tensor;
  EXPECT_FALSE(tensor);
  EXPECT_EQ(tensor.ref_count(), 0);
  EXPECT_EQ(tensor.size_bytes(), 0U);
  EXPECT_EQ(tensor.shape(), Shape{0});
  EXPECT_EQ(tensor.native_handle().kind, HandleKind::none);
  EXPECT_EQ(tensor.to_string(), "Tensor (empty)");
  EXPECT_FALSE(tensor.clone());
  EXPECT_FALSE(tensor.deep_copy());
  const std::vector<float> values{1};
  EXPECT_EQ(code_of([&] { tensor.copy_from(values); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.to_vector<float>()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.convert_to(DataType::int8)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.reshape(Shape{0})); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.slice(0, 0)); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.record_use(device_.default_stream()); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.wait_on(device_.default_stream()); }),
            ErrorCode::invalid_argument);
}

TEST_P(TensorTest, KnowsWhatItIs) {
  const Tensor tensor(manager_, {2, 3}, DataType::float16, DeviceType::persistent_gpu);
  EXPECT_TRUE(tensor);
  EXPECT_EQ(tensor.shape(), (Shape{2, 3}));
  EXPECT_EQ(tensor.dtype(), DataType::float16);
  EXPECT_EQ(tensor.device_type(), DeviceType::persistent_gpu);
  EXPECT_EQ(tensor.size_bytes(), 12U);
  EXPECT_EQ(tensor.ref_count(), 1);
  EXPECT_TRUE(tensor.native_handle());
  const std::string text =
      "Tensor [2, 3] float16 persistent_gpu on " + device_.info().spec + ", 12 bytes";
  EXPECT_EQ(tensor.to_string(), text);
  EXPECT_EQ(fmt::format("{}", tensor), text);
  EXPECT_EQ(fmt::format("{} {} {}", tensor.shape(), tensor.dtype(), tensor.device_type()),
            "[2, 3] float16 persistent_gpu");
}

TEST_P(TensorTest, AScalarHasOneElement) {
  Tensor tensor(manager_, Shape{}, DataType::int32);
  EXPECT_EQ(tensor.size_bytes(), 4U);
  tensor.copy_from(std::array{42});
  EXPECT_THAT(tensor.to_vector<std::int32_t>(), ElementsAre(42));
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.slice(0, 0)); }), ErrorCode::invalid_argument);
}

TEST_P(TensorTest, EveryElementTypeGoesThereAndBack) {
  const auto check = [this]<class T>(std::vector<T> values) {
    Tensor tensor(manager_, {static_cast<std::int64_t>(values.size())}, data_type_of<T>);
    tensor.copy_from(values);
    EXPECT_EQ(tensor.to_vector<T>(), values) << to_string(data_type_of<T>);
  };
  check(std::vector<float>{1.5F, -2, 1e30F});
  check(std::vector<double>{1.5, -2, 1e300});
  check(std::vector<float16>{float16(1.5F), float16(-2)});
  check(std::vector<bfloat16>{bfloat16(1.5F), bfloat16(-2)});
  check(std::vector<float8_e4m3>{float8_e4m3(1.5F), float8_e4m3(-2)});
  check(std::vector<float8_e5m2>{float8_e5m2(1.5F), float8_e5m2(-2)});
  check(std::vector<std::int8_t>{1, -128, 127});
  check(std::vector<std::int16_t>{1, -32768, 32767});
  check(std::vector<std::int32_t>{1, std::numeric_limits<std::int32_t>::min()});
  check(std::vector<std::int64_t>{1, std::numeric_limits<std::int64_t>::min()});
  check(std::vector<std::uint8_t>{1, 255});
  check(std::vector<std::uint16_t>{1, 65535});
  check(std::vector<std::uint32_t>{1, std::numeric_limits<std::uint32_t>::max()});
  check(std::vector<std::uint64_t>{1, std::numeric_limits<std::uint64_t>::max()});
}

// Far above what one bounce buffer holds, and no multiple of it.
TEST_P(TensorTest, LargeOnesGoThereAndBackInOrder) {
  constexpr std::size_t kCount = (std::size_t{5} << 20) + 3;
  const std::vector<std::uint32_t> values = sequence<std::uint32_t>(kCount);
  std::vector<std::uint32_t> source = values;
  Tensor tensor(manager_, {static_cast<std::int64_t>(kCount)}, DataType::uint32);
  tensor.copy_from(source);
  std::ranges::fill(source, 0);  // It was read.
  EXPECT_TRUE(tensor.to_vector<std::uint32_t>() == values);
  Tensor middle = tensor.slice(1, static_cast<std::int64_t>(kCount) - 1);
  middle.copy_from(std::vector<std::uint32_t>(kCount - 2, 7));
  std::vector<std::uint32_t> expected(kCount, 7);
  expected.back() = values.back();
  expected.front() = values.front();
  EXPECT_TRUE(tensor.to_vector<std::uint32_t>() == expected);
}

TEST_P(TensorTest, CopiesCloneAndRetainShareTheStorage) {
  Tensor tensor = tensor_of(sequence<std::int32_t>(10));
  const Tensor copy = tensor;  // NOLINT(performance-unnecessary-copy-initialization): counted
  Tensor clone = tensor.clone();
  Tensor retained = tensor.retain();
  EXPECT_EQ(tensor.ref_count(), 4);
  EXPECT_EQ(clone.native_handle(), tensor.native_handle());
  clone.copy_from(sequence<std::int32_t>(10, 100));
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), sequence<std::int32_t>(10, 100));
  retained.release();
  retained.release();
  EXPECT_FALSE(retained);
  EXPECT_EQ(tensor.ref_count(), 3);
}

TEST_P(TensorTest, TheLastReferenceReturnsTheBuffer) {
  Tensor tensor = tensor_of(sequence<std::int32_t>(10));
  Tensor row = tensor.slice(3, 4);
  tensor.release();
  EXPECT_EQ(manager_.stats().current_buffers, 1U);
  EXPECT_THAT(row.to_vector<std::int32_t>(), ElementsAre(3));
  row.release();
  EXPECT_EQ(manager_.stats().current_buffers, 0U);
  EXPECT_GE(manager_.stats().cached_buffers, 1U);
}

TEST_P(TensorTest, DeepCopyHasStorageOfItsOwn) {
  Tensor tensor = tensor_of(sequence<float>(1000));
  Tensor copy = tensor.deep_copy(device_.make_stream());
  tensor.copy_from(sequence<float>(1000, 5));
  EXPECT_EQ(copy.to_vector<float>(), sequence<float>(1000));
  EXPECT_EQ(copy.ref_count(), 1);
  EXPECT_EQ(copy.shape(), tensor.shape());
  EXPECT_NE(copy.native_handle(), tensor.native_handle());
}

TEST_P(TensorTest, DeepCopyOfASliceCopiesItsRowsOnly) {
  const Tensor tensor = tensor_of(sequence<std::uint8_t>(100));
  const Tensor copy = tensor.slice(3, 10).deep_copy();
  EXPECT_EQ(copy.to_vector<std::uint8_t>(), sequence<std::uint8_t>(7, 3));
  EXPECT_EQ(copy.size_bytes(), 7U);
}

TEST_P(TensorTest, CopyFromWithAWrongTypeOrCountThrowsAndChangesNothing) {
  Tensor tensor = tensor_of(sequence<float>(4, 7));
  const std::vector<std::int32_t> integers(4);
  const std::vector<float> few(3);
  const std::vector<float> many(5);
  const std::vector<double> doubles(2);  // as many bytes
  EXPECT_EQ(code_of([&] { tensor.copy_from(integers); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.copy_from(few); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.copy_from(many); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.copy_from(doubles); }), ErrorCode::invalid_argument);
  EXPECT_EQ(tensor.to_vector<float>(), sequence<float>(4, 7));
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.to_vector<std::int32_t>()); }),
            ErrorCode::invalid_argument);
  EXPECT_THAT(text_of([&] { tensor.copy_from(few); }), HasSubstr("3 elements"));
}

TEST_P(TensorTest, CopyFromATensorOfAnotherTypeOrShapeThrowsAndChangesNothing) {
  Tensor tensor = tensor_of(sequence<float>(4, 7));
  EXPECT_EQ(code_of([&] { tensor.copy_from(tensor_of(sequence<std::int32_t>(4))); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.copy_from(tensor_of(sequence<float>(5))); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] {
              tensor.copy_from(tensor_of(sequence<float>(4)).reshape({2, 2}));
            }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.copy_from(Tensor()); }), ErrorCode::invalid_argument);
  EXPECT_EQ(tensor.to_vector<float>(), sequence<float>(4, 7));
}

TEST_P(TensorTest, CopyFromReadsTheHostBeforeItReturns) {
  Tensor tensor(manager_, {1 << 16}, DataType::int32);
  std::vector<std::int32_t> values = sequence<std::int32_t>(1 << 16);
  tensor.copy_from(values);
  std::ranges::fill(values, -1);
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), sequence<std::int32_t>(1 << 16));
}

TEST_P(TensorTest, CopyFromTakesEveryContiguousRange) {
  Tensor tensor(manager_, {3}, DataType::float32);
  const float raw[] = {1, 2, 3};
  tensor.copy_from(raw);
  EXPECT_THAT(tensor.to_vector<float>(), ElementsAre(1, 2, 3));
  tensor.copy_from(std::array{4.0F, 5.0F, 6.0F});
  EXPECT_THAT(tensor.to_vector<float>(), ElementsAre(4, 5, 6));
  const std::vector<float> many{7, 8, 9, 10};
  tensor.copy_from(std::span(many).first(3));
  EXPECT_THAT(tensor.to_vector<float>(), ElementsAre(7, 8, 9));
}

TEST_P(TensorTest, ReshapeSharesAndChecksTheCount) {
  const Tensor tensor = tensor_of(sequence<std::int16_t>(12));
  const Tensor matrix = tensor.reshape({3, 4});
  EXPECT_EQ(matrix.shape(), (Shape{3, 4}));
  EXPECT_EQ(matrix.native_handle(), tensor.native_handle());
  EXPECT_EQ(matrix.slice(1, 2).to_vector<std::int16_t>(), sequence<std::int16_t>(4, 4));
  EXPECT_EQ(code_of([&] {
              static_cast<void>(tensor.reshape({3, 5}));
            }),
            ErrorCode::invalid_argument);
}

TEST_P(TensorTest, SliceSharesRowsAndChecksTheirRange) {
  Tensor tensor = tensor_of(sequence<std::int32_t>(12)).reshape({4, 3});
  Tensor middle = tensor.slice(1, 3);
  EXPECT_EQ(middle.shape(), (Shape{2, 3}));
  EXPECT_EQ(middle.to_vector<std::int32_t>(), sequence<std::int32_t>(6, 3));
  EXPECT_EQ(middle.slice(1, 2).to_vector<std::int32_t>(), sequence<std::int32_t>(3, 6));
  middle.copy_from(std::vector<std::int32_t>(6, -1));
  EXPECT_EQ(tensor.to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{0, 1, 2, -1, -1, -1, -1, -1, -1, 9, 10, 11}));
  EXPECT_EQ(tensor.slice(2, 2).size_bytes(), 0U);
  EXPECT_EQ(tensor.slice(4, 4).shape(), (Shape{0, 3}));
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.slice(-1, 2)); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.slice(3, 2)); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.slice(0, 5)); }), ErrorCode::invalid_argument);
}

TEST_P(TensorTest, ShapeProductOverflowIsRefused) {
  const auto make = [this](const Shape& shape, DataType dtype) {
    return code_of([&] { const Tensor tensor(manager_, shape, dtype); });
  };
  constexpr std::int64_t kBig = std::int64_t{1} << 32;
  EXPECT_EQ(make({kBig, kBig}, DataType::int8), ErrorCode::invalid_argument);
  EXPECT_EQ(make({kBig, kBig, 2}, DataType::int8), ErrorCode::invalid_argument);
  EXPECT_EQ(make({std::int64_t{1} << 62}, DataType::float32), ErrorCode::invalid_argument);
  EXPECT_EQ(make({(std::int64_t{1} << 61) + 1}, DataType::float64), ErrorCode::invalid_argument);
  EXPECT_EQ(make({std::int64_t{1} << 60}, DataType::float64), ErrorCode::out_of_memory);
  EXPECT_EQ(manager_.stats().reserved_bytes, 0U);
}

TEST_P(TensorTest, WithoutElementsIsValid) {
  Tensor tensor(manager_, {0, 7}, DataType::float32);
  EXPECT_TRUE(tensor);
  EXPECT_EQ(tensor.size_bytes(), 0U);
  EXPECT_EQ(tensor.native_handle().kind, HandleKind::none);
  tensor.copy_from(std::vector<float>());
  EXPECT_TRUE(tensor.to_vector<float>().empty());
  EXPECT_EQ(tensor.convert_to(DataType::int8).shape(), (Shape{0, 7}));
  EXPECT_EQ(tensor.deep_copy().shape(), (Shape{0, 7}));
  EXPECT_EQ(tensor.slice(0, 0).shape(), (Shape{0, 7}));
  tensor.copy_from(tensor.deep_copy());
  EXPECT_EQ(manager_.stats().reserved_bytes, 0U);
}

TEST_P(TensorTest, WithoutElementsMayHaveHugeRows) {
  constexpr std::int64_t kBig = std::int64_t{1} << 40;
  const Tensor tensor(manager_, {0, kBig, kBig}, DataType::float32);
  EXPECT_EQ(tensor.size_bytes(), 0U);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.slice(0, 0)); }), std::nullopt);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.convert_to(DataType::int8)); }), std::nullopt);
}

TEST_P(TensorTest, FailsAsItsManagerDoes) {
  const MemoryManager small = make_manager({.byte_limit = 1024, .pressure_callback = {}});
  EXPECT_EQ(code_of([&] { const Tensor tensor(small, {2000}, DataType::int8); }),
            ErrorCode::out_of_memory);
  EXPECT_EQ(code_of([&] { const Tensor tensor(MemoryManager(), {1}, DataType::int8); }),
            ErrorCode::invalid_argument);
  const MockDevice other;
  EXPECT_EQ(code_of([&] {
              const Tensor tensor(
                  manager_, {1}, DataType::int8, DeviceType::gpu, other.device().make_stream());
            }),
            ErrorCode::invalid_argument);
}

TEST_P(TensorTest, StreamsOfAnotherDeviceAreRefusedAndChangeNothing) {
  const MockDevice other;
  const Stream foreign = other.device().make_stream();
  Tensor tensor = tensor_of(sequence<float>(4));
  const Tensor source = tensor_of(sequence<float>(4, 9));
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.convert_to(DataType::int8, foreign)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { static_cast<void>(tensor.deep_copy(foreign)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.copy_from(source, foreign); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.record_use(foreign); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { tensor.wait_on(foreign); }), ErrorCode::invalid_argument);
  EXPECT_EQ(tensor.to_vector<float>(), sequence<float>(4));
}

TEST_P(TensorTest, ReferenceCountIsExactUnderManyThreadsStress) {
  const Tensor tensor = tensor_of(sequence<std::int32_t>(100));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&tensor] {
      for (int i = 0; i < 500; ++i) {
        const Tensor mine = tensor.clone();
        const Tensor row = mine.slice(i % 100, i % 100 + 1);
        Tensor other = row.retain();
        other.release();
      }
    });
  }
  threads.clear();
  EXPECT_EQ(tensor.ref_count(), 1);
  EXPECT_EQ(tensor.to_vector<std::int32_t>(), sequence<std::int32_t>(100));
}

}  // namespace
}  // namespace headrace::test
