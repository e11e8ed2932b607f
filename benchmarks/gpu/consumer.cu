// SPDX-License-Identifier: Apache-2.0
// A consumer of known duration on the GPU: how long it waits for a loader that is 1.2 times as
// fast, and how much of the loader's work on the device goes on beside it.
//
// Rows of 3 KB, 8-bit images of 32x32, are gathered from host memory, copied and expanded to
// normalised float16 planes; the consumer is a kernel that runs for a given time on one
// multiprocessor. The host never waits for the device but at the end.
//
// usage: consumer [TRACE.json]     Writes the device's spans of some batches there.
//
// Not part of the build, for it needs CUDA's compiler. See ../README.md for the command.
#include "headrace/headrace.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace headrace;

constexpr std::size_t kRowBytes = 3072;
constexpr std::size_t kRows = 200'000;
constexpr std::size_t kBatch = 1024;
constexpr int kBatches = 1000;
constexpr int kTraced = 100;
constexpr int kRepeats = 5;

void check(cudaError_t result) {
  if (result != cudaSuccess) {
    std::printf("%s\n", cudaGetErrorString(result));
    std::exit(1);
  }
}

/// Random pixels in host memory.
class Rows final : public SampleSource {
 public:
  Rows() : pixels_(kRows * kRowBytes / sizeof(std::uint64_t)) {
    std::ranges::generate(pixels_, std::mt19937_64(1));
  }
  SampleSpec spec() const override {
    return {.input_shape = {32, 32, 3}, .input_dtype = DataType::uint8, .label_shape = {0}};
  }
  std::size_t size() const override { return kRows; }
  void read(const ReadContext& context, SampleView& into) const override {
    const auto* const bytes = reinterpret_cast<const std::byte*>(pixels_.data());
    std::memcpy(into.input.data(), bytes + context.index * kRowBytes, kRowBytes);
  }

 private:
  std::vector<std::uint64_t> pixels_;
};

__global__ void run_for(unsigned long long nanoseconds) {
  unsigned long long begin = 0;
  unsigned long long now = 0;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(begin));
  do {
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  } while (now - begin < nanoseconds);
}

cudaStream_t stream_of(const Stream& stream) {
  return stream.native_handle().as_pointer<CUstream_st>();
}

/// Seconds on the device that `work`, which submits to `stream`, takes.
template <class Work>
double device_seconds(const Stream& stream, const Work& work) {
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  check(cudaEventRecord(begin, stream_of(stream)));
  work();
  check(cudaEventRecord(end, stream_of(stream)));
  check(cudaEventSynchronize(end));
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin, end));
  check(cudaEventDestroy(begin));
  check(cudaEventDestroy(end));
  return milliseconds / 1e3;
}

class Run {
 public:
  Run(const Device& device, std::size_t workers, std::size_t prefetch, std::shared_ptr<Trace> trace)
      : stream_(device.make_stream()),
        trace_(trace),
        loader_(source(),
                {.batch_size = kBatch,
                 .prefetch_depth = prefetch,
                 .workers = workers,
                 .memory_manager = MemoryManager(device),
                 .epochs = 0,
                 .shuffle = true,
                 .output = {.dtype = DataType::float16,
                            .layout = Layout::chw,
                            .mean = {0.5, 0.5, 0.5},
                            .stddev = {0.25, 0.25, 0.25}},
                 .trace = std::move(trace)}) {
    loader_.start();
    take(20, [] {});
  }

  /// Device seconds of `batches` batches, each followed by `consume`.
  template <class Consume>
  double take(int batches, const Consume& consume) {
    return device_seconds(stream_, [&] {
      for (int i = 0; i < batches; ++i) {
        std::optional<GPUBatch> batch = loader_.get_batch(stream_);
        consume();
        batch->release();
      }
    });
  }

  /// Device seconds of the consumer alone.
  double consume_only(int batches, unsigned long long nanoseconds) {
    return device_seconds(stream_, [&] {
      for (int i = 0; i < batches; ++i) {
        run_for<<<1, 1, 0, stream_of(stream_)>>>(nanoseconds);
      }
    });
  }

  double consume(int batches, unsigned long long nanoseconds) {
    return take(batches, [&] { run_for<<<1, 1, 0, stream_of(stream_)>>>(nanoseconds); });
  }

  /// The same, with the consumer's spans in the trace.
  void consume_traced(int batches, unsigned long long nanoseconds) {
    CommandBufferPool pool(stream_, 64, trace_);
    const BatchOperation train{"train", [nanoseconds](CommandBuffer& commands) {
                                 commands.launch([nanoseconds](Stream stream) {
                                   run_for<<<1, 1, 0, stream_of(stream)>>>(nanoseconds);
                                 });
                               }};
    take(batches, [&] { pool.execute_batch(std::span(&train, 1)); });
  }

 private:
  static std::shared_ptr<SampleSource> source() {
    static const auto rows = std::make_shared<Rows>();
    return rows;
  }

  Stream stream_;
  std::shared_ptr<Trace> trace_;
  AsyncDataLoader loader_;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void measure(const Device& device, std::size_t workers, std::size_t prefetch) {
  Run run(device, workers, prefetch, nullptr);
  std::vector<double> batch_seconds;
  for (int i = 0; i < kRepeats; ++i) {
    batch_seconds.push_back(run.take(kBatches, [] {}) / kBatches);
  }
  const double batch = median(batch_seconds);
  const auto nanoseconds = static_cast<unsigned long long>(1.2e9 * batch);
  std::vector<double> waits;
  for (int i = 0; i < kRepeats; ++i) {
    const double alone = run.consume_only(kBatches, nanoseconds);
    waits.push_back(1 - alone / run.consume(kBatches, nanoseconds));
  }
  std::printf(
      "%zu workers, prefetch %zu: %.0f us a batch, %.2f M samples/s; consumer of %.0f us waits "
      "%.2f%% (%.2f to %.2f)\n",
      workers,
      prefetch,
      batch * 1e6,
      kBatch / batch / 1e6,
      nanoseconds / 1e3,
      100 * median(waits),
      100 * std::ranges::min(waits),
      100 * std::ranges::max(waits));
}

}  // namespace

int main(int arguments, char** values) {
  const Device device = open_device("cuda:0");
  for (const std::size_t workers : {2, 4, 8}) {
    for (const std::size_t prefetch : {3, 16}) {
      measure(device, workers, prefetch);
    }
  }
  if (arguments > 1) {
    const auto trace = std::make_shared<Trace>();
    Run run(device, 8, 3, trace);
    const double batch = run.take(kBatches, [] {}) / kBatches;
    run.consume_traced(kTraced, static_cast<unsigned long long>(1.2e9 * batch));
    trace->write(values[1]);
  }
}
