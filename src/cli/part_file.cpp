// SPDX-License-Identifier: Apache-2.0
#include "cli/part_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace headrace::cli {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

std::string damage_of(std::uint64_t size, std::optional<std::uint64_t> found) {
  return found ? fmt::format("has {} bytes, and {} were written", *found, size)
               : fmt::format("is gone, and {} bytes were written", size);
}

}  // namespace

DamagedPart::DamagedPart(const std::filesystem::path& path,
                         std::uint64_t size,
                         std::optional<std::uint64_t> found)
    : Error(ErrorCode::corrupt_data,
            fmt::format("'{}' {}: it was damaged since; --force without --resume begins anew.",
                        path.string(),
                        damage_of(size, found))) {}

void check_finished(const std::filesystem::path& path, std::uint64_t size) {
  struct stat status {};
  const bool is_there = ::stat(path.c_str(), &status) == 0;
  const auto found = static_cast<std::uint64_t>(status.st_size);
  if (!is_there || found != size) {
    throw DamagedPart(path, size, is_there ? std::optional(found) : std::nullopt);
  }
}

PartFile::PartFile(std::filesystem::path path, std::uint64_t size)
    : path_(std::move(path)), size_(size) {
  buffer_.reserve(kBufferBytes);
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0) {
    fail(errno);
  }
  struct stat status {};
  const auto end = static_cast<off_t>(size);
  const bool is_cut = ::fstat(descriptor_, &status) == 0 && status.st_size >= end &&
                      ::ftruncate(descriptor_, end) == 0 &&
                      ::lseek(descriptor_, end, SEEK_SET) == end;
  if (is_cut) {
    return;
  }
  const int error = errno;
  ::close(descriptor_);
  if (status.st_size < end) {
    throw DamagedPart(path_, size, static_cast<std::uint64_t>(status.st_size));
  }
  fail(error);
}

PartFile::~PartFile() {
  ::close(descriptor_);
}

void PartFile::fail(int error) const {
  throw Error(ErrorCode::io,
              fmt::format("Cannot write '{}': {}.",
                          path_.string(),
                          std::error_code(error, std::generic_category()).message()));
}

void PartFile::write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) {
    drain();
  }
}

void PartFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void PartFile::drain() {
  for (std::size_t at = 0; at < buffer_.size();) {
    const ssize_t count = ::write(descriptor_, buffer_.data() + at, buffer_.size() - at);
    if (count < 0 && errno != EINTR) {
      fail(errno);
    }
    at += count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  // The disk begins now, so that a flush has little left to wait for; a wish, which may fail.
  ::sync_file_range(descriptor_,
                    static_cast<off_t>(size_ - buffer_.size()),
                    static_cast<off_t>(buffer_.size()),
                    SYNC_FILE_RANGE_WRITE);
  buffer_.clear();
}

void PartFile::flush() {
  drain();
  if (::fsync(descriptor_) != 0) {
    fail(errno);
  }
}

}  // namespace headrace::cli
