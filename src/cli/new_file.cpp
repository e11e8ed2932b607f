// SPDX-License-Identifier: Apache-2.0
#include "cli/new_file.h"

#include "headrace/error.h"

#include "cli/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace headrace::cli {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

[[noreturn]] void fail_to_write(const std::filesystem::path& path, int error) {
  throw Error(ErrorCode::io,
              fmt::format("Cannot write '{}': {}.",
                          path.string(),
                          std::error_code(error, std::generic_category()).message()));
}

}  // namespace

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  constexpr int kMostTried = 1000;
  for (int i = 0;; ++i) {
    std::filesystem::path name = path;
    name += i == 0 ? fmt::format(".{}.tmp", ::getpid()) : fmt::format(".{}-{}.tmp", ::getpid(), i);
    std::error_code error;
    const bool is_taken = std::filesystem::exists(std::filesystem::symlink_status(name, error));
    if (!is_taken || i == kMostTried) {
      return name;
    }
  }
}

void take_name(const std::filesystem::path& from, const std::filesystem::path& to, bool replaces) {
  if (!replaces) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
      return;
    }
    // Not every file system can do so; then what came since the program looked is replaced.
    if (errno != EINVAL && errno != ENOSYS) {
      fail_to_write(to, errno);
    }
  }
  if (::rename(from.c_str(), to.c_str()) != 0) {
    fail_to_write(to, errno);
  }
}

NewFile::NewFile(std::filesystem::path path)
    : path_(std::move(path)), temporary_(temporary_name(path_)) {
  buffer_.reserve(kBufferBytes);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    fail();
  }
}

NewFile::~NewFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
  if (!is_published_) {
    ::unlink(temporary_.c_str());
  }
}

void NewFile::fail() const {
  fail_to_write(temporary_, errno);
}

void NewFile::write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) {
    flush();
  }
}

void NewFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void NewFile::flush() {
  for (std::size_t at = 0; at < buffer_.size();) {
    const ssize_t count = ::write(descriptor_, buffer_.data() + at, buffer_.size() - at);
    if (count < 0 && errno != EINTR) {
      fail();
    }
    at += count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  buffer_.clear();
}

void NewFile::seal() {
  flush();
  if (::fsync(descriptor_) != 0 || ::close(std::exchange(descriptor_, -1)) != 0) {
    fail();
  }
  buffer_ = {};
}

void NewFile::publish(bool replaces) {
  take_name(temporary_, path_, replaces);
  is_published_ = true;
  flush_folder_of(path_);
}

}  // namespace headrace::cli
