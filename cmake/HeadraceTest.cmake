# SPDX-License-Identifier: Apache-2.0
# Test programs. Every one may include tests/support ("support/x.h" or "x.h"), GoogleTest,
# GoogleMock and, where it is installed, RapidCheck.
include(GoogleTest)

# Shared by all test programs: main, the fixtures' sources, and the headers that take longest to
# compile. Tests that look inside link headrace_internal: a shared library hides what is not public.
get_property(headrace_built_backends GLOBAL PROPERTY HEADRACE_BUILT_BACKENDS)
file(GLOB support_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/*.cpp")
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/test_headers.cpp"
  CONTENT "// Holds the precompiled headers of the tests.\n")

if(BUILD_SHARED_LIBS)
  add_library(headrace_internal STATIC $<TARGET_OBJECTS:headrace_rooms>)
  get_target_property(libraries headrace_rooms LINK_LIBRARIES)
  target_link_libraries(headrace_internal PUBLIC ${libraries})
  set_target_properties(headrace_internal PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(headrace_internal
    INTERFACE $<TARGET_PROPERTY:headrace_rooms,INTERFACE_INCLUDE_DIRECTORIES>)
else()
  add_library(headrace_internal INTERFACE)
  target_link_libraries(headrace_internal INTERFACE headrace)
endif()

function(headrace_test_target target)
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/tests/support")
  target_link_libraries(${target} PRIVATE GTest::gmock fmt::fmt)
  if(TARGET rapidcheck_gtest)
    target_link_libraries(${target} PRIVATE rapidcheck_gtest)
  endif()
  headrace_target(${target} TESTS)
endfunction()

add_library(headrace_test_support STATIC EXCLUDE_FROM_ALL
  "${PROJECT_BINARY_DIR}/generated/test_headers.cpp" ${support_sources})
headrace_test_target(headrace_test_support)
target_include_directories(headrace_test_support
  PRIVATE $<TARGET_PROPERTY:headrace_rooms,INTERFACE_INCLUDE_DIRECTORIES>)
target_precompile_headers(headrace_test_support PRIVATE
  <gmock/gmock.h> <gtest/gtest.h> <algorithm> <chrono> <functional> <memory> <optional> <random>
  <string> <thread> <vector>)

# headrace_test_folder(FOLDER [INTERNAL] [TIMEOUT SECONDS] [LINK TARGET...] [NEEDS TARGET...]
#                      [PATHS MACRO=PATH...])
# Makes one program of tests/FOLDER/*.cpp. INTERNAL lets it include the headers of src/ as well;
# NEEDS names what must be built when it runs. PATHS are defined in paths.h, and HEADRACE_DATA_DIR
# with them: not for the compiler's command line, where they would keep ccache from using in one
# checkout what was compiled in another.
# Tests with Stress in their names get the label stress and more time. Those on the device cuda, and
# the folders cuda and nvtx, run on the driver of tests/fake_cuda; those on the device vulkan on
# Mesa's lavapipe under the validation layer, every message of which is a failure: but not OrderTest,
# whose waits the layer loses count of and sleeps for ten seconds each time, nor two of the tests that
# make hundreds of pipelines, which take twice the time with it. Both run on a real device where the
# environment says that there must be one, with cuda or vulkan in HEADRACE_REQUIRE_BACKENDS. The
# folder vulkan runs on lavapipe under the tests' own layer.
function(headrace_test_folder folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "INTERNAL" "TIMEOUT" "LINK;NEEDS;PATHS")
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${folder}/*.cpp")
  if(NOT sources)
    return()
  endif()
  set(target headrace_${folder}_tests)
  add_executable(${target} ${sources})
  headrace_test_target(${target})
  target_precompile_headers(${target} REUSE_FROM headrace_test_support)
  target_link_libraries(${target} PRIVATE
    headrace_test_support GTest::gmock_main ${arg_LINK})
  if(arg_INTERNAL)
    target_link_libraries(${target} PRIVATE headrace_internal)
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  else()
    target_link_libraries(${target} PRIVATE headrace)
  endif()
  list(TRANSFORM headrace_built_backends REPLACE "^.+$" "\"\\0\"" OUTPUT_VARIABLE backends)
  list(JOIN backends "," backends)
  target_compile_definitions(${target} PRIVATE "HEADRACE_TEST_BACKENDS=${backends}")
  list(TRANSFORM arg_PATHS REPLACE "^([A-Z_]+)=(.+)$" "#define \\1 \"\\2\"\n" OUTPUT_VARIABLE paths)
  list(JOIN paths "" paths)
  set(generated "${PROJECT_BINARY_DIR}/generated/tests")
  get_property(has_many_configs GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(has_many_configs)
    string(APPEND generated "/$<CONFIG>")
  endif()
  file(GENERATE OUTPUT "${generated}/${folder}/paths.h"
    CONTENT "#pragma once\n#define HEADRACE_DATA_DIR \"${PROJECT_SOURCE_DIR}/data\"\n${paths}")
  target_include_directories(${target} PRIVATE "${generated}")
  if(arg_NEEDS)
    add_dependencies(${target} ${arg_NEEDS})
  endif()

  set(timeout 60)
  if(arg_TIMEOUT)
    set(timeout ${arg_TIMEOUT})
  endif()
  if(HEADRACE_SANITIZE)  # slower by so much
    math(EXPR timeout "${timeout} * 4")
  endif()
  math(EXPR stress_timeout "${timeout} * 5")
  gtest_discover_tests(${target}
    DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES
    TEST_PREFIX ${folder}. TEST_LIST ${target}_names
    PROPERTIES LABELS ${folder} TIMEOUT ${timeout})
  # Runs when ctest has read the names.
  set(fake_cuda "")
  if(TARGET headrace_fake_cuda)
    add_dependencies(${target} headrace_fake_cuda)
    get_target_property(fake_cuda headrace_fake_cuda LIBRARY_OUTPUT_DIRECTORY)
  endif()
  set(vulkan "${headrace_vulkan_environment}")
  if(folder STREQUAL "vulkan")
    set(vulkan "${headrace_vulkan_layer_environment}")
  endif()
  file(CONFIGURE OUTPUT ${target}_properties.cmake @ONLY CONTENT [[
set(on_vulkan "/vulkan$")
if("@folder@" STREQUAL "vulkan")
  set(on_vulkan ".*")
elseif("@vulkan@" STREQUAL "" OR "$ENV{HEADRACE_REQUIRE_BACKENDS}" MATCHES "(^|,)vulkan(,|$)")
  set(on_vulkan "^$")
endif()
set(has_fake_cuda ON)
if("@folder@" MATCHES "^(cuda|nvtx)$")
  set(on_fake_cuda ".*")
elseif("@fake_cuda@" STREQUAL "" OR "$ENV{HEADRACE_REQUIRE_BACKENDS}" MATCHES "(^|,)cuda(,|$)")
  set(has_fake_cuda OFF)
else()
  set(on_fake_cuda "/cuda$")
endif()
foreach(name IN LISTS @target@_names)
  if(name MATCHES "Stress")
    set_tests_properties("${name}" PROPERTIES
      LABELS "@folder@;stress" TIMEOUT @stress_timeout@)
  endif()
  if(has_fake_cuda AND name MATCHES "${on_fake_cuda}")
    set_tests_properties("${name}" PROPERTIES
      ENVIRONMENT "HEADRACE_REQUIRE_BACKENDS=cuda"
      ENVIRONMENT_MODIFICATION "LD_LIBRARY_PATH=path_list_prepend:@fake_cuda@")
  endif()
  if(name MATCHES "(OrderTest[.]|EveryPairGives|EveryPairInA).*${on_vulkan}")
    set_tests_properties("${name}" PROPERTIES ENVIRONMENT "@headrace_vulkan_plain_environment@")
  elseif(name MATCHES "${on_vulkan}")
    set_tests_properties("${name}" PROPERTIES
      ENVIRONMENT "@vulkan@" FAIL_REGULAR_EXPRESSION "@headrace_vulkan_faults@")
  endif()
endforeach()
]])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES
    "${CMAKE_CURRENT_BINARY_DIR}/${target}_properties.cmake")
endfunction()
