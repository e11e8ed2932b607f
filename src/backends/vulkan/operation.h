// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/vulkan/calls.h"
#include "backends/vulkan/pipelines.h"

#include <array>
#include <cstdint>
#include <variant>

namespace headrace::vulkan {

/// A part of a buffer object.
struct Range {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceSize offset = 0;
  VkDeviceSize size = 0;
  bool is_host_visible = false;
  friend bool operator==(const Range&, const Range&) = default;
};

/// Copies as many bytes as both have.
struct CopyOperation {
  Range from = {};
  Range to = {};
  friend bool operator==(const CopyOperation&, const CopyOperation&) = default;
};

/// Writes a word of 32 bits over and over.
struct FillOperation {
  Range to = {};
  std::uint32_t word = 0;
  friend bool operator==(const FillOperation&, const FillOperation&) = default;
};

/// Runs a shader. Ranges begin where every device can bind them, and may be a little wider than
/// what the shader touches.
struct DispatchOperation {
  VkPipeline pipeline = VK_NULL_HANDLE;
  Range from = {};  ///< Of size 0: not bound.
  Range to = {};
  Range coefficients = {};  ///< The same.
  std::array<std::uint32_t, Pipelines::kMostPushConstants> constants{};
  std::uint32_t groups = 1;
  friend bool operator==(const DispatchOperation&, const DispatchOperation&) = default;
};

/// A command as Vulkan takes it: plain data, so that it can be compared with an earlier one.
using Operation = std::variant<CopyOperation, FillOperation, DispatchOperation>;

}  // namespace headrace::vulkan
