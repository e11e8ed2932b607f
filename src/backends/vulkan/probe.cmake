# SPDX-License-Identifier: Apache-2.0
# What it takes to build the backend: Vulkan's headers, and a compiler for the shaders. The loader is
# looked for at run time.
find_path(HEADRACE_VULKAN_INCLUDE vulkan/vulkan.h
  HINTS "$ENV{VULKAN_SDK}/include" DOC "Folder of vulkan/vulkan.h")
find_program(HEADRACE_GLSLC glslc
  HINTS "$ENV{VULKAN_SDK}/bin" DOC "Compiler of shaders")
mark_as_advanced(HEADRACE_VULKAN_INCLUDE HEADRACE_GLSLC)
if(NOT HEADRACE_VULKAN_INCLUDE)
  set(headrace_missing "vulkan/vulkan.h, of Vulkan's headers, is not found")
  return()
elseif(NOT HEADRACE_GLSLC)
  set(headrace_missing "glslc, which compiles shaders, is not found")
  return()
endif()
file(STRINGS "${HEADRACE_VULKAN_INCLUDE}/vulkan/vulkan_core.h" headrace_vulkan_1_2
  REGEX "define VK_API_VERSION_1_2 " LIMIT_COUNT 1)
if(NOT headrace_vulkan_1_2)
  set(headrace_missing "${HEADRACE_VULKAN_INCLUDE}/vulkan is older than Vulkan 1.2")
endif()
