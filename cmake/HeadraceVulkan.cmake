# SPDX-License-Identifier: Apache-2.0
# What tests of Vulkan run on: Mesa's lavapipe, which computes on the processor. Sets these
# environments, or leaves them empty where a part is missing:
# headrace_vulkan_plain_environment  as it is
# headrace_vulkan_environment        under Khronos' validation layer
# headrace_vulkan_layer_environment  under the tests' own layer (tests/vulkan_layer): a small device
#                                    that lacks what Apple's lack
# headrace_vulkan_small_environment  both, validation above; the device is bound to little at a time
# headrace_vulkan_small_plain_environment  the same without validation
# headrace_vulkan_queue_environment  both, and hazards are looked for between submissions, too: of a device
#                                    with one queue, for timelines are not seen
set(headrace_vulkan_queue_environment "")
set(headrace_vulkan_plain_environment "")
set(headrace_vulkan_environment "")
set(headrace_vulkan_layer_environment "")
set(headrace_vulkan_small_environment "")
set(headrace_vulkan_small_plain_environment "")
# Each message of the validation layer is a fault, but UNASSIGNED-VkSemaphore-state-timeout: with it
# the layer says that it has lost count itself, when streams wait for each other. A name is another
# one when it begins as that does and then goes on otherwise.
set(headrace_vulkan_faults "")
set(begin "UNASSIGNED-")
string(REGEX MATCHALL "." characters "VkSemaphore-state-timeout")
foreach(character IN LISTS characters)
  string(APPEND headrace_vulkan_faults "${begin}[^${character}]|")
  string(APPEND begin "${character}")
endforeach()
string(APPEND headrace_vulkan_faults "VUID-|SYNC-HAZARD")
if(NOT "vulkan" IN_LIST headrace_built_backends)
  return()
endif()
file(GLOB lavapipe /usr/share/vulkan/icd.d/lvp_icd*.json /usr/local/share/vulkan/icd.d/lvp_icd*.json)
file(GLOB validation /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json)
find_path(HEADRACE_VULKAN_LAYER_INCLUDE vulkan/vk_layer.h)
if(NOT lavapipe OR NOT validation)
  message(STATUS "Tests of the backend vulkan run on whatever device there is, for Mesa's lavapipe or "
    "the validation layer is not installed")
  return()
endif()
list(GET lavapipe 0 lavapipe)
# VK_ICD_FILENAMES is the older name of VK_DRIVER_FILES.
set(headrace_vulkan_plain_environment
  "HEADRACE_REQUIRE_BACKENDS=vulkan"
  "VK_DRIVER_FILES=${lavapipe}"
  "VK_ICD_FILENAMES=${lavapipe}")
set(validation_checks "VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT")
set(headrace_vulkan_environment ${headrace_vulkan_plain_environment} ${validation_checks}
  "VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation")
if(HEADRACE_SANITIZE)  # Slow enough without validation, and lavapipe leaks.
  list(APPEND headrace_vulkan_plain_environment
    "LSAN_OPTIONS=print_suppressions=0:suppressions=${PROJECT_SOURCE_DIR}/tests/support/lavapipe.supp")
  set(headrace_vulkan_environment ${headrace_vulkan_plain_environment})
endif()
if(NOT HEADRACE_VULKAN_LAYER_INCLUDE)
  return()
endif()
set(layer "${PROJECT_BINARY_DIR}/vulkan_layer")
set(headrace_vulkan_layer_environment ${headrace_vulkan_plain_environment}
  "VK_LAYER_PATH=${layer}"
  "VK_INSTANCE_LAYERS=VK_LAYER_HEADRACE_test")
set(little "HEADRACE_VULKAN_LAYER_MAX_STORAGE_BUFFER_RANGE=1048576")
set(headrace_vulkan_small_plain_environment ${headrace_vulkan_layer_environment} ${little})
# The order of the folders says which layer is above, not that of the names.
set(headrace_vulkan_small_environment ${headrace_vulkan_plain_environment} ${validation_checks}
  "VK_LAYER_PATH=/usr/share/vulkan/explicit_layer.d:${layer}"
  "VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation:VK_LAYER_HEADRACE_test" ${little})
set(headrace_vulkan_queue_environment ${headrace_vulkan_small_environment}
  "HEADRACE_VULKAN_LAYER_QUEUES=0")
list(TRANSFORM headrace_vulkan_queue_environment REPLACE "^(VK_LAYER_ENABLES=.*)$"
  "\\1:VALIDATION_CHECK_ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT")
