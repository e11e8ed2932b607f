# SPDX-License-Identifier: Apache-2.0
# Install rules and the package that find_package(headrace) finds.
include(CMakePackageConfigHelpers)
set(headrace_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/headrace")

install(TARGETS headrace EXPORT headraceTargets
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT headraceTargets NAMESPACE headrace:: DESTINATION "${headrace_package_dir}")
if(TARGET headrace_cli)
  install(TARGETS headrace_cli)
endif()

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/headraceConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/headraceConfig.cmake"
  INSTALL_DESTINATION "${headrace_package_dir}")
# Before 1.0 a minor version may break users, so only the same one satisfies a request.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/headraceConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/headraceConfig.cmake"
  "${PROJECT_BINARY_DIR}/headraceConfigVersion.cmake"
  DESTINATION "${headrace_package_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/headrace")
