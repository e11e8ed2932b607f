// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/error.h"
#include "headrace/source.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

// What the targets have in common. A crash is all but a headrace::Error that tells of bad input.
namespace headrace::fuzz {

[[noreturn]] inline void fail(std::string_view what) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

/// Runs `call`, which may throw an Error about its input and nothing else.
template <class Call>
void expect_sound(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    switch (error.code()) {
      case ErrorCode::corrupt_data:
      case ErrorCode::unsupported:
      case ErrorCode::invalid_argument:
      case ErrorCode::io:
        break;
      default:
        fail(error.what());
    }
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) {
      fail("an error's text has several lines");
    }
  }
}

/// A file in memory, the same for every input.
class InputFile {
 public:
  static const std::string& with(std::span<const std::uint8_t> bytes) {
    static InputFile file;
    if (::ftruncate(file.descriptor_, 0) != 0 ||
        ::pwrite(file.descriptor_, bytes.data(), bytes.size(), 0) !=
            static_cast<ssize_t>(bytes.size())) {
      fail("the input cannot be written");
    }
    return file.path_;
  }

 private:
  InputFile()
      : descriptor_(::memfd_create("input", MFD_CLOEXEC)),
        path_("/proc/self/fd/" + std::to_string(descriptor_)) {}

  int descriptor_;
  std::string path_;
};

/// Reads the first samples of `source` and the last.
inline void read_samples(const SampleSource& source) {
  expect_sound([&] { (void)source.fingerprint(); });
  if (source.size() == 0) {
    return;  // Only the bytes of samples that are there justify memory for one.
  }
  constexpr std::uint64_t kMost = 16;
  const SampleSpec spec = source.spec();
  const auto bytes_of = [](const Shape& shape, DataType dtype) {
    return static_cast<std::size_t>(shape.element_count()) * size_of(dtype);
  };
  std::vector<std::byte> input(bytes_of(spec.input_shape, spec.input_dtype));
  std::vector<std::byte> label(bytes_of(spec.label_shape, spec.label_dtype));
  const auto read = [&](std::uint64_t index) {
    SampleView view{input, label, {}};
    expect_sound([&] { source.read({.index = index}, view); });
  };
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(source.size(), kMost); ++i) {
    read(i);
  }
  if (source.size() > kMost) {
    read(source.size() - 1);
  }
}

}  // namespace headrace::fuzz
