// SPDX-License-Identifier: Apache-2.0
// Conversion on the host stream beside memcpy of as many bytes (read and written), one thread each.
#include "headrace/headrace.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

namespace {

using headrace::DataType;

constexpr std::int64_t kElements = std::int64_t{16} << 20;

void convert(benchmark::State& state, DataType from, DataType to) {
  const headrace::MemoryManager manager(headrace::open_device("host"));
  const headrace::Stream stream = manager.device().make_stream();
  headrace::CommandBufferPool commands(stream, 1);
  const headrace::Tensor source(manager, headrace::Shape(kElements), from);
  const headrace::Tensor target(manager, headrace::Shape(kElements), to);
  headrace::CommandBuffer fill = commands.get_buffer();
  fill.fill(source, 3);
  fill.fill(target, 0);
  commands.execute_async(std::move(fill)).wait();
  for (auto _ : state) {
    headrace::CommandBuffer work = commands.get_buffer();
    work.convert(source, target);
    commands.execute_async(std::move(work)).wait();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(source.size_bytes() + target.size_bytes()));
}
BENCHMARK_CAPTURE(convert, u8_to_f32, DataType::uint8, DataType::float32)->UseRealTime();
BENCHMARK_CAPTURE(convert, u8_to_f16, DataType::uint8, DataType::float16)->UseRealTime();
BENCHMARK_CAPTURE(convert, f32_to_f16, DataType::float32, DataType::float16)->UseRealTime();
BENCHMARK_CAPTURE(convert, f16_to_f32, DataType::float16, DataType::float32)->UseRealTime();
BENCHMARK_CAPTURE(convert, f32_to_bf16, DataType::float32, DataType::bfloat16)->UseRealTime();

void memcpy_floats(benchmark::State& state) {
  const std::vector<float> source(kElements, 3.0F);
  std::vector<float> target(kElements);
  for (auto _ : state) {
    std::memcpy(target.data(), source.data(), source.size() * sizeof(float));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * kElements * 8);
}
BENCHMARK(memcpy_floats)->UseRealTime();

}  // namespace
