// SPDX-License-Identifier: Apache-2.0
#include "sources/mapped_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <utility>

namespace headrace::sources {
MappedFile::MappedFile(std::filesystem::path path)
    : path_(std::move(path)), descriptor_(open_regular(path_.native())) {
  const std::uint64_t file_bytes = bytes_of_file(descriptor_, path_.native());
  if (!std::in_range<std::size_t>(file_bytes)) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format(
            "Cannot map '{}': its {} bytes exceed the address space.", path_.string(), file_bytes));
  }
  const auto size = static_cast<std::size_t>(file_bytes);
  if (size == 0) {
    return;
  }
  const void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_.number(), 0);
  if (address == MAP_FAILED) {
    throw_io("map", path_, errno);
  }
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

void MappedFile::check_not_shortened() const {
  struct stat facts {};
  if (::fstat(descriptor_.number(), &facts) != 0) {
    throw_io("examine", path_, errno);
  }
  if (std::cmp_less(facts.st_size, bytes_.size())) {
    throw Error(ErrorCode::io,
                fmt::format("File '{}' was shortened while it was in use: it had {} bytes and has "
                            "{}.",
                            path_.string(),
                            bytes_.size(),
                            facts.st_size));
  }
}

void MappedFile::refuse(ErrorCode code, std::uint64_t offset, std::string_view reason) const {
  throw Error(code,
              fmt::format("Cannot read '{}': at offset {}, {}.", path_.string(), offset, reason));
}

void throw_io(std::string_view action, const std::filesystem::path& path, int error_number) {
  throw Error(ErrorCode::io,
              fmt::format("Cannot {} '{}': {}.",
                          action,
                          path.string(),
                          std::generic_category().message(error_number)));
}

std::string printable(std::string_view text) {
  constexpr std::size_t kMaxCharacters = 40;
  std::string result = "\"";
  for (const char character : text.substr(0, kMaxCharacters)) {
    if (character >= ' ' && character <= '~') {
      result += character;
    } else {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(character));
    }
  }
  result += text.size() > kMaxCharacters ? "...\"" : "\"";
  return result;
}

}  // namespace headrace::sources
