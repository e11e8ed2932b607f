// SPDX-License-Identifier: Apache-2.0
#include "backends/shared/coefficients.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace headrace::backends {

namespace {
std::uint32_t bits_of(float value) {
  return std::bit_cast<std::uint32_t>(value);
}
}  // namespace

std::vector<std::uint32_t> coefficient_bits(const ExpandSpec& spec) {
  const auto channels = static_cast<std::size_t>(spec.channels);
  std::vector<std::uint32_t> bits;
  bits.reserve(2 * channels);
  if (spec.scale.empty()) {
    bits.assign(channels, bits_of(1));
    bits.resize(2 * channels, bits_of(0));
    return bits;
  }
  std::ranges::transform(spec.scale, std::back_inserter(bits), bits_of);
  std::ranges::transform(spec.bias, std::back_inserter(bits), bits_of);
  return bits;
}

}  // namespace headrace::backends
