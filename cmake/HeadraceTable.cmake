# SPDX-License-Identifier: Apache-2.0
# Writes the registry's table from headrace_built_backends and adds it to the library.
list(JOIN headrace_built_backends ", " names)
message(STATUS "Backends: ${names}")
set_property(GLOBAL PROPERTY HEADRACE_BUILT_BACKENDS "${headrace_built_backends}")

set(headrace_table_declarations "")
set(headrace_table_entries "")
foreach(name IN LISTS headrace_built_backends)
  string(APPEND headrace_table_declarations
    "namespace headrace::${name} {\nstd::unique_ptr<Backend> make_backend();\n}\n")
  string(APPEND headrace_table_entries "  backends.push_back(${name}::make_backend());\n")
endforeach()
configure_file("${PROJECT_SOURCE_DIR}/src/registry/table.cpp.in"
  "${PROJECT_BINARY_DIR}/generated/registry/table.cpp" @ONLY)
target_sources(headrace_rooms PRIVATE "${PROJECT_BINARY_DIR}/generated/registry/table.cpp")
