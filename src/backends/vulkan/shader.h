// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace headrace::vulkan {

/// The shaders that this library holds: each a file of shaders/.
enum class Shader : std::uint8_t { convert, expand, expand_bytes, fill, copy };

/// The words of its SPIR-V; with float controls, for devices that have them, where that makes a
/// difference.
std::span<const std::uint32_t> words_of(Shader shader, bool has_float_controls) noexcept;

}  // namespace headrace::vulkan
