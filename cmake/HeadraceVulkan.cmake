# SPDX-License-Identifier: Apache-2.0
# What tests of Vulkan run on: Mesa's lavapipe, which computes on the processor, under Khronos'
# validation layer. Sets headrace_vulkan_environment, or leaves it empty where one of them is missing.
set(headrace_vulkan_environment "")
if(NOT "vulkan" IN_LIST headrace_built_backends)
  return()
endif()
file(GLOB lavapipe /usr/share/vulkan/icd.d/lvp_icd*.json /usr/local/share/vulkan/icd.d/lvp_icd*.json)
file(GLOB validation /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json)
if(NOT lavapipe OR NOT validation)
  message(STATUS "Tests of the backend vulkan run on whatever device there is, for Mesa's lavapipe or "
    "the validation layer is not installed")
  return()
endif()
list(GET lavapipe 0 lavapipe)
# VK_ICD_FILENAMES is the older name of VK_DRIVER_FILES.
set(headrace_vulkan_environment
  "HEADRACE_REQUIRE_BACKENDS=vulkan"
  "VK_DRIVER_FILES=${lavapipe}"
  "VK_ICD_FILENAMES=${lavapipe}"
  "VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation"
  "VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT")
