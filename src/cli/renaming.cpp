// SPDX-License-Identifier: Apache-2.0
#include "cli/renaming.h"

#include "headrace/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <system_error>

namespace headrace::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, int error) {
  throw Error(ErrorCode::io,
              fmt::format("Cannot write '{}': {}.",
                          path.string(),
                          std::error_code(error, std::generic_category()).message()));
}

/// \returns 0, or why it did not succeed.
int rename_with(unsigned flags, const fs::path& from, const fs::path& to) {
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0 ? 0 : errno;
}

/// Whether the file system, or the system, knows no flags of renameat2.
bool is_unknown(int error) {
  return error == EINVAL || error == ENOSYS;
}

}  // namespace

void take_name(const fs::path& from, const fs::path& to, bool replaces) {
  int error = rename_with(replaces ? 0 : RENAME_NOREPLACE, from, to);
  if (!replaces && is_unknown(error)) {  // Then what comes after this look is replaced.
    error = fs::exists(fs::symlink_status(to)) ? EEXIST : rename_with(0, from, to);
  }
  if (error == EEXIST && !replaces) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is there already; --force replaces it.", to.string()));
  }
  if (error != 0) {
    fail(to, error);
  }
}

bool exchange_names(const fs::path& one, const fs::path& other) {
  const int error = rename_with(RENAME_EXCHANGE, one, other);
  if (error != 0 && !is_unknown(error)) {
    fail(other, error);
  }
  return error == 0;
}

void replace_folder(const fs::path& from,
                    const fs::path& to,
                    const fs::path& aside,
                    const std::function<bool(const fs::path&, const fs::path&)>& exchange) {
  if (exchange(from, to)) {
    return;
  }
  take_name(to, aside, false);
  try {
    take_name(from, to, false);
  } catch (...) {
    rename_with(0, aside, to);
    throw;
  }
}

}  // namespace headrace::cli
