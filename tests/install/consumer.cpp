// SPDX-License-Identifier: Apache-2.0
// A user's first program: exits with 0 when a tensor gives back what was put in, and a loader all
// of a source. Compiled with warnings as errors.
#include <headrace/headrace.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace {

/// Sample i is two times i; there are no labels.
class Ramp final : public headrace::SampleSource {
 public:
  [[nodiscard]] headrace::SampleSpec spec() const override {
    return {.input_shape = {2}, .input_dtype = headrace::DataType::uint8, .label_shape = {0}};
  }
  [[nodiscard]] std::size_t size() const override { return 10; }
  void read(const headrace::ReadContext& context, headrace::SampleView& into) const override {
    std::ranges::fill(into.input, static_cast<std::byte>(context.index));
  }
};

bool gives_tensor_back(const headrace::MemoryManager& manager) {
  headrace::Tensor tensor(manager, headrace::Shape{2, 3}, headrace::DataType::float32);
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  tensor.copy_from(values);
  std::printf("headrace %s: %s\n", headrace::kVersion, tensor.to_string().c_str());
  return tensor.to_vector<float>() == values;
}

bool loads_every_sample(const headrace::MemoryManager& manager) {
  headrace::AsyncDataLoader loader(
      std::make_shared<Ramp>(),
      {.batch_size = 4, .memory_manager = manager, .shuffle = true, .output = {.mean = {0.5}}});
  loader.start();
  std::int64_t samples = 0;
  headrace::GPUBatch batch;
  while (std::optional<headrace::GPUBatch> next = loader.get_batch()) {
    batch = std::move(*next);
    samples += batch.valid_count;
  }
  return samples == 10;
}

}  // namespace

int main() {
  const headrace::MemoryManager manager(headrace::open_device("host"));
  if (!gives_tensor_back(manager)) {
    std::puts("the tensor gave back other values");
    return 1;
  }
  if (!loads_every_sample(manager)) {
    std::puts("the loader gave another number of samples");
    return 1;
  }
  return 0;
}
