// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/expansion.h"

#include "backends/cuda/blocks.h"
#include "backends/cuda/context.h"

#include <algorithm>
#include <cmath>

namespace headrace::cuda {

namespace {

/// An expansion in the kernels' numbers.
struct Expansion {
  explicit Expansion(const ExpandCommand& work)
      : spec(*work.spec),
        from(address(work.from)),
        to(address(work.to)),
        samples(static_cast<std::uint64_t>(work.samples)),
        pixels(static_cast<std::uint64_t>(spec.height * spec.width)),
        channels(static_cast<std::uint64_t>(spec.channels)),
        is_moving(spec.to_planar && channels > 1 && pixels > 1) {}

  [[nodiscard]] std::uint64_t count() const { return samples * pixels * channels; }
  /// Elements of the target in 16 bytes.
  [[nodiscard]] std::uint64_t piece() const { return kPieceBytes / size_of(spec.to); }
  /// Tiles of a sample: each the same number of pieces of every plane, which begin up to one early.
  [[nodiscard]] std::uint64_t tiles() const {
    return divide_up(pixels + piece(), kTileBytes / (channels * piece()) * piece());
  }

  const ExpandSpec& spec;
  CUdeviceptr from;
  CUdeviceptr to;
  std::uint64_t samples;
  std::uint64_t pixels;
  std::uint64_t channels;
  bool is_moving;
};

bool is_finite(const std::vector<float>& values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

/// Whether expand_bytes.cu has a kernel for it: bytes, as images have them, to floating point.
bool is_fast(const Expansion& work) {
  const DataType to = work.spec.to;
  return work.spec.from == DataType::uint8 && work.channels <= kMostFastChannels &&
         (to == DataType::float32 || to == DataType::float16 || to == DataType::bfloat16) &&
         work.to % size_of(to) == 0 && is_finite(work.spec.scale) && is_finite(work.spec.bias) &&
         work.samples * work.tiles() <= INT32_MAX && work.count() / work.piece() <= INT32_MAX;
}

/// Whether the pieces of all planes, and what is read for them, are aligned.
bool is_aligned(const Expansion& work) {
  return work.pixels % work.piece() == 0 && work.to % kPieceBytes == 0 &&
         work.from % work.piece() == 0;
}

KernelOperation fast(const Expansion& work, Context& context, CUdeviceptr scale, CUdeviceptr bias) {
  const DataType to = work.spec.to;
  if (!work.is_moving) {
    const Pieces pieces(work.from, 1, work.to, size_of(to), work.count());
    const std::uint64_t blocks = divide_up(pieces.count, kInterleavedPiecesABlock);
    return {
        context.kernels().expand_bytes(Kernels::Bytes::interleaved, to),
        blocks == 0 ? loop_blocks(work.count()) : static_cast<unsigned>(blocks),
        kThreads,
        {work.from, work.to, work.count(), pieces.head, pieces.count, work.channels, scale, bias}};
  }
  if (work.channels == 3 && is_aligned(work)) {
    const std::uint64_t units = work.samples * work.pixels / work.piece();
    return {context.kernels().expand_bytes(Kernels::Bytes::three_planes, to),
            static_cast<unsigned>(divide_up(units, kThreads)),
            kThreads,
            {work.from, work.to, work.samples, work.pixels, scale, bias}};
  }
  return {context.kernels().expand_bytes(Kernels::Bytes::planes, to),
          static_cast<unsigned>(work.samples * work.tiles()),
          kTileThreads,
          {work.from, work.to, work.pixels, work.channels, scale, bias}};
}

}  // namespace

std::optional<ConvertCommand> as_conversion(const ExpandCommand& command) {
  const Expansion work(command);
  if (work.is_moving || !work.spec.scale.empty()) {
    return std::nullopt;
  }
  return ConvertCommand{command.from, work.spec.from, command.to, work.spec.to, work.count()};
}

KernelOperation expansion_of(const ExpandCommand& command, Context& context) {
  const Expansion work(command);
  const bool has_coefficients = is_fast(work) || !work.spec.scale.empty();
  const CUdeviceptr scale = has_coefficients ? context.coefficients().of(command.spec) : 0;
  const CUdeviceptr bias = has_coefficients ? scale + work.channels * sizeof(float) : 0;
  if (is_fast(work)) {
    return fast(work, context, scale, bias);
  }
  return {context.kernels().expand(work.spec.from),
          loop_blocks(work.count()),
          kThreads,
          {work.from,
           work.to,
           work.samples,
           work.pixels,
           work.channels,
           scale,
           bias,
           static_cast<std::uint64_t>(work.spec.to),
           work.is_moving ? 1U : 0U}};
}

}  // namespace headrace::cuda
