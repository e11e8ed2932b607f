// SPDX-License-Identifier: Apache-2.0
#include "cli/files.h"

#include "headrace/error.h"

#include "cli/amounts.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace headrace::cli {
namespace {

[[noreturn]] void fail(std::string_view what, const std::filesystem::path& path, int error) {
  throw Error(ErrorCode::io,
              fmt::format("{} '{}': {}.",
                          what,
                          path.string(),
                          std::error_code(error, std::generic_category()).message()));
}

/// An open file; closed at the end.
class File {
 public:
  File(const std::filesystem::path& path, int flags, std::string_view what)
      : path_(path), what_(what), descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (descriptor_ < 0) {
      fail(what, path, errno);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::close(descriptor_); }

  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t count = ::write(descriptor_, text.data(), text.size());
      if (count < 0 && errno != EINTR) {
        fail(what_, path_, errno);
      }
      text.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
  }

  void flush() {
    if (::fsync(descriptor_) != 0) {
      fail(what_, path_, errno);
    }
  }

  /// All of it, or its first bytes.
  std::string read(std::uint64_t most_bytes) {
    std::string text;
    char piece[4096];
    while (text.size() < most_bytes) {
      const ssize_t count = ::read(descriptor_, piece, sizeof(piece));
      if (count == 0) {
        break;
      }
      if (count < 0 && errno != EINTR) {
        fail(what_, path_, errno);
      }
      text.append(piece, count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    return text;
  }

 private:
  const std::filesystem::path& path_;
  std::string what_;
  int descriptor_;
};

constexpr std::string_view kCannotWrite = "Cannot write";

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

void print(std::FILE* stream, std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stream) != text.size() || std::fflush(stream) != 0) {
    fail(kCannotWrite, stream == stdout ? "standard output" : "standard error", errno);
  }
}

}  // namespace

void check_writable(std::string_view option, const std::filesystem::path& path) {
  const std::string what = fmt::format("{}: cannot write", option);
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_regular_file(status) || std::filesystem::is_directory(status)) {
    const File file(path, O_WRONLY | O_APPEND, what);
    return;
  }
  // Not by opening a pipe, whose reader would see it end; nor by making the file: a program killed
  // in that moment would leave an empty one.
  const bool is_there = std::filesystem::exists(status);
  if (::access(is_there ? path.c_str() : folder_of(path).c_str(), W_OK) != 0) {
    fail(what, path, errno);
  }
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  File(path, O_WRONLY | O_CREAT | O_TRUNC, kCannotWrite).write(text);
}

void replace_file(const std::filesystem::path& path, std::string_view text) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error)) {
    fail(kCannotWrite, path, EEXIST);
  }
  // Of this process alone: another one may be writing the same file.
  std::filesystem::path temporary = path;
  temporary += fmt::format(".{}.tmp", ::getpid());
  try {
    File file(temporary, O_WRONLY | O_CREAT | O_TRUNC, kCannotWrite);
    file.write(text);
    file.flush();
    std::filesystem::rename(temporary, path);
  } catch (const std::filesystem::filesystem_error& failure) {
    std::filesystem::remove(temporary, error);
    fail(kCannotWrite, path, failure.code().value());
  } catch (...) {
    std::filesystem::remove(temporary, error);
    throw;
  }
  flush_folder_of(path);
}

void flush_folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = folder_of(path);
  File(folder, O_RDONLY | O_DIRECTORY, kCannotWrite).flush();
}

std::string read_file(const std::filesystem::path& path, std::uint64_t most_bytes) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) && !error) {
    throw Error(ErrorCode::unsupported, fmt::format("'{}' is no regular file.", path.string()));
  }
  File file(path, O_RDONLY, "Cannot read");
  std::string text = file.read(most_bytes + 1);
  if (text.size() > most_bytes) {
    throw Error(ErrorCode::unsupported,
                fmt::format("'{}' has more than {}.", path.string(), bytes_text(most_bytes)));
  }
  return text;
}

void print_results(std::string_view text, std::string_view json_option) {
  print(json_option == "-" ? stderr : stdout, text);
}

void print_warning(std::string_view text) {
  print(stderr, fmt::format("headrace: warning: {}\n", text));
}

void write_json(std::string_view text, const std::string& json_option) {
  if (json_option == "-") {
    print(stdout, text);
  } else if (!json_option.empty()) {
    write_file(json_option, text);
  }
}

}  // namespace headrace::cli
