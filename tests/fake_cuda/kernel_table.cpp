// SPDX-License-Identifier: Apache-2.0
// The kernels of src/backends/cuda/kernels, by the host's own loops. A new one is a function here
// and an entry in `find_kernel`.
#include "fake_cuda/kernel_table.h"

#include "headrace/data_type.h"

#include "fake_cuda/context.h"
#include "fake_cuda/kernel.h"
#include "fake_cuda/lock.h"
#include "fake_cuda/memory.h"
#include "kernels/convert.h"
#include "kernels/expand.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

namespace headrace::fake_cuda {

namespace {

using Body = std::function<void()>;

constexpr std::uint64_t kPieceBytes = 16;

/// Memory that a kernel uses; its owner keeps it.
struct Memory {
  std::shared_ptr<Allocation> owner;
  std::byte* bytes = nullptr;
  explicit operator bool() const { return bytes != nullptr; }
};

/// `bytes` bytes at an argument: a device's or page-locked memory.
Memory memory_at(const KernelLaunch& launch, std::size_t argument, std::uint64_t bytes) {
  const Place place = place_of(launch.arguments[argument], bytes);
  if (place.kind != Place::Kind::device && place.kind != Place::Kind::pinned) {
    violate(launch.function->name + ": argument " + std::to_string(argument) + " names " +
            std::to_string(bytes) + " bytes that are not allocated");
    return {};
  }
  if (place.kind == Place::Kind::device &&
      !may_access(*launch.function->context, *place.allocation->context)) {
    violate(launch.function->name + ": argument " + std::to_string(argument) +
            " names memory of another device, to which there is no access");
    return {};
  }
  return {place.allocation, place.bytes};
}

bool is_aligned(const KernelLaunch& launch, std::uint64_t address, std::uint64_t alignment) {
  if (address % alignment != 0) {
    violate(launch.function->name + ": an access of " + std::to_string(alignment) +
            " bytes is not aligned");
    return false;
  }
  return true;
}

/// (source, target, count, head, pieces): convert.cu. Only the pieces that the grid reaches are
/// converted; the rest is a loop that any grid finishes.
Body convert(DataType from, DataType to, const KernelLaunch& launch) {
  constexpr std::uint64_t kPiecesAThread = 2;
  const std::uint64_t from_bytes = size_of(from);
  const std::uint64_t to_bytes = size_of(to);
  const std::uint64_t piece = kPieceBytes / std::max(from_bytes, to_bytes);
  const std::uint64_t count = launch.arguments[2];
  const std::uint64_t head = launch.arguments[3];
  const std::uint64_t pieces = launch.arguments[4];
  const Memory source = memory_at(launch, 0, count * from_bytes);
  const Memory target = memory_at(launch, 1, count * to_bytes);
  if (!source || !target) {
    return {};
  }
  if (head + pieces * piece > count) {
    violate(launch.function->name + ": the pieces end behind the elements");
    return {};
  }
  if (pieces != 0 &&
      !(is_aligned(launch, launch.arguments[0] + head * from_bytes, piece * from_bytes) &&
        is_aligned(launch, launch.arguments[1] + head * to_bytes, piece * to_bytes))) {
    return {};
  }
  const std::uint64_t reached =
      std::min(pieces, std::uint64_t{launch.blocks} * launch.threads * kPiecesAThread);
  return [=] {
    const auto part = [&](std::uint64_t first, std::uint64_t elements) {
      kernels::convert(
          source.bytes + first * from_bytes, from, target.bytes + first * to_bytes, to, elements);
    };
    part(0, head);
    part(head, reached * piece);
    part(head + pieces * piece, count - head - pieces * piece);
  };
}

std::span<const float> floats(const Memory& memory, std::uint64_t count) {
  return memory ? std::span(reinterpret_cast<const float*>(memory.bytes), count)
                : std::span<const float>();
}

/// (source, target, samples, pixels, channels, scale, bias, to, is_planar): convert.cu.
Body expand(DataType from, const KernelLaunch& launch) {
  const auto& arguments = launch.arguments;
  kernels::ExpandShape shape;
  shape.samples = static_cast<std::int64_t>(arguments[2]);
  shape.width = static_cast<std::int64_t>(arguments[3]);
  shape.channels = static_cast<std::int64_t>(arguments[4]);
  shape.to_planar = arguments[8] != 0;
  shape.from = from;
  if (arguments[7] >= kAllDataTypes.size()) {
    violate(launch.function->name + ": there is no such type");
    return {};
  }
  shape.to = static_cast<DataType>(arguments[7]);
  const std::uint64_t count = arguments[2] * arguments[3] * arguments[4];
  const bool is_scaled = arguments[5] != 0;
  const Memory source = memory_at(launch, 0, count * size_of(from));
  const Memory target = memory_at(launch, 1, count * size_of(shape.to));
  const Memory scale = is_scaled ? memory_at(launch, 5, arguments[4] * sizeof(float)) : Memory();
  const Memory bias = is_scaled ? memory_at(launch, 6, arguments[4] * sizeof(float)) : Memory();
  if (!source || !target || (is_scaled && (!scale || !bias))) {
    return {};
  }
  const std::uint64_t channels = arguments[4];
  return [=] {
    kernels::expand(
        source.bytes, target.bytes, shape, floats(scale, channels), floats(bias, channels));
  };
}

/// uint8 to `to` by way of coefficients, one an argument from `scale` on: expand_bytes.cu.
Body expand_bytes(const KernelLaunch& launch,
                  const kernels::ExpandShape& shape,
                  std::size_t scale) {
  const auto channels = static_cast<std::uint64_t>(shape.channels);
  const auto count = static_cast<std::uint64_t>(shape.samples * shape.width) * channels;
  const Memory source = memory_at(launch, 0, count);
  const Memory target = memory_at(launch, 1, count * size_of(shape.to));
  const Memory scales = memory_at(launch, scale, channels * sizeof(float));
  const Memory biases = memory_at(launch, scale + 1, channels * sizeof(float));
  if (!source || !target || !scales || !biases) {
    return {};
  }
  return [=] {
    kernels::expand(
        source.bytes, target.bytes, shape, floats(scales, channels), floats(biases, channels));
  };
}

kernels::ExpandShape shape_of(std::uint64_t samples,
                              std::uint64_t pixels,
                              std::uint64_t channels,
                              DataType to,
                              bool to_planar) {
  kernels::ExpandShape shape;
  shape.samples = static_cast<std::int64_t>(samples);
  shape.width = static_cast<std::int64_t>(pixels);
  shape.channels = static_cast<std::int64_t>(channels);
  shape.to = to;
  shape.to_planar = to_planar;
  return shape;
}

/// (source, target, count, head, pieces, channels, scale, bias).
Body expand_interleaved(DataType to, const KernelLaunch& launch) {
  constexpr std::uint64_t kPiecesAThread = 4;
  const auto& arguments = launch.arguments;
  const std::uint64_t piece = kPieceBytes / size_of(to);
  const std::uint64_t head = arguments[3];
  const std::uint64_t pieces = arguments[4];
  if (head + pieces * piece > arguments[2] ||
      pieces > std::uint64_t{launch.blocks} * launch.threads * kPiecesAThread) {
    violate(launch.function->name + ": the pieces are not those of the grid or the elements");
    return {};
  }
  if (pieces != 0 && !(is_aligned(launch, arguments[0] + head, piece) &&
                       is_aligned(launch, arguments[1] + head * size_of(to), kPieceBytes))) {
    return {};
  }
  return expand_bytes(launch, shape_of(1, arguments[2] / arguments[5], arguments[5], to, false), 6);
}

/// (source, target, samples, pixels, scale, bias).
Body expand_three_planes(DataType to, const KernelLaunch& launch) {
  const auto& arguments = launch.arguments;
  const std::uint64_t piece = kPieceBytes / size_of(to);
  if (arguments[3] % piece != 0 ||
      arguments[2] * arguments[3] / piece > std::uint64_t{launch.blocks} * launch.threads) {
    violate(launch.function->name + ": the pieces are not those of the grid or the planes");
    return {};
  }
  if (!is_aligned(launch, arguments[0], piece) || !is_aligned(launch, arguments[1], kPieceBytes)) {
    return {};
  }
  return expand_bytes(launch, shape_of(arguments[2], arguments[3], 3, to, true), 4);
}

/// (source, target, pixels, channels, scale, bias), as many samples as the grid has tiles for.
Body expand_planes(DataType to, const KernelLaunch& launch) {
  constexpr std::uint64_t kTileBytes = 6144;
  const std::uint64_t pixels = launch.arguments[2];
  const std::uint64_t channels = launch.arguments[3];
  const std::uint64_t piece = kPieceBytes / size_of(to);
  const std::uint64_t tile = kTileBytes / (channels * piece) * piece;
  const std::uint64_t tiles = (pixels + piece + tile - 1) / tile;
  if (launch.blocks % tiles != 0) {
    violate(launch.function->name + ": the blocks are no whole samples");
    return {};
  }
  return expand_bytes(launch, shape_of(launch.blocks / tiles, pixels, channels, to, true), 4);
}

/// (source, target, pieces): copy.cu.
Body copy_16_bytes(const KernelLaunch& launch) {
  constexpr std::uint64_t kPiecesAThread = 2;
  const std::uint64_t reached =
      std::min(launch.arguments[2], std::uint64_t{launch.blocks} * launch.threads * kPiecesAThread);
  const Memory source = memory_at(launch, 0, launch.arguments[2] * kPieceBytes);
  const Memory target = memory_at(launch, 1, launch.arguments[2] * kPieceBytes);
  if (!source || !target || !is_aligned(launch, launch.arguments[0], kPieceBytes) ||
      !is_aligned(launch, launch.arguments[1], kPieceBytes)) {
    return {};
  }
  return [=] { std::memmove(target.bytes, source.bytes, reached * kPieceBytes); };
}

/// (target, pattern, count): fill.cu.
Body fill_8_bytes(const KernelLaunch& launch) {
  const std::uint64_t pattern = launch.arguments[1];
  const std::uint64_t count = launch.arguments[2];
  const Memory target = memory_at(launch, 0, count * sizeof(pattern));
  if (!target) {
    return {};
  }
  return [=] {
    for (std::uint64_t i = 0; i < count; ++i) {
      std::memcpy(target.bytes + i * sizeof(pattern), &pattern, sizeof(pattern));
    }
  };
}

std::optional<DataType> type_named(std::string_view name) {
  const auto* found =
      std::ranges::find(kAllDataTypes, name, [](DataType type) { return to_string(type); });
  return found == kAllDataTypes.end() ? std::nullopt : std::optional(*found);
}

/// The type named behind `prefix`.
std::optional<DataType> type_behind(std::string_view prefix, std::string_view name) {
  return name.starts_with(prefix) ? type_named(name.substr(prefix.size())) : std::nullopt;
}

std::optional<Kernel> find_expand_bytes(std::string_view function) {
  if (const std::optional<DataType> to = type_behind("interleaved_to_", function)) {
    return Kernel{
        8, [to = *to](const KernelLaunch& launch) { return expand_interleaved(to, launch); }};
  }
  if (const std::optional<DataType> to = type_behind("three_planes_to_", function)) {
    return Kernel{
        6, [to = *to](const KernelLaunch& launch) { return expand_three_planes(to, launch); }};
  }
  if (const std::optional<DataType> to = type_behind("planes_to_", function)) {
    return Kernel{6, [to = *to](const KernelLaunch& launch) { return expand_planes(to, launch); }};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Kernel> find_kernel(std::string_view module, std::string_view function) {
  const std::optional<DataType> from = type_behind("convert_", module);
  const std::optional<DataType> to = type_behind("to_", function);
  if (from && to) {
    return Kernel{5, [from = *from, to = *to](const KernelLaunch& launch) {
                    return convert(from, to, launch);
                  }};
  }
  if (from && function == "expand") {
    return Kernel{9, [from = *from](const KernelLaunch& launch) { return expand(from, launch); }};
  }
  if (module == "expand_bytes") {
    return find_expand_bytes(function);
  }
  if (module == "copy" && function == "copy_16_bytes") {
    return Kernel{3, copy_16_bytes};
  }
  if (module == "fill" && function == "fill_8_bytes") {
    return Kernel{3, fill_8_bytes};
  }
  return std::nullopt;
}

}  // namespace headrace::fake_cuda
