// SPDX-License-Identifier: Apache-2.0
// Loads a folder to the device, batch by batch, as a training loop does: `stream_folder
// data/digits`.
#include "headrace/headrace.h"

#include <cstdio>

int main(int argc, char** argv) try {
  auto source = headrace::open_source(argc > 1 ? argv[1] : "data/digits");
  headrace::AsyncDataLoaderConfig config;
  config.memory_manager = headrace::MemoryManager(headrace::open_device());
  config.batch_size = 128;
  config.epochs = 2;
  config.shuffle = true;
  config.output.dtype = headrace::DataType::float16;
  headrace::AsyncDataLoader loader(source, config);
  for (const headrace::GPUBatch& batch : loader) {
    // Launch the work of one step here, on batch.input_tensor and batch.label_tensor.
    std::printf("epoch %d, batch %2d: %s\n",
                static_cast<int>(batch.epoch),
                static_cast<int>(batch.batch_id),
                batch.input_tensor.to_string().c_str());
  }
  return 0;
} catch (const headrace::Error& error) {
  std::fprintf(stderr, "stream_folder: %s\n", error.what());
  return 1;
}
