// SPDX-License-Identifier: Apache-2.0
#include "backends/vulkan/shader.h"

#include <cstddef>
#include <span>

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

std::span<const std::uint32_t> written_by_glslc(Shader shader, bool has_controls) noexcept {
  switch (shader) {
    case Shader::convert:
      return has_controls ? std::span<const std::uint32_t>(kConvertFloatControls) : kConvert;
    case Shader::expand:
      return has_controls ? std::span<const std::uint32_t>(kExpandFloatControls) : kExpand;
    case Shader::expand_bytes:
      return has_controls ? std::span<const std::uint32_t>(kExpandBytesFloatControls)
                          : kExpandBytes;
    case Shader::fill:
      return kFill;
    case Shader::copy:
      return kCopy;
  }
  return {};
}

// Numbers of the SPIR-V specification, section 3.6 and 3.52.
constexpr std::size_t kHeaderWords = 5;
constexpr std::uint32_t kOpExecutionMode = 16;
constexpr std::uint32_t kSignedZeroInfNanPreserve = 4461;
constexpr std::uint32_t kRoundingModeRte = 4462;

}  // namespace

// Of execution modes of one kind glslc keeps one: that of float16. Here come the other types'.
std::vector<std::uint32_t> words_of(Shader shader, FloatControls controls) {
  const std::span<const std::uint32_t> from =
      written_by_glslc(shader, controls != FloatControls::none);
  std::vector<std::uint32_t> words(from.begin(), from.begin() + kHeaderWords);
  for (std::size_t at = kHeaderWords; at < from.size(); at += from[at] >> 16) {
    const std::span<const std::uint32_t> instruction = from.subspan(at, from[at] >> 16);
    words.insert(words.end(), instruction.begin(), instruction.end());
    const std::uint32_t mode = (from[at] & 0xffff) == kOpExecutionMode ? instruction[2] : 0;
    if (mode != kSignedZeroInfNanPreserve && mode != kRoundingModeRte) {
      continue;
    }
    words.insert(words.end(), {instruction[0], instruction[1], mode, 32});
    if (mode == kRoundingModeRte && controls == FloatControls::with_float64) {
      words.insert(words.end(), {instruction[0], instruction[1], mode, 64});
    }
  }
  return words;
}

}  // namespace headrace::vulkan
