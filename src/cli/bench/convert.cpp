// SPDX-License-Identifier: Apache-2.0
// Converting element types on the device, beside a copy there that moves as many bytes.
#include "headrace/command_buffer.h"
#include "headrace/fmt.h"

#include "cli/bench/groups.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

namespace headrace::cli {
namespace {

/// Beyond the caches of each kind of device.
constexpr std::int64_t kElementsOnHost = std::int64_t{16} << 20;
constexpr std::int64_t kElementsOnGpu = std::int64_t{128} << 20;

constexpr std::array kPairs{
    std::pair{DataType::uint8, DataType::float32},
    std::pair{DataType::uint8, DataType::float16},
    std::pair{DataType::float32, DataType::float16},
    std::pair{DataType::float16, DataType::float32},
    std::pair{DataType::float32, DataType::bfloat16},
    std::pair{DataType::bfloat16, DataType::float32},
    std::pair{DataType::float32, DataType::float8_e4m3},
    std::pair{DataType::float32, DataType::int8},
    std::pair{DataType::int64, DataType::int32},
};

/// Records `record` as many times as asked into one submission.
template <class Record>
Work recorded(CommandBufferPool& pool, Record record) {
  return [&pool, record](std::uint64_t calls) {
    return time_of(1, [&] {
      CommandBuffer commands = pool.get_buffer();
      for (std::uint64_t i = 0; i < calls; ++i) {
        record(commands);
      }
      pool.execute_async(std::move(commands)).wait();
    });
  };
}

/// A tensor of ones.
Tensor filled(const Bench& bench, CommandBufferPool& pool, std::int64_t elements, DataType dtype) {
  const Tensor tensor(bench.memory, {elements}, dtype);
  CommandBuffer commands = pool.get_buffer();
  commands.fill(tensor, 1);
  pool.execute_async(std::move(commands)).wait();
  return tensor;
}

}  // namespace

void bench_convert(const Bench& bench) {
  CommandBufferPool pool(bench.device.make_stream(), 2);
  const std::int64_t elements = bench.device.info().is_gpu ? kElementsOnGpu : kElementsOnHost;
  for (const auto& [from, to] : kPairs) {
    const Tensor source = filled(bench, pool, elements, from);
    const Tensor target = filled(bench, pool, elements, to);
    const auto moved = static_cast<std::int64_t>(source.size_bytes() + target.size_bytes());
    const Tensor copied = filled(bench, pool, moved / 2, DataType::uint8);
    const Tensor copy = filled(bench, pool, moved / 2, DataType::uint8);
    const std::vector<double> times = seconds_a_call(
        bench.effort,
        {recorded(pool, [&](CommandBuffer& commands) { commands.convert(source, target); }),
         recorded(pool, [&](CommandBuffer& commands) { commands.copy(copied, copy); })});
    const auto bytes = static_cast<double>(moved);
    bench.tell({"convert",
                fmt::format("{} to {}", from, to),
                Unit::bytes_per_second,
                bytes / times[0],
                "device copy",
                bytes / times[1]});
  }
}

}  // namespace headrace::cli
