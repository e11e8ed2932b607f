// SPDX-License-Identifier: Apache-2.0
// Kernels that keep to their blocks, and ones that do not, for compute-sanitizer to tell apart:
//
//   compute-sanitizer --tool memcheck --nvtx yes memory_faults clean|behind|after|later
//
// Needs a GPU, and CUDA's compiler to build it, so it is no part of the build: see tools/gpu.sh.
#include "headrace/headrace.h"

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

namespace {

using namespace headrace;

__global__ void write(int* to, unsigned first, unsigned end) {
  for (unsigned i = first + blockIdx.x * blockDim.x + threadIdx.x; i < end;
       i += gridDim.x * blockDim.x) {
    to[i] = static_cast<int>(i);
  }
}

/// One block of 250 numbers in the middle of others, and a pool to launch kernels from.
struct Program {
  Device device = open_device("cuda:0");
  MemoryManager manager{device};
  Stream stream = device.make_stream();
  CommandBufferPool pool{stream, 8};

  Buffer take(unsigned count) {
    return manager.get_buffer(count * sizeof(int), DeviceType::gpu, stream);
  }
  /// Launches a kernel that writes numbers `first` to `end` - 1 of what is at `to`.
  Completion start(int* to, unsigned first, unsigned end) {
    CommandBuffer commands = pool.get_buffer();
    commands.launch([=](const Stream& on) {
      write<<<4, 128, 0, on.native_handle().as_pointer<CUstream_st>()>>>(to, first, end);
    });
    return pool.execute_async(std::move(commands));
  }
};

int* numbers(const Buffer& buffer) {
  return buffer.native_handle().as_pointer<int>();
}

/// Takes, writes and returns blocks of many sizes, most of them while their kernels are under way,
/// and lets the library's own kernels and copies run over others.
void clean(Program& program) {
  std::mt19937 random(1);
  std::vector<Buffer> held;
  for (int round = 0; round < 1000; ++round) {
    const unsigned count = random() % 8 == 0 ? 1 + random() % (1U << 20) : 1 + random() % 2000;
    Buffer buffer = program.take(count);
    program.start(numbers(buffer), 0, count);
    if (held.size() < 16) {
      held.push_back(std::move(buffer));
    } else if (random() % 3 == 0) {
      std::swap(held[random() % held.size()], buffer);
    }
    if (random() % 100 == 0) {
      program.device.synchronize();
      program.manager.trim();
    }
  }
  for (const std::int64_t count : {1, 7, 250, 1001, 100003}) {
    const std::vector<float> values(static_cast<std::size_t>(count), 1.5F);
    Tensor from(program.manager, Shape{count}, DataType::float32);
    const Tensor halves(program.manager, Shape{count}, DataType::float16);
    const Tensor copy(program.manager, Shape{count}, DataType::float16);
    const Tensor to(program.manager, Shape{count}, DataType::float32);
    from.copy_from(values);
    CommandBuffer commands = program.pool.get_buffer();
    commands.fill(to, 0);
    commands.convert(from, halves);
    commands.copy(halves, copy);
    commands.convert(copy, to);
    program.pool.execute_async(std::move(commands));
    if (to.to_vector<float>() != values) {
      std::printf("the values are not what they were\n");
    }
  }
}

void run(const char* what) {
  Program program;
  const Buffer before = program.take(250);
  Buffer buffer = program.take(250);
  const Buffer behind = program.take(250);
  int* const to = numbers(buffer);
  if (std::strcmp(what, "clean") == 0) {
    clean(program);
  } else if (std::strcmp(what, "behind") == 0) {
    program.start(to, 0, 250).wait();
    program.start(to, 250, 251).wait();  // Inside the 1024 bytes that there are.
  } else if (std::strcmp(what, "after") == 0) {
    program.start(to, 0, 250).wait();
    buffer.reset();
    program.start(to, 0, 1).wait();
  } else if (std::strcmp(what, "later") == 0) {
    program.start(to, 0, 250);
    buffer.reset();  // While the kernel may be under way, which is fine.
    program.device.synchronize();
    program.start(to, 0, 1).wait();
  }
  program.device.synchronize();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::printf("usage: memory_faults clean|behind|after|later\n");
    return 2;
  }
  try {
    run(arguments[1]);
    std::printf("%s: ran to its end\n", arguments[1]);
  } catch (const Error& error) {
    std::printf("%s: %s\n", arguments[1], error.what());  // A fault may end the context.
  }
}
