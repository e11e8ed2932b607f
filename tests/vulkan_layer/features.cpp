// SPDX-License-Identifier: Apache-2.0
// What the device is to lack: which bits of which structures say so.
#include "vulkan_layer/features.h"

#include <algorithm>
#include <array>

namespace headrace::vulkan_layer {

namespace {

template <class Visit>
void visit_features(VkPhysicalDeviceFeatures& features, const Visit& visit) {
  visit("shaderFloat64", features.shaderFloat64);
  visit("shaderInt64", features.shaderInt64);
  visit("shaderInt16", features.shaderInt16);
}

/// Of Vulkan 1.1 as of the extension: they name them alike.
template <class Structure, class Visit>
void visit_storage16(Structure& features, const Visit& visit) {
  visit("storage16", features.storageBuffer16BitAccess);
  visit("storage16", features.uniformAndStorageBuffer16BitAccess);
  visit("storage16", features.storagePushConstant16);
  visit("storage16", features.storageInputOutput16);
}

template <class Structure, class Visit>
void visit_storage8(Structure& features, const Visit& visit) {
  visit("storage8", features.storageBuffer8BitAccess);
  visit("storage8", features.uniformAndStorageBuffer8BitAccess);
  visit("storage8", features.storagePushConstant8);
}

template <class Structure, class Visit>
void visit_arithmetic(Structure& features, const Visit& visit) {
  visit("shaderFloat16", features.shaderFloat16);
  visit("shaderInt8", features.shaderInt8);
}

template <class Structure, class Visit>
void visit_atomics(Structure& features, const Visit& visit) {
  visit("shaderInt64", features.shaderBufferInt64Atomics);
  visit("shaderInt64", features.shaderSharedInt64Atomics);
}

template <class Structure, class Visit>
void visit_addresses(Structure& features, const Visit& visit) {
  visit("bufferDeviceAddress", features.bufferDeviceAddress);
  visit("bufferDeviceAddress", features.bufferDeviceAddressCaptureReplay);
  visit("bufferDeviceAddress", features.bufferDeviceAddressMultiDevice);
}

/// A portability subset that has none of what it may lack.
template <class Visit>
void visit_portability(VkPhysicalDevicePortabilitySubsetFeaturesKHR& features, const Visit& visit) {
  visit("", features.constantAlphaColorBlendFactors);
  visit("", features.events);
  visit("", features.imageViewFormatReinterpretation);
  visit("", features.imageViewFormatSwizzle);
  visit("", features.imageView2DOn3DImage);
  visit("", features.multisampleArrayImage);
  visit("", features.mutableComparisonSamplers);
  visit("", features.pointPolygons);
  visit("", features.samplerMipLodBias);
  visit("", features.separateStencilMaskRef);
  visit("", features.shaderSampleRateInterpolationFunctions);
  visit("", features.tessellationIsolines);
  visit("", features.tessellationPointMode);
  visit("", features.triangleFans);
  visit("", features.vertexAttributeAccessBeyondStride);
}

template <class Structure>
Structure& as(VkBaseOutStructure* structure) {
  return *reinterpret_cast<Structure*>(structure);
}

/// Calls `visit` with the name and each bit of every feature that can be hidden; the name is empty
/// for what the device never has.
template <class Visit>
void visit_chain(const void* chain, const Visit& visit) {
  auto* next = static_cast<VkBaseOutStructure*>(const_cast<void*>(chain));
  for (; next != nullptr; next = next->pNext) {
    switch (static_cast<int>(next->sType)) {
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2:
        visit_features(as<VkPhysicalDeviceFeatures2>(next).features, visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES:
        visit_storage16(as<VkPhysicalDeviceVulkan11Features>(next), visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES:
        visit_storage8(as<VkPhysicalDeviceVulkan12Features>(next), visit);
        visit_arithmetic(as<VkPhysicalDeviceVulkan12Features>(next), visit);
        visit_atomics(as<VkPhysicalDeviceVulkan12Features>(next), visit);
        visit_addresses(as<VkPhysicalDeviceVulkan12Features>(next), visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES:
        visit_storage16(as<VkPhysicalDevice16BitStorageFeatures>(next), visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES:
        visit_storage8(as<VkPhysicalDevice8BitStorageFeatures>(next), visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES:
        visit_arithmetic(as<VkPhysicalDeviceShaderFloat16Int8Features>(next), visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_INT64_FEATURES:
        visit_atomics(as<VkPhysicalDeviceShaderAtomicInt64Features>(next), visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES:
        visit_addresses(as<VkPhysicalDeviceBufferDeviceAddressFeatures>(next), visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES_EXT:
        visit_addresses(as<VkPhysicalDeviceBufferDeviceAddressFeaturesEXT>(next), visit);
        break;
      case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PORTABILITY_SUBSET_FEATURES_KHR:
        visit_portability(as<VkPhysicalDevicePortabilitySubsetFeaturesKHR>(next), visit);
        break;
      default:
        break;
    }
  }
}

auto hiding(const Settings& settings) {
  return [&settings](std::string_view name, VkBool32& bit) {
    if (name.empty() || settings.hides(name)) {
      bit = VK_FALSE;
    }
  };
}

/// Of Vulkan 1.2 as of the extension.
template <class Structure>
void clear_float_controls(Structure& properties) {
  properties.shaderDenormPreserveFloat16 = VK_FALSE;
  properties.shaderDenormPreserveFloat32 = VK_FALSE;
  properties.shaderDenormPreserveFloat64 = VK_FALSE;
  properties.shaderRoundingModeRTEFloat16 = VK_FALSE;
  properties.shaderRoundingModeRTEFloat32 = VK_FALSE;
  properties.shaderRoundingModeRTEFloat64 = VK_FALSE;
}

/// What would reach the driver past the layer: its handles and families in structures of their own.
constexpr std::array<std::string_view, 3> kNotFollowed{
    VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME,
    VK_KHR_COPY_COMMANDS_2_EXTENSION_NAME,
    VK_KHR_SWAPCHAIN_EXTENSION_NAME,
};

}  // namespace

void hide_features(const Settings& settings, VkPhysicalDeviceFeatures& features) {
  visit_features(features, hiding(settings));
}

void hide_features_in_chain(const Settings& settings, void* chain) {
  visit_chain(chain, hiding(settings));
}

bool asks_for_hidden(const Settings& settings, const VkDeviceCreateInfo& info) {
  bool asks = false;
  const auto look = [&](std::string_view name, VkBool32& bit) {
    asks = asks || (bit != VK_FALSE && (name.empty() || settings.hides(name)));
  };
  if (info.pEnabledFeatures != nullptr) {
    VkPhysicalDeviceFeatures features = *info.pEnabledFeatures;
    visit_features(features, look);
  }
  visit_chain(info.pNext, look);
  return asks;
}

bool is_hidden_extension(const Settings& settings, std::string_view name) {
  if (name == VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME) {
    return settings.hides("hostMemory");
  }
  if (name == VK_KHR_BUFFER_DEVICE_ADDRESS_EXTENSION_NAME ||
      name == VK_EXT_BUFFER_DEVICE_ADDRESS_EXTENSION_NAME) {
    return settings.hides("bufferDeviceAddress");
  }
  return std::ranges::find(kNotFollowed, name) != kNotFollowed.end();
}

void hide_float_controls(const Settings& settings, void* chain) {
  if (!settings.hides("floatControls")) {
    return;
  }
  auto* of_1_2 = find_in_chain<VkPhysicalDeviceVulkan12Properties>(
      chain, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES);
  if (of_1_2 != nullptr) {
    clear_float_controls(*of_1_2);
  }
  auto* of_extension = find_in_chain<VkPhysicalDeviceFloatControlsProperties>(
      chain, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES);
  if (of_extension != nullptr) {
    clear_float_controls(*of_extension);
  }
}

}  // namespace headrace::vulkan_layer
