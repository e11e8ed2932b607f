// SPDX-License-Identifier: Apache-2.0
#include "kernels/expand.h"

#include "kernels/convert.h"
#include "kernels/small_float.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>

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

void normalise(float* __restrict values,
               const float* __restrict scale,
               const float* __restrict bias,
               std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = normalised(values[i], scale[i], bias[i]);
  }
}

// Interleaved to interleaved: the coefficients change from element to element.
void normalise_interleaved(const std::byte* source,
                           std::byte* target,
                           const ExpandShape& shape,
                           std::span<const float> scale,
                           std::span<const float> bias) noexcept {
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
    convert(
        source + begin * extents.source_size, shape.from, bytes_of(block), DataType::float32, size);
    normalise(block.data(), scale.data() + phase, bias.data() + phase, size);
    phase += size;
    convert(
        bytes_of(block), DataType::float32, target + begin * extents.target_size, shape.to, size);
  }
}

// Copies every `stride`-th element.
template <class Raw>
void gather(const std::byte* __restrict source,
            std::size_t stride,
            std::byte* __restrict target,
            std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(target + i * sizeof(Raw), source + i * stride * sizeof(Raw), sizeof(Raw));
  }
}

// Calls `work` with a number that is as wide as one element.
template <class Work>
void with_width(std::size_t element_size, Work work) noexcept {
  switch (element_size) {
    case 1:
      return work(std::uint8_t{});
    case 2:
      return work(std::uint16_t{});
    case 4:
      return work(std::uint32_t{});
    default:
      return work(std::uint64_t{});
  }
}

// A run of pixels of one channel, to a place in that channel's plane.
class PlaneWriter {
 public:
  PlaneWriter(const ExpandShape& shape,
              std::span<const float> scale,
              std::span<const float> bias) noexcept
      : extents_(shape), from_(shape.from), to_(shape.to), scale_(scale), bias_(bias) {}

  void write(const std::byte* source,
             std::size_t channel,
             std::byte* target,
             std::size_t count) noexcept {
    with_width(extents_.source_size, [&]<class Raw>(Raw) {
      gather<Raw>(source + channel * sizeof(Raw), extents_.channels, raw_.data(), count);
    });
    if (scale_.empty()) {
      convert(raw_.data(), from_, target, to_, count);
      return;
    }
    convert(raw_.data(), from_, bytes_of(block_), DataType::float32, count);
    const float scale = scale_[channel];
    const float bias = bias_[channel];
    for (std::size_t i = 0; i < count; ++i) {
      block_[i] = normalised(block_[i], scale, bias);
    }
    convert(bytes_of(block_), DataType::float32, target, to_, count);
  }

 private:
  Extents extents_;
  DataType from_;
  DataType to_;
  std::span<const float> scale_;
  std::span<const float> bias_;
  alignas(64) std::array<std::byte, kBlock * 8> raw_;
  FloatBlock block_;
};

void expand_to_planar(const std::byte* source,
                      std::byte* target,
                      const ExpandShape& shape,
                      std::span<const float> scale,
                      std::span<const float> bias) noexcept {
  const Extents extents(shape);
  PlaneWriter writer(shape, scale, bias);
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

// For one-byte sources: looks every element up in a table of the results for all 256 bytes.
class ByteTable {
 public:
  static bool is_worth_it(const ExpandShape& shape) noexcept {
    const Extents extents(shape);
    return extents.source_size == 1 && extents.channels <= kMaxChannels &&
           extents.samples * extents.pixels >= 4 * kBytes;
  }

  ByteTable(const ExpandShape& shape,
            std::span<const float> scale,
            std::span<const float> bias) noexcept
      : extents_(shape), is_planar_(shape.to_planar) {
    std::array<std::byte, kBytes> bytes;
    for (std::size_t i = 0; i < kBytes; ++i) {
      bytes[i] = static_cast<std::byte>(i);
    }
    const ExpandShape one_channel{.samples = kBytes, .from = shape.from, .to = shape.to};
    for (std::size_t channel = 0; channel < extents_.channels; ++channel) {
      std::byte* results = table_.data() + channel * kBytes * extents_.target_size;
      if (scale.empty()) {
        convert(bytes.data(), shape.from, results, shape.to, kBytes);
      } else {
        normalise_interleaved(bytes.data(),
                              results,
                              one_channel,
                              scale.subspan(channel, 1),
                              bias.subspan(channel, 1));
      }
    }
  }

  void expand(const std::byte* source, std::byte* target) const noexcept {
    with_width(extents_.target_size, [&]<class Raw>(Raw) {
      const std::size_t sample_size = extents_.pixels * extents_.channels;
      for (std::size_t sample = 0; sample < extents_.samples; ++sample) {
        for (std::size_t begin = 0; begin < extents_.pixels; begin += kBlock) {
          look_up<Raw>(
              source + sample * sample_size, target + sample * sample_size * sizeof(Raw), begin);
        }
      }
    });
  }

 private:
  static constexpr std::size_t kBytes = 256;
  static constexpr std::size_t kMaxChannels = 4;

  // A block of pixels of one sample, one channel after the other.
  template <class Raw>
  void look_up(const std::byte* __restrict source,
               std::byte* __restrict target,
               std::size_t begin) const noexcept {
    const std::size_t channels = extents_.channels;
    const std::size_t step = (is_planar_ ? 1 : channels) * sizeof(Raw);
    const std::size_t end = std::min(begin + kBlock, extents_.pixels);
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const std::byte* results = table_.data() + channel * kBytes * sizeof(Raw);
      const std::byte* from = source + begin * channels + channel;
      std::byte* to = target + channel * (is_planar_ ? extents_.pixels : 1) * sizeof(Raw);
      to += begin * step;
      for (std::size_t i = begin; i < end; ++i) {
        std::memcpy(to, results + static_cast<std::size_t>(*from) * sizeof(Raw), sizeof(Raw));
        from += channels;
        to += step;
      }
    }
  }

  Extents extents_;
  bool is_planar_;
  std::array<std::byte, kMaxChannels * kBytes * 8> table_;
};

}  // namespace

void expand(const std::byte* source,
            std::byte* target,
            const ExpandShape& shape,
            std::span<const float> scale,
            std::span<const float> bias) noexcept {
  assert(scale.size() == bias.size());
  assert(scale.empty() || scale.size() == static_cast<std::size_t>(shape.channels));
  const Extents extents(shape);
  const std::size_t count = extents.samples * extents.pixels * extents.channels;
  if (count == 0) {
    return;
  }
  const bool is_moving = shape.to_planar && extents.channels > 1 && extents.pixels > 1;
  if (scale.empty() && !is_moving) {
    convert(source, shape.from, target, shape.to, count);
  } else if (ByteTable::is_worth_it(shape)) {
    ByteTable(shape, scale, bias).expand(source, target);
  } else if (is_moving) {
    expand_to_planar(source, target, shape, scale, bias);
  } else {
    normalise_interleaved(source, target, shape, scale, bias);
  }
}

}  // namespace headrace::kernels
