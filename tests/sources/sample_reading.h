// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/error.h"
#include "headrace/source.h"

#include "support/npy_writer.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::test {

/// One sample, read into storage of exactly its size.
struct Sample {
  std::vector<std::byte> input;
  std::vector<std::byte> label;
};

inline std::size_t bytes_of_part(const Shape& shape, DataType dtype) {
  return static_cast<std::size_t>(shape.element_count()) * size_of(dtype);
}

inline Sample read_sample(const SampleSource& source, std::uint64_t index) {
  const SampleSpec spec = source.spec();
  Sample sample;
  sample.input.resize(bytes_of_part(spec.input_shape, spec.input_dtype), std::byte{0xEE});
  sample.label.resize(bytes_of_part(spec.label_shape, spec.label_dtype), std::byte{0xEE});
  SampleView view{sample.input, sample.label, {}};
  source.read({.index = index, .epoch = 0, .random_key = 0}, view);
  return sample;
}

template <class T>
std::vector<T> elements_of(const std::vector<std::byte>& bytes) {
  std::vector<T> elements(bytes.size() / sizeof(T));
  if (!bytes.empty()) {
    std::memcpy(elements.data(), bytes.data(), bytes.size());
  }
  return elements;
}

template <class T>
std::vector<T> input_of(const SampleSource& source, std::uint64_t index) {
  return elements_of<T>(read_sample(source, index).input);
}

template <class T>
std::vector<T> label_of(const SampleSource& source, std::uint64_t index) {
  return elements_of<T>(read_sample(source, index).label);
}

/// Expects that `call` throws an Error of `code` whose text is one line and has all `parts`.
template <class Call>
void expect_error(const Call& call, ErrorCode code, std::initializer_list<std::string> parts) {
  try {
    call();
  } catch (const Error& error) {
    const std::string_view text = error.what();
    EXPECT_EQ(error.code(), code) << to_string(error.code()) << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string_view::npos) << text;
    for (const std::string& part : parts) {
      EXPECT_NE(text.find(part), std::string_view::npos) << "lacks: " << part << "\nin: " << text;
    }
    return;
  }
  ADD_FAILURE() << "nothing was thrown; wanted " << to_string(code);
}

/// Expects that opening `path` throws an Error of `code` naming the path, `offset` and `parts`.
inline void expect_refused(const std::filesystem::path& path,
                           ErrorCode code,
                           std::size_t offset,
                           const std::string& part) {
  expect_error([&] { open_source(path); },
               code,
               {"'" + path.string() + "'", "at offset " + std::to_string(offset) + ",", part});
}

/// An IDX file: the type's code, the extents, and the elements as they are to stand there.
inline std::string idx_file(int type,
                            std::initializer_list<std::uint32_t> extents,
                            std::string_view elements) {
  std::string file{'\0', '\0', static_cast<char>(type), static_cast<char>(extents.size())};
  for (const std::uint32_t extent : extents) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      file += static_cast<char>(extent >> shift & 0xff);
    }
  }
  return file + std::string(elements);
}

/// `elements` with the bytes of each reversed.
template <class T>
std::string reversed_bytes(const std::vector<T>& elements) {
  std::string bytes;
  for (const T& element : elements) {
    const std::string one = bytes_of(std::vector<T>{element});
    bytes.append(one.rbegin(), one.rend());
  }
  return bytes;
}

}  // namespace headrace::test
