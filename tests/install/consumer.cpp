// SPDX-License-Identifier: Apache-2.0
// A user's first program: exits with 0 when a tensor gives back what was put in.
#include <headrace/headrace.h>

#include <cstdio>
#include <vector>

int main() {
  const auto device = headrace::open_device("host");
  const headrace::MemoryManager manager(device);
  headrace::Tensor tensor(manager, headrace::Shape{2, 3}, headrace::DataType::float32);
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  tensor.copy_from(values);
  if (tensor.to_vector<float>() != values) {
    std::puts("the tensor gave back other values");
    return 1;
  }
  std::printf("headrace %s: %s\n", headrace::kVersion, tensor.to_string().c_str());
  return 0;
}
