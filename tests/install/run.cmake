# SPDX-License-Identifier: Apache-2.0
# Configures, builds and runs users' projects; see CMakeLists.txt for the arguments.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

macro(build source to)
  run(${CMAKE_COMMAND} -S "${source}" -B "${to}" ${options})
  run(${CMAKE_COMMAND} --build "${to}" --parallel 2)
endmacro()

file(REMOVE_RECURSE "${WORK_DIR}")
file(MAKE_DIRECTORY "${WORK_DIR}")
set(options -C "${BUILD_DIR}/tests/install/options.cmake" -G "${GENERATOR}")
if(WAY STREQUAL "find_package")
  # Installed in one place and used from another: the package must not remember where it was.
  run(${CMAKE_COMMAND} --install "${BUILD_DIR}" --prefix "${WORK_DIR}/installed")
  file(RENAME "${WORK_DIR}/installed" "${WORK_DIR}/moved")
  list(APPEND options
    "-DCMAKE_PREFIX_PATH=${WORK_DIR}/moved" "-DHEADRACE_WANTED_VERSION=${VERSION}")
else()
  list(APPEND options "-DHEADRACE_SOURCE_DIR=${SOURCE_DIR}")
endif()
build("${SOURCE_DIR}/tests/install/${WAY}" "${WORK_DIR}/build")
run("${WORK_DIR}/build/consumer")
if(WAY STREQUAL "find_package")
  build("${SOURCE_DIR}/examples/backend" "${WORK_DIR}/backend")
  run("${WORK_DIR}/backend/pretend" "${SOURCE_DIR}/data/digits")
endif()
if(EXISTS "${WORK_DIR}/moved/bin/headrace")
  run("${WORK_DIR}/moved/bin/headrace" --help)
endif()
