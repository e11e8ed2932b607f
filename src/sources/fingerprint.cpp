// SPDX-License-Identifier: Apache-2.0
#include "sources/fingerprint.h"

namespace headrace::sources {
namespace {

constexpr std::uint64_t kPrime = 0x100000001B3;        // FNV's
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio

constexpr std::size_t kPieceBytes = 256;

}  // namespace

void Fingerprint::add_bytes(std::span<const std::byte> bytes) noexcept {
  for (const std::byte byte : bytes) {
    hash_ = (hash_ ^ std::to_integer<std::uint64_t>(byte)) * kPrime;
  }
}

void Fingerprint::add(std::uint64_t number) noexcept {
  hash_ = (hash_ ^ number) * kGolden;
  hash_ ^= hash_ >> 32U;
}

void Fingerprint::add(std::string_view text) noexcept {
  add(std::uint64_t{text.size()});
  add_bytes(std::as_bytes(std::span(text)));
}

void Fingerprint::add(const Shape& shape) noexcept {
  add(std::uint64_t{shape.rank()});
  for (const std::int64_t extent : shape) {
    add(static_cast<std::uint64_t>(extent));
  }
}

void Fingerprint::add(const SampleSpec& spec) {
  const auto add_part = [this](const Shape& shape, DataType dtype) {
    add(shape);
    add(to_string(dtype));
  };
  add_part(spec.input_shape, spec.input_dtype);
  add_part(spec.label_shape, spec.label_dtype);
  add(std::uint64_t{spec.fields.size()});
  for (const SampleSpec::Field& field : spec.fields) {
    add(field.name);
    add_part(field.shape, field.dtype);
  }
}

void Fingerprint::add_content(std::span<const std::byte> bytes, std::size_t pieces) noexcept {
  add(std::uint64_t{bytes.size()});
  if (bytes.size() <= pieces * kPieceBytes) {
    add_bytes(bytes);
    return;
  }
  const std::size_t last = bytes.size() - kPieceBytes;
  const std::size_t step = last / (pieces - 1);
  for (std::size_t piece = 0; piece + 1 < pieces; ++piece) {
    add_bytes(bytes.subspan(piece * step, kPieceBytes));
  }
  add_bytes(bytes.subspan(last));
}

std::uint64_t fingerprint_of_subset(std::uint64_t parent, std::span<const std::uint64_t> indices) {
  Fingerprint fingerprint("subset");
  fingerprint.add(parent);
  fingerprint.add(std::uint64_t{indices.size()});
  for (const std::uint64_t index : indices) {
    fingerprint.add(index);
  }
  return fingerprint.value();
}

}  // namespace headrace::sources
