// SPDX-License-Identifier: Apache-2.0
// What a device makes of a loader's samples, beside what `host` makes of them, bit by bit.
#include "support/device_fixture.h"
#include "support/tensor_bytes.h"

#include <span>

namespace headrace::test {
namespace {

constexpr std::int64_t kSamples = 5;

struct Case {
  Shape shape;
  DataType from = DataType::uint8;
  OutputSpec output = {};

  [[nodiscard]] std::string to_string() const {
    return shape.to_string() + " " + std::string(headrace::to_string(from)) + " to " +
           std::string(headrace::to_string(output.dtype.value_or(from))) +
           (output.layout == Layout::chw ? " chw" : "") +
           (output.mean.empty() ? "" : " normalised");
  }
};

/// The input tensors of a loader of `samples`, as bytes, in batches of two.
std::vector<std::vector<std::uint8_t>> loaded(const Device& device,
                                              const Case& one,
                                              std::span<const std::byte> samples) {
  AsyncDataLoader loader(
      open_memory(
          samples, {}, {.input_shape = one.shape, .input_dtype = one.from, .label_shape = {0}}),
      {.batch_size = 2, .memory_manager = MemoryManager(device), .output = one.output});
  loader.start();
  std::vector<std::vector<std::uint8_t>> batches;
  while (std::optional<GPUBatch> batch = loader.get_batch()) {
    batches.push_back(bytes_of(batch->input_tensor));
  }
  return batches;
}

/// The same of random samples.
std::vector<std::vector<std::uint8_t>> loaded(const Device& device, const Case& one) {
  const std::size_t sample =
      static_cast<std::size_t>(one.shape.element_count()) * size_of(one.from);
  return loaded(device, one, random_bytes(kSamples * sample, sample));
}

std::vector<OutputSpec> outputs_for(DataType to, std::int64_t channels) {
  const auto count = static_cast<std::size_t>(channels);
  const std::vector<double> mean(count, 0.45);
  std::vector<double> stddev;
  for (std::size_t i = 0; i < count; ++i) {
    stddev.push_back(0.2 + 0.01 * static_cast<double>(i));
  }
  return {{.dtype = to, .layout = Layout::chw},
          {.dtype = to, .layout = Layout::chw, .mean = mean, .stddev = stddev},
          {.dtype = to, .mean = mean, .stddev = stddev}};
}

class ExpandTest : public DeviceTest {
 protected:
  void expect_as_on_host(const Case& one) {
    SCOPED_TRACE(one.to_string());
    const auto expected = loaded(open_device("host"), one);
    ASSERT_EQ(expected.size(), 3U);
    EXPECT_EQ(loaded(device_, one), expected);
  }
};
HEADRACE_ON_EVERY_DEVICE(ExpandTest);

TEST_P(ExpandTest, ImagesOfManyShapesGiveTheBitsOfHost) {
  for (const Shape& shape : {Shape{28, 28, 1},
                             Shape{1, 1, 3},
                             Shape{5, 7, 3},
                             Shape{32, 32, 3},
                             Shape{61, 67, 3},
                             Shape{128, 96, 3},
                             Shape{9, 11, 4},
                             Shape{3, 2, 32},
                             Shape{3, 3, 33},
                             Shape{7, 5, 64},
                             Shape{3, 3, 65}}) {
    for (const DataType to : {DataType::float16, DataType::bfloat16, DataType::float32}) {
      for (const OutputSpec& output : outputs_for(to, shape[2])) {
        expect_as_on_host({shape, DataType::uint8, output});
      }
    }
  }
}

TEST_P(ExpandTest, EveryPairOfTypesGivesTheBitsOfHost) {
  for (const DataType from : kAllDataTypes) {
    for (const DataType to : kAllDataTypes) {
      for (const OutputSpec& output : outputs_for(to, 3)) {
        expect_as_on_host({{3, 5, 3}, from, output});
      }
    }
  }
}

// Coefficients are kept to be used again: those of equal numbers are not always the same.
TEST_P(ExpandTest, TheSignOfZeroIsKeptBesideCoefficientsThatEqualIt) {
  static_cast<void>(
      loaded(device_, {{4, 4, 3}, DataType::uint8, {DataType::float32, Layout::chw}}));
  const Case zeros{{2, 2, 3},
                   DataType::float32,
                   {.layout = Layout::chw, .mean = {0, 0, 0}, .stddev = {1, 1, 1}}};
  const std::vector<float> negative(kSamples * 2 * 2 * 3, -0.0F);
  const auto samples = std::as_bytes(std::span(negative));
  EXPECT_EQ(loaded(device_, zeros, samples), loaded(open_device("host"), zeros, samples));
}

}  // namespace
}  // namespace headrace::test
