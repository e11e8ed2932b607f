// SPDX-License-Identifier: Apache-2.0
#include "headrace/error.h"

#include "backends/vulkan/context.h"
#include "backends/vulkan/geometry.h"
#include "backends/vulkan/translate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

namespace headrace::vulkan {

namespace {

bool is_finite(const std::vector<float>& values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

/// Whether no subnormal number, and none that is too large, can come up while whole numbers, or
/// others that are as tame, are computed with: devices may make of these what they like. Such
/// numbers times each other are far from both; and a sum of such is zero or no less than their last
/// places.
bool is_tame(const ExpandSpec& spec) {
  constexpr float kLeast = 0x1p-60F;
  const auto is_in_range = [](float value) {
    return value == 0 || (std::abs(value) >= kLeast && std::abs(value) <= 1 / kLeast);
  };
  return std::ranges::all_of(spec.scale, is_in_range) &&
         std::ranges::all_of(spec.bias, is_in_range);
}

/// An expansion in the shaders' numbers, and its parts that can be bound as a whole.
class Expansion {
 public:
  Expansion(const ExpandCommand& work, Context& context, std::vector<Operation>& operations)
      : work_(work),
        spec_(*work.spec),
        context_(context),
        operations_(operations),
        samples_(static_cast<std::uint64_t>(work.samples)),
        pixels_(static_cast<std::uint64_t>(spec_.height * spec_.width)),
        channels_(static_cast<std::uint64_t>(spec_.channels)),
        most_bytes_(context.facts().most_bytes_bound - 2 * kBindAlignment) {}

  [[nodiscard]] bool is_moving() const { return spec_.to_planar && channels_ > 1 && pixels_ > 1; }
  [[nodiscard]] std::uint64_t count() const { return samples_ * pixels_ * channels_; }

  /// The order stays: all of it is one row of pixels.
  void add_in_place() {
    const std::uint64_t all = samples_ * pixels_;
    const std::uint64_t most = pixels_in(most_bytes_);
    for (std::uint64_t done = 0; done < all; done += most) {
      const std::uint64_t part = std::min(most, all - done);
      add({done * channels_, done * channels_, 1, part, 0, channels_});
    }
  }

  /// As many samples at a time as can be bound; where that is not even one, each of its planes in
  /// parts.
  void add_moving() {
    const std::uint64_t sample = pixels_ * channels_;
    if (const std::uint64_t most = most_bytes_ / (sample * widest()); most != 0) {
      for (std::uint64_t done = 0; done < samples_; done += most) {
        const std::uint64_t part = std::min(most, samples_ - done);
        add({done * sample, done * sample, part, pixels_, 0, channels_});
      }
      return;
    }
    for (std::uint64_t plane = 0; plane < samples_ * channels_; ++plane) {
      add_plane(plane / channels_, plane % channels_);
    }
  }

 private:
  /// Of normalise.glsl.
  enum Arithmetic : std::uint32_t { soft, hard, hard_where_tame };
  /// Of expand_bytes.comp.
  enum FastShape : std::uint32_t { interleaved = 1, three_planes, planes };
  /// Of expand.comp.
  enum GeneralShape : std::uint32_t { anywhere, aligned };

  /// Elements of the source and of the target where it begins, and what it takes of them.
  struct Part {
    std::uint64_t from;
    std::uint64_t to;
    std::uint64_t samples;
    std::uint64_t pixels;
    std::uint64_t first_channel;
    std::uint64_t written_channels;
  };

  [[nodiscard]] std::uint64_t widest() const {
    return std::max(size_of(spec_.from), size_of(spec_.to));
  }

  [[nodiscard]] std::uint64_t pixels_in(std::uint64_t bytes) const {
    const std::uint64_t most = bytes / (channels_ * widest());
    if (most == 0) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{} expands pixels of at most {} bytes, not of {} channels of {}.",
                              context_.facts().info.spec,
                              bytes,
                              channels_,
                              widest()));
    }
    constexpr std::uint64_t kWhole = 256;  // So that the next part is aligned as this one.
    return most < kWhole ? most : most / kWhole * kWhole;
  }

  void add_plane(std::uint64_t sample, std::uint64_t channel) {
    const std::uint64_t most = pixels_in(most_bytes_);
    for (std::uint64_t done = 0; done < pixels_; done += most) {
      const std::uint64_t part = std::min(most, pixels_ - done);
      add({(sample * pixels_ + done) * channels_,
           (sample * channels_ + channel) * pixels_ + done,
           1,
           part,
           channel,
           1});
    }
  }

  [[nodiscard]] Place place_of(MemoryView view, std::uint64_t elements, DataType type) const {
    view.offset += elements * size_of(type);
    return context_.memory().find(view);
  }

  void add(const Part& part) {
    const std::uint64_t read = part.samples * part.pixels * channels_;
    const Binding from(place_of(work_.from, part.from, spec_.from), read * size_of(spec_.from));
    const Binding to(place_of(work_.to, part.to, spec_.to), written(part) * size_of(spec_.to));
    DispatchOperation operation{VK_NULL_HANDLE, from.range, to.range, {}};
    operation.constants = {from.offset,
                           to.offset,
                           static_cast<std::uint32_t>(part.samples),
                           static_cast<std::uint32_t>(part.pixels),
                           static_cast<std::uint32_t>(channels_),
                           is_moving() ? 1U : 0U,
                           static_cast<std::uint32_t>(part.first_channel),
                           static_cast<std::uint32_t>(part.written_channels)};
    const std::uint32_t most = context_.facts().most_groups;
    const std::optional<FastShape> shape = fast_shape(part, from.offset, to.offset);
    if (shape || has_coefficients()) {
      operation.coefficients = context_.coefficients().of(spec_);
    }
    if (shape) {
      operation.pipeline = pipeline(Shader::expand_bytes, *shape, special_channels());
      operation.groups = groups_of(threads(part, *shape), most);
    } else if (is_aligned(from.offset, to.offset)) {
      operation.pipeline = pipeline(Shader::expand, aligned, under_way());
      operation.groups = groups_of(divide_up(written(part), under_way()), most);
    } else {
      operation.pipeline = pipeline(Shader::expand, anywhere, 0);
      operation.groups = groups_of(touched(to.offset, written(part) * size_of(spec_.to), 4), most);
    }
    operations_.emplace_back(operation);
  }

  static std::uint64_t written(const Part& part) {
    return part.samples * part.pixels * part.written_channels;
  }

  [[nodiscard]] bool has_coefficients() const { return !spec_.scale.empty(); }

  [[nodiscard]] VkPipeline pipeline(Shader shader,
                                    std::uint32_t shape,
                                    std::uint32_t last_constant) const {
    return context_.pipelines().get({shader,
                                     {static_cast<std::uint32_t>(spec_.from),
                                      static_cast<std::uint32_t>(spec_.to),
                                      shape,
                                      has_coefficients() ? 1U : 0U,
                                      arithmetic(),
                                      last_constant}});
  }

  /// Numbers of channels that expand_bytes.comp is made for, or 0.
  [[nodiscard]] std::uint32_t special_channels() const {
    return channels_ == 1 || channels_ == 3 ? static_cast<std::uint32_t>(channels_) : 0;
  }

  /// Whether expand.comp can read elements and write words whole.
  [[nodiscard]] bool is_aligned(std::uint32_t from_offset, std::uint32_t to_offset) const {
    return to_offset % 4 == 0 && from_offset % std::min<std::size_t>(size_of(spec_.from), 4) == 0;
  }

  /// Elements that a thread of expand.comp has under way. A processor waits for memory less than
  /// for the pipeline to be made.
  [[nodiscard]] std::uint32_t under_way() const { return context_.facts().info.is_gpu ? 8 : 4; }

  [[nodiscard]] Arithmetic arithmetic() const {
    if (context_.facts().float_controls == FloatControls::none || !is_tame(spec_)) {
      return soft;
    }
    return is_floating_point(spec_.from) ? hard_where_tame : hard;
  }

  /// Elements of the target in 16 bytes.
  [[nodiscard]] std::uint32_t piece() const {
    return kPieceBytes / static_cast<std::uint32_t>(size_of(spec_.to));
  }

  /// How expand_bytes.comp does it: bytes, as images have them, to floating point.
  [[nodiscard]] std::optional<FastShape> fast_shape(const Part& part,
                                                    std::uint32_t from_offset,
                                                    std::uint32_t to_offset) const {
    const DataType to = spec_.to;
    const bool is_for_it =
        spec_.from == DataType::uint8 && channels_ <= kMostFastChannels &&
        part.written_channels == channels_ && is_finite(spec_.scale) && is_finite(spec_.bias) &&
        (to == DataType::float32 || to == DataType::float16 || to == DataType::bfloat16);
    const bool is_aligned = to_offset % kPieceBytes == 0 && from_offset % piece() == 0;
    if (!is_for_it || (!is_moving() && !is_aligned) || to_offset % size_of(to) != 0) {
      return std::nullopt;
    }
    if (!is_moving()) {
      return interleaved;
    }
    return channels_ == 3 && is_aligned && pixels_ % piece() == 0 ? three_planes : planes;
  }

  [[nodiscard]] std::uint64_t threads(const Part& part, FastShape shape) const {
    switch (shape) {
      case interleaved:
        return divide_up(written(part), std::uint64_t{piece()} * kInterleavedPiecesAThread);
      case three_planes:
        return divide_up(part.samples * part.pixels, piece());
      case planes: {
        const std::uint64_t tile = kTileBytes / (channels_ * piece()) * piece();
        return part.samples * divide_up(part.pixels + piece(), tile) * kThreads;
      }
    }
    return 1;
  }

  const ExpandCommand& work_;
  const ExpandSpec& spec_;
  Context& context_;
  std::vector<Operation>& operations_;
  const std::uint64_t samples_;
  const std::uint64_t pixels_;
  const std::uint64_t channels_;
  const std::uint64_t most_bytes_;
};

}  // namespace

void translate(const ExpandCommand& work, Context& context, std::vector<Operation>& operations) {
  Expansion expansion(work, context, operations);
  if (expansion.count() == 0) {
    return;
  }
  if (expansion.is_moving()) {
    return expansion.add_moving();
  }
  if (work.spec->scale.empty()) {
    return translate(
        ConvertCommand{work.from, work.spec->from, work.to, work.spec->to, expansion.count()},
        context,
        operations);
  }
  expansion.add_in_place();
}

}  // namespace headrace::vulkan
