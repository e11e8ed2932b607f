// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace headrace::vulkan {

/// The shaders that this library holds: each a file of shaders/.
enum class Shader : std::uint8_t { convert, expand, expand_bytes, fill, copy };

/// Whether shaders may compute with float16, and demand that it and float32 are rounded to nearest
/// and keep signs of zeros, infinities and NaNs.
enum class FloatControls : std::uint8_t {
  none,
  of_each_type,
  with_float64,  ///< What is demanded of float16's rounding must be demanded of float64's.
};

/// The words of its SPIR-V, which make the demands that `controls` allows, where that makes a
/// difference.
std::vector<std::uint32_t> words_of(Shader shader, FloatControls controls);

}  // namespace headrace::vulkan
