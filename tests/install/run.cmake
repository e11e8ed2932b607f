# SPDX-License-Identifier: Apache-2.0
# Configures, builds and runs one of the users' projects; see CMakeLists.txt for the arguments.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

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
run(${CMAKE_COMMAND} -S "${SOURCE_DIR}/tests/install/${WAY}" -B "${WORK_DIR}/build" ${options})
run(${CMAKE_COMMAND} --build "${WORK_DIR}/build" --parallel 2)
run("${WORK_DIR}/build/consumer")
if(EXISTS "${WORK_DIR}/moved/bin/headrace")
  run("${WORK_DIR}/moved/bin/headrace" --help)
endif()
