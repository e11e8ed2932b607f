# SPDX-License-Identifier: Apache-2.0
# The test of cuda_memory_resource.h is compiled where CUDA's headers are found. It makes no call of
# CUDA's, but some versions of CCCL name the runtime's functions.
find_package(CUDAToolkit QUIET)
find_path(HEADRACE_CUDA_INCLUDE cuda_runtime_api.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_path(HEADRACE_CCCL_INCLUDE cuda/memory_resource
  HINTS ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES cccl)
mark_as_advanced(HEADRACE_CUDA_INCLUDE HEADRACE_CCCL_INCLUDE)

# headrace_cccl_test(TARGET SOURCE): compiles a source of a test program with CCCL, or leaves it out.
function(headrace_cccl_test target source)
  if(HEADRACE_CUDA_INCLUDE AND HEADRACE_CCCL_INCLUDE)
    set_source_files_properties(${source} PROPERTIES
      COMPILE_OPTIONS "-isystem;${HEADRACE_CCCL_INCLUDE};-isystem;${HEADRACE_CUDA_INCLUDE}"
      COMPILE_DEFINITIONS LIBCUDACXX_ENABLE_EXPERIMENTAL_MEMORY_RESOURCE)
    if(TARGET CUDA::cudart_static)
      target_link_libraries(${target} PRIVATE $<LINK_ONLY:CUDA::cudart_static>)
    endif()
  else()
    message(STATUS "cuda/memory_resource is not found: ${source} is not compiled")
    set_source_files_properties(${source} PROPERTIES HEADER_FILE_ONLY ON)
  endif()
endfunction()
