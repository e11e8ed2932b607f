# SPDX-License-Identifier: Apache-2.0
# What it takes to build the backend: CUDA's compiler, for the kernels, and its headers.
find_program(HEADRACE_NVCC nvcc
  HINTS "${CUDAToolkit_ROOT}/bin" "$ENV{CUDA_HOME}/bin" PATHS /usr/local/cuda/bin
  DOC "CUDA's compiler")
mark_as_advanced(HEADRACE_NVCC)
if(NOT HEADRACE_NVCC)
  set(headrace_missing "nvcc, CUDA's compiler, is not found")
  return()
endif()
file(REAL_PATH "${HEADRACE_NVCC}" headrace_nvcc_path)
cmake_path(GET headrace_nvcc_path PARENT_PATH headrace_nvcc_folder)
find_path(HEADRACE_CUDA_DRIVER_INCLUDE cudaTypedefs.h
  HINTS "${headrace_nvcc_folder}/../include"
        "${headrace_nvcc_folder}/../targets/${CMAKE_SYSTEM_PROCESSOR}-linux/include"
  DOC "Folder of cuda.h and cudaTypedefs.h")
mark_as_advanced(HEADRACE_CUDA_DRIVER_INCLUDE)
# Optional: what compute-sanitizer is told of the pools' blocks by. On PyPI it may be a package of its
# own beside the compiler's.
find_path(HEADRACE_NVTX_INCLUDE nvtx3/nvToolsExtMem.h
  HINTS "${HEADRACE_CUDA_DRIVER_INCLUDE}" "${headrace_nvcc_folder}/../../nvtx/include"
  DOC "Folder of nvtx3/nvToolsExtMem.h")
mark_as_advanced(HEADRACE_NVTX_INCLUDE)
execute_process(COMMAND "${HEADRACE_NVCC}" --version
  OUTPUT_VARIABLE headrace_nvcc_text ERROR_QUIET RESULT_VARIABLE headrace_nvcc_result)
string(REGEX MATCH "release ([0-9]+\\.[0-9]+)" headrace_nvcc_release "${headrace_nvcc_text}")
set(headrace_nvcc_version "${CMAKE_MATCH_1}")
if(NOT headrace_nvcc_result EQUAL 0 OR headrace_nvcc_version VERSION_LESS 12)
  set(headrace_missing "${HEADRACE_NVCC} is not CUDA 12 or newer")
elseif(NOT HEADRACE_CUDA_DRIVER_INCLUDE)
  set(headrace_missing "cudaTypedefs.h, of CUDA's headers, is not found beside ${HEADRACE_NVCC}")
endif()
