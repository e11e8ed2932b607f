// SPDX-License-Identifier: Apache-2.0
// Records what a loader and its consumer take of the memory manager: `headrace_record_loader LOG
// DATA`. The consumer does what training loops do: it converts each batch, keeps the last few for
// later, and gathers an epoch's labels.
#include "headrace/headrace.h"

#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <vector>

namespace {

constexpr std::size_t kKept = 12;

headrace::AsyncDataLoaderConfig config_for(const headrace::MemoryManager& manager) {
  headrace::AsyncDataLoaderConfig config;
  config.memory_manager = manager;
  config.batch_size = 500;
  config.epochs = 150;
  config.shuffle = true;
  config.seed = 7;
  config.output.dtype = headrace::DataType::float16;
  return config;
}

void consume(headrace::AsyncDataLoader& loader) {
  std::deque<headrace::Tensor> kept;
  std::vector<headrace::Tensor> labels;
  std::uint64_t epoch = 0;
  for (const headrace::GPUBatch& batch : loader) {
    if (batch.epoch != epoch) {
      epoch = batch.epoch;
      labels.clear();
    }
    const headrace::Tensor input = batch.input_tensor.convert_to(headrace::DataType::float32);
    labels.push_back(batch.label_tensor.deep_copy());
    kept.push_back(batch.input_tensor);  // Its memory stays with it; the loader takes other.
    if (kept.size() > kKept) {
      kept.pop_front();
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "Usage: headrace_record_loader LOG DATA\n");
    return 2;
  }
  headrace::MemoryManagerConfig memory;
  memory.allocation_log = argv[1];
  headrace::AsyncDataLoader loader(
      headrace::open_source(argv[2]),
      config_for(headrace::MemoryManager(headrace::open_device("host"), memory)));
  loader.start();
  consume(loader);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "headrace_record_loader: %s\n", error.what());
  return 1;
}
