// SPDX-License-Identifier: Apache-2.0
#include "sources/file_descriptor.h"

#include "headrace/error.h"

#include "sources/mapped_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace headrace::sources {
namespace {

std::string_view kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a folder";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    default:
      return "no file";
  }
}

void check_regular(const struct stat& facts, const std::string& path) {
  if (!S_ISREG(facts.st_mode)) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format(
            "Cannot open '{}': it is {}, not a regular file.", path, kind_of(facts.st_mode)));
  }
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) {
    ::close(number_);
  }
}

FileDescriptor open_regular(const std::string& path) {
  // Looked at before it is opened, since opening a device may already act on it.
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    throw_io("open", path, errno);
  }
  check_regular(facts, path);
  const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (number < 0) {
    throw_io("open", path, errno);
  }
  return FileDescriptor(number);
}

std::uint64_t bytes_of_file(const FileDescriptor& file, const std::string& path) {
  struct stat facts {};
  if (::fstat(file.number(), &facts) != 0) {
    throw_io("examine", path, errno);
  }
  check_regular(facts, path);
  return static_cast<std::uint64_t>(facts.st_size);
}

}  // namespace headrace::sources
