// SPDX-License-Identifier: Apache-2.0
// Registers a backend of one's own, loads a folder on it and compares what arrives with `host`:
// `pretend data/digits`.
#include "pretend.h"

#include <headrace/headrace.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

/// Every batch of `path` on `device`, expanded to normalised float16 and then converted to float32.
std::vector<std::vector<float>> loaded(const headrace::Device& device, const std::string& path) {
  headrace::AsyncDataLoaderConfig config;
  config.memory_manager = headrace::MemoryManager(device);
  config.batch_size = 128;
  config.shuffle = true;
  config.output = {.dtype = headrace::DataType::float16, .mean = {0.3}, .stddev = {0.4}};
  headrace::AsyncDataLoader loader(headrace::open_source(path), config);
  std::vector<std::vector<float>> batches;
  for (const headrace::GPUBatch& batch : loader) {
    const headrace::Tensor converted = batch.input_tensor.convert_to(headrace::DataType::float32);
    batches.push_back(converted.to_vector<float>());
  }
  return batches;
}

/// A tensor that is filled and copied on the device.
std::vector<std::uint16_t> filled(const headrace::Device& device) {
  const headrace::MemoryManager memory(device);
  const headrace::Tensor from(memory, headrace::Shape{1000}, headrace::DataType::uint16);
  const headrace::Tensor to(memory, headrace::Shape{1000}, headrace::DataType::uint16);
  headrace::CommandBufferPool pool(device.make_stream(), 1);
  headrace::CommandBuffer commands = pool.get_buffer();
  commands.fill(from, 513);
  commands.copy(from, to);
  pool.execute_async(std::move(commands)).wait();
  return to.to_vector<std::uint16_t>();
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string path = argc > 1 ? argv[1] : "data/digits";
  headrace::register_backend(pretend::make_backend());
  const headrace::Device device = headrace::open_device("pretend");
  const headrace::Device host = headrace::open_device("host");
  const std::vector<std::vector<float>> batches = loaded(device, path);
  const bool is_same = batches == loaded(host, path) && filled(device) == filled(host);
  std::printf("%s: %d batches of %s, %s\n",
              device.info().spec.c_str(),
              static_cast<int>(batches.size()),
              path.c_str(),
              is_same ? "as on host" : "not as on host");
  return is_same && !batches.empty() ? 0 : 1;
} catch (const headrace::Error& error) {
  std::fprintf(stderr, "pretend: %s\n", error.what());
  return 1;
}
