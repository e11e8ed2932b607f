# SPDX-License-Identifier: Apache-2.0
# Comforts for people who build Headrace itself; a project that contains it keeps its own.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# ccache keeps compiled files from one build to the next. The settings let it keep what is compiled
# with a precompiled header, and use in one build folder, or checkout, what was compiled in another.
find_program(HEADRACE_CCACHE ccache DOC "Compiler cache, used when found")
if(HEADRACE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_NOHASHDIR=1
    "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}"
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${HEADRACE_CCACHE})
endif()
