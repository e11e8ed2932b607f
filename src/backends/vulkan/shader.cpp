// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/shader.h"

namespace headrace::vulkan {

namespace {

// Written by glslc.
constexpr std::uint32_t kConvert[] = {
#include "shaders/convert.inc"
};
constexpr std::uint32_t kConvertFloatControls[] = {
#include "shaders/convert_float_controls.inc"
};
constexpr std::uint32_t kExpand[] = {
#include "shaders/expand.inc"
};
constexpr std::uint32_t kExpandFloatControls[] = {
#include "shaders/expand_float_controls.inc"
};
constexpr std::uint32_t kExpandBytes[] = {
#include "shaders/expand_bytes.inc"
};
constexpr std::uint32_t kExpandBytesFloatControls[] = {
#include "shaders/expand_bytes_float_controls.inc"
};
constexpr std::uint32_t kFill[] = {
#include "shaders/fill.inc"
};
constexpr std::uint32_t kCopy[] = {
#include "shaders/copy.inc"
};

}  // namespace

std::span<const std::uint32_t> words_of(Shader shader, bool has_float_controls) noexcept {
  switch (shader) {
    case Shader::convert:
      return has_float_controls ? std::span<const std::uint32_t>(kConvertFloatControls) : kConvert;
    case Shader::expand:
      return has_float_controls ? std::span<const std::uint32_t>(kExpandFloatControls) : kExpand;
    case Shader::expand_bytes:
      return has_float_controls ? std::span<const std::uint32_t>(kExpandBytesFloatControls)
                                : kExpandBytes;
    case Shader::fill:
      return kFill;
    case Shader::copy:
      return kCopy;
  }
  return {};
}

}  // namespace headrace::vulkan
