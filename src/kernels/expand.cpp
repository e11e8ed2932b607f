// SPDX-License-Identifier: Apache-2.0
#include "kernels/expand.h"

#include "kernels/convert.h"
#include "kernels/f16c.h"
#include "kernels/gather.h"
#include "kernels/small_float.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <type_traits>

#if defined(__clang__)
#pragma clang fp contract(off)
#endif

namespace headrace::kernels {
namespace {

// Elements worked on at a time; what is between two steps stays in the first-level cache.
constexpr std::size_t kBlock = 768;

using FloatBlock = std::array<float, kBlock>;

std::byte* bytes_of(FloatBlock& block) noexcept {
  return std::as_writable_bytes(std::span(block)).data();
}

// The extents and sizes of an ExpandShape as unsigned numbers.
struct Extents {
  explicit Extents(const ExpandShape& shape) noexcept
      : samples(static_cast<std::size_t>(shape.samples)),
        pixels(static_cast<std::size_t>(shape.height * shape.width)),
        channels(static_cast<std::size_t>(shape.channels)),
        source_size(size_of(shape.from)),
        target_size(size_of(shape.to)) {}

  std::size_t samples;
  std::size_t pixels;
  std::size_t channels;
  std::size_t source_size;  // of one element
  std::size_t target_size;
};

// What processors make of a NaN's sign and payload differs, hence the last line.
inline float normalised(float value, float scale, float bias) noexcept {
  const float product = value * scale;
  const float sum = product + bias;
  return sum == sum ? sum : std::bit_cast<float>(kFloat32Nan);
}

// Coefficients: one of each for all values, a float, or pointers to one for each.
template <class Coefficient>
struct Affine {
  Coefficient scale;
  Coefficient bias;

  [[nodiscard]] Affine after(std::size_t count) const noexcept {
    if constexpr (std::is_pointer_v<Coefficient>) {
      return {scale + count, bias + count};
    } else {
      return *this;
    }
  }
};

[[gnu::always_inline]] inline void normalise_loop(float* __restrict values,
                                                  Affine<const float*> affine,
                                                  std::size_t count) noexcept {
  const float* __restrict scale = affine.scale;
  const float* __restrict bias = affine.bias;
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = normalised(values[i], scale[i], bias[i]);
  }
}

[[gnu::always_inline]] inline void normalise_loop(float* values,
                                                  Affine<float> affine,
                                                  std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = normalised(values[i], affine.scale, affine.bias);
  }
}

#if defined(HEADRACE_X86_LEVELS)
template <class Coefficient>
HEADRACE_AVX2 void normalise_avx2(float* values,
                                  Affine<Coefficient> affine,
                                  std::size_t count) noexcept {
  normalise_loop(values, affine, count);
}
#endif

template <class Coefficient>
void normalise_in_place(float* values,
                        Affine<Coefficient> affine,
                        std::size_t count,
                        [[maybe_unused]] Level level) noexcept {
#if defined(HEADRACE_X86_LEVELS)
  if (level >= Level::avx2) {
    return normalise_avx2(values, affine, count);
  }
#endif
  normalise_loop(values, affine, count);
}

// Normalises values, which it may overwrite, and converts them.
template <class Coefficient>
void normalise(float* values,
               Affine<Coefficient> affine,
               std::byte* target,
               DataType to,
               std::size_t count,
               Level level) noexcept {
  std::size_t done = 0;
#if defined(HEADRACE_X86_LEVELS)
  if (level >= Level::avx2 && to == DataType::float16) {
    done = normalise_to_float16(values, affine.scale, affine.bias, target, count);
  }
#endif
  const std::span rest(values + done, count - done);
  normalise_in_place(rest.data(), affine.after(done), rest.size(), level);
  std::byte* place = target + done * size_of(to);
  convert(std::as_bytes(rest).data(), DataType::float32, place, to, rest.size(), level);
}

// Interleaved to interleaved: the coefficients change from element to element.
void normalise_interleaved(const std::byte* source,
                           std::byte* target,
                           const ExpandShape& shape,
                           std::span<const float> scale,
                           std::span<const float> bias,
                           Level level) noexcept {
  const Extents extents(shape);
  // Few channels: repeat the coefficients, so that the inner loop has no notion of channels.
  FloatBlock scales;
  FloatBlock biases;
  std::size_t period = extents.channels;
  if (period <= kBlock) {
    period = kBlock / extents.channels * extents.channels;
    for (std::size_t i = 0; i < period; ++i) {
      scales[i] = scale[i % extents.channels];
      biases[i] = bias[i % extents.channels];
    }
    scale = scales;
    bias = biases;
  }
  const std::size_t count = extents.samples * extents.pixels * extents.channels;
  FloatBlock block;
  std::size_t size = 0;
  std::size_t phase = 0;
  for (std::size_t begin = 0; begin < count; begin += size) {
    phase = phase == period ? 0 : phase;
    size = std::min({kBlock, period - phase, count - begin});
    const std::byte* from = source + begin * extents.source_size;
    std::byte* to = target + begin * extents.target_size;
    convert(from, shape.from, bytes_of(block), DataType::float32, size, level);
    const Affine<const float*> affine{scale.data() + phase, bias.data() + phase};
    normalise(block.data(), affine, to, shape.to, size, level);
    phase += size;
  }
}

// A run of pixels of one channel, to a place in that channel's plane.
class PlaneWriter {
 public:
  PlaneWriter(const ExpandShape& shape,
              std::span<const float> scale,
              std::span<const float> bias,
              Level level) noexcept
      : extents_(shape),
        from_(shape.from),
        to_(shape.to),
        scale_(scale),
        bias_(bias),
        level_(level) {}

  void write(const std::byte* source,
             std::size_t channel,
             std::byte* target,
             std::size_t count) noexcept {
    const std::size_t size = extents_.source_size;
    gather(source + channel * size, extents_.channels, raw_.data(), count, size, level_);
    if (scale_.empty()) {
      convert(raw_.data(), from_, target, to_, count, level_);
      return;
    }
    convert(raw_.data(), from_, bytes_of(block_), DataType::float32, count, level_);
    const Affine<float> affine{scale_[channel], bias_[channel]};
    normalise(block_.data(), affine, target, to_, count, level_);
  }

 private:
  Extents extents_;
  DataType from_;
  DataType to_;
  std::span<const float> scale_;
  std::span<const float> bias_;
  Level level_;
  alignas(64) std::array<std::byte, kBlock * 8> raw_;
  FloatBlock block_;
};

void expand_to_planar(const std::byte* source,
                      std::byte* target,
                      const ExpandShape& shape,
                      std::span<const float> scale,
                      std::span<const float> bias,
                      Level level) noexcept {
  const Extents extents(shape);
  PlaneWriter writer(shape, scale, bias, level);
  for (std::size_t sample = 0; sample < extents.samples; ++sample) {
    for (std::size_t begin = 0; begin < extents.pixels; begin += kBlock) {
      const std::size_t size = std::min(kBlock, extents.pixels - begin);
      for (std::size_t channel = 0; channel < extents.channels; ++channel) {
        writer.write(source + begin * extents.channels * extents.source_size,
                     channel,
                     target + (channel * extents.pixels + begin) * extents.target_size,
                     size);
      }
    }
    source += extents.pixels * extents.channels * extents.source_size;
    target += extents.pixels * extents.channels * extents.target_size;
  }
}

}  // namespace

void expand(const std::byte* source,
            std::byte* target,
            const ExpandShape& shape,
            std::span<const float> scale,
            std::span<const float> bias,
            Level level) noexcept {
  assert(scale.size() == bias.size());
  assert(scale.empty() || scale.size() == static_cast<std::size_t>(shape.channels));
  const Extents extents(shape);
  const std::size_t count = extents.samples * extents.pixels * extents.channels;
  if (count == 0) {
    return;
  }
  const bool is_moving = shape.to_planar && extents.channels > 1 && extents.pixels > 1;
  if (scale.empty() && !is_moving) {
    convert(source, shape.from, target, shape.to, count, level);
  } else if (is_moving) {
    expand_to_planar(source, target, shape, scale, bias, level);
  } else {
    normalise_interleaved(source, target, shape, scale, bias, level);
  }
}

}  // namespace headrace::kernels
