// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fuzz/hostile.h"
#include "sources/format.h"

#include <sanitizer/asan_interface.h>

namespace headrace::fuzz {

/// Has AddressSanitizer see reads behind a mapped file's end, where its last page goes on.
class Guard {
 public:
  explicit Guard(std::span<const std::byte> file) {
    constexpr std::size_t kPage = 4096;
    rest_ = {file.data() + file.size(), (kPage - file.size() % kPage) % kPage};
    ASAN_POISON_MEMORY_REGION(rest_.data(), rest_.size());
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() { ASAN_UNPOISON_MEMORY_REGION(rest_.data(), rest_.size()); }

 private:
  std::span<const std::byte> rest_;
};

/// Opens an input as a file of `format`, whatever it begins with, and reads samples.
inline void open_and_read(const sources::Format& format, std::span<const std::uint8_t> bytes) {
  expect_sound([&] {
    const auto file = std::make_shared<const sources::MappedFile>(InputFile::with(bytes));
    const Guard guard(file->bytes());
    (void)format.has_signature(file->bytes());
    read_samples(*format.open_file(file, {}));
  });
}

}  // namespace headrace::fuzz
