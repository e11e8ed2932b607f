# SPDX-License-Identifier: Apache-2.0
# What every target of the project has in common, and how the rooms of src/ join the library.

# headrace_target(TARGET [TESTS]): language, warnings, sanitizers and visibility. TESTS leaves out
# the warnings about conversions, which test code would answer with casts that hide its meaning.
function(headrace_target target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TESTS" "" "")
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  # One result on every machine: a product and a sum are two roundings, also where the
  # processor could fuse them.
  set(flags -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wundef)
  if(NOT arg_TESTS)
    list(APPEND flags -Wconversion -Wsign-conversion)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    list(APPEND flags -Wthread-safety -Wdocumentation)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12\\.")
    list(APPEND flags -Wno-restrict)  # GCC 12 warns of every "text" + string, its bug 105651.
  endif()
  if(HEADRACE_WERROR)
    list(APPEND flags -Werror)
  endif()
  if(HEADRACE_SANITIZE)
    list(JOIN HEADRACE_SANITIZE "," names)
    list(APPEND flags
      -fsanitize=${names} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC $<BUILD_INTERFACE:-fsanitize=${names}>)
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${flags}>")
endfunction()

# headrace_link(LIBRARY...): libraries that the library's own sources use, unseen by its users.
function(headrace_link)
  target_link_libraries(headrace_rooms PRIVATE ${ARGN})
  target_link_libraries(headrace PRIVATE ${ARGN})
endfunction()

# headrace_room([OPTION...]): adds each .cpp of this folder to the library, compiled with the
# options given.
function(headrace_room)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  target_sources(headrace_rooms PRIVATE ${sources})
  if(sources AND ARGN)
    set_property(SOURCE ${sources} TARGET_DIRECTORY headrace_rooms
      APPEND PROPERTY COMPILE_OPTIONS ${ARGN})
  endif()
endfunction()

# headrace_backend(SOURCES FILE... [LINK LIBRARY...]): the sources of a backend.
function(headrace_backend)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "SOURCES;LINK")
  target_sources(headrace_rooms PRIVATE ${arg_SOURCES})
  headrace_link(${arg_LINK})
endfunction()
