// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/mapped_npy.h"

#include "headrace/error.h"

#include "cli/npy_text.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <system_error>

namespace headrace::cli {

namespace {

[[noreturn]] void fail(const char* action) {
  throw Error(ErrorCode::io,
              std::string("bench cannot ") + action +
                  " a temporary file: " + std::generic_category().message(errno) + ".");
}

}  // namespace

MappedNpy::MappedNpy(std::size_t elements) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  if (!file) {
    fail("make");
  }
  std::string content = npy_header({static_cast<std::int64_t>(elements)}, DataType::uint8);
  begin_ = content.size();
  content.resize(begin_ + elements, 1);
  if (std::fwrite(content.data(), 1, content.size(), file.get()) != content.size() ||
      std::fflush(file.get()) != 0) {
    fail("write");
  }
  const void* place =
      ::mmap(nullptr, content.size(), PROT_READ, MAP_SHARED, ::fileno(file.get()), 0);
  if (place == MAP_FAILED) {
    fail("map");
  }
  bytes_ = {static_cast<const std::byte*>(place), content.size()};
}

MappedNpy::~MappedNpy() {
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace headrace::cli
