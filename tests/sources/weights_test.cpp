// SPDX-License-Identifier: Apache-2.0
#include "headrace/weights.h"

#include "headrace/device.h"
#include "headrace/loader.h"

#include "safetensors_writer.h"
#include "sample_reading.h"

#include <numeric>

namespace headrace::test {
namespace {

class Weights : public testing::Test {
 protected:
  TempDir dir_;
  std::filesystem::path path_ = dir_ / "model.safetensors";
  MemoryManager memory_{open_device("host")};
};

TEST_F(Weights, AreReadByNameInTheOrderOfTheirData) {
  const std::vector<float> kernel{1, 2, 3, 4, 5, 6};
  const std::vector<std::int32_t> steps{-7};
  write_file(path_,
             safetensors_file("{" + safetensors_entry("steps", "I32", "", 24, 28) + "," +
                                  safetensors_entry("none", "F16", "0,5", 28, 28) + "," +
                                  safetensors_entry("kernel", "F32", "2,3", 0, 24) + "}",
                              bytes_of(kernel) + bytes_of(steps)));
  const std::vector<NamedTensor> weights = read_weights(path_, memory_);
  ASSERT_EQ(weights.size(), 3u);
  EXPECT_EQ(weights[0].name, "kernel");
  EXPECT_EQ(weights[0].tensor.shape(), (Shape{2, 3}));
  EXPECT_EQ(weights[0].tensor.device_type(), DeviceType::persistent_gpu);
  EXPECT_EQ(weights[0].tensor.to_vector<float>(), kernel);
  EXPECT_EQ(weights[1].name, "steps");
  EXPECT_EQ(weights[1].tensor.to_vector<std::int32_t>(), steps);
  EXPECT_EQ(weights[2].name, "none");
  EXPECT_EQ(weights[2].tensor.shape(), (Shape{0, 5}));
  EXPECT_TRUE(weights[2].tensor.to_vector<float16>().empty());
}

TEST_F(Weights, LargerThanTheStagingBuffersComeWhole) {
  std::vector<double> large(2'000'003);
  std::iota(large.begin(), large.end(), 0.0);
  const std::size_t bytes = large.size() * sizeof(double);
  // One byte before them, so that they are not aligned in the file.
  write_file(path_,
             safetensors_file("{" + safetensors_entry("a", "U8", "1", 0, 1) + "," +
                                  safetensors_entry("b", "F64", "2000003", 1, 1 + bytes) + "}",
                              "x" + bytes_of(large)));
  const std::vector<NamedTensor> weights = read_weights(path_, memory_);
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_EQ(weights[0].tensor.to_vector<std::uint8_t>(), std::vector<std::uint8_t>{'x'});
  EXPECT_TRUE(weights[1].tensor.to_vector<double>() == large);
}

TEST_F(Weights, GoIntoEveryBatch) {
  write_file(path_,
             safetensors_file("{" + safetensors_entry("w", "U8", "2", 0, 2) + "}", "\x05\x06"));
  const std::vector<std::uint8_t> inputs{1, 2, 3};
  AsyncDataLoaderConfig config{.batch_size = 2, .memory_manager = memory_};
  for (NamedTensor& weight : read_weights(path_, memory_)) {
    config.weights.push_back(std::move(weight.tensor));
  }
  AsyncDataLoader loader(open_memory(std::as_bytes(std::span(inputs)),
                                     {},
                                     {.input_shape = {},
                                      .input_dtype = DataType::uint8,
                                      .label_shape = Shape{0},
                                      .label_dtype = DataType::uint8}),
                         config);
  loader.start();
  int batches = 0;
  while (const auto batch = loader.get_batch()) {
    ASSERT_EQ(batch->weight_tensors.size(), 1u);
    EXPECT_EQ(batch->weight_tensors[0].to_vector<std::uint8_t>(),
              (std::vector<std::uint8_t>{5, 6}));
    ++batches;
  }
  EXPECT_EQ(batches, 2);
}

TEST_F(Weights, AreRefusedAsSamplesAre) {
  expect_error([&] { read_weights(path_, memory_); }, ErrorCode::io, {path_.string()});
  write_file(path_, safetensors_file("{" + safetensors_entry("w", "U8", "2", 0, 2) + "}", "a"));
  expect_error([&] { read_weights(path_, memory_); },
               ErrorCode::corrupt_data,
               {path_.string(), "tensor \"w\" ends at offset"});
  write_file(path_, "no safetensors");
  expect_error([&] { read_weights(path_, memory_); }, ErrorCode::corrupt_data, {"header"});
}

TEST_F(Weights, BeyondTheLimitLeaveNothingTaken) {
  const std::string data(1 << 20, 'x');
  write_file(path_,
             safetensors_file("{" + safetensors_entry("a", "U8", "16", 0, 16) + "," +
                                  safetensors_entry("b", "U8", "1048560", 16, 1 << 20) + "}",
                              data));
  const MemoryManager small(open_device("host"), {.byte_limit = std::size_t{1} << 19});
  EXPECT_THROW(read_weights(path_, small), Error);
  EXPECT_EQ(small.stats().current_bytes, 0u);
}

}  // namespace
}  // namespace headrace::test
