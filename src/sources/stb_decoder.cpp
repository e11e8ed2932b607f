// SPDX-License-Identifier: Apache-2.0
#include "sources/stb_decoder.h"

#include "sources/jpeg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string_view>

// A copy of stb_image of our own, which no other copy in the program can be mistaken for: two
// formats, from memory, and one path for all processors.
// NOLINTBEGIN(readability-identifier-naming): stb_image's names
#ifndef __clang_analyzer__  // What it would say of stb_image is not ours to mend.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#endif
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_SIMD
#define STBI_MAX_DIMENSIONS 65535
// All of its memory begins as zeros: it looks into tables that a file need not have.
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(memory, size) std::realloc(memory, size)
#define STBI_FREE(memory) std::free(memory)
// NOLINTEND(readability-identifier-naming)
#include <stb_image.h>

namespace headrace::sources {
namespace {

constexpr std::size_t kChannels = 3;

struct Free {
  void operator()(stbi_uc* pixels) const noexcept { stbi_image_free(pixels); }
};

/// Whether nothing but two bytes belongs to a JPEG's marker.
bool is_alone(std::byte marker) {
  constexpr std::byte kStuffing{0x00};
  constexpr std::byte kTemporary{0x01};
  constexpr std::byte kFirstRestart{0xD0};
  constexpr std::byte kEnd{0xD9};
  return marker == kStuffing || marker == kTemporary || (marker >= kFirstRestart && marker <= kEnd);
}

/// Whether a JPEG leaves the codes of its first scan to be known, as frames of films do. What is
/// between its segments is passed over, as libjpeg does.
bool is_without_tables(const EncodedImage& image) {
  constexpr std::byte kMarker{0xFF};
  constexpr std::byte kTables{0xC4};
  constexpr std::byte kScan{0xDA};
  const std::span<const std::byte> bytes = image.bytes;
  if (!has_jpeg_signature(bytes)) {
    return false;
  }
  for (std::size_t at = 0; bytes.size() - at >= 4;) {
    const std::byte marker = bytes[at + 1];
    if (bytes[at] != kMarker || marker == kMarker) {
      ++at;
      continue;
    }
    if (marker == kTables || marker == kScan) {
      return marker == kScan;
    }
    const std::size_t length = is_alone(marker)
                                   ? 0
                                   : std::to_integer<std::size_t>(bytes[at + 2]) * 256 +
                                         std::to_integer<std::size_t>(bytes[at + 3]);
    at += std::min(2 + length, bytes.size() - at);
  }
  return true;
}

}  // namespace

Request Trial::begin(const ImageHead& head) {
  head_ = head;
  row_.resize(head.stored.width * kChannels);
  column_.clear();
  if (!head.has_halved_columns) {
    return {.part = {.width = 1, .height = 1}};
  }
  column_.reserve(head.stored.height * kChannels);
  return {.part = {.x = last_colours(), .width = 1, .height = head.stored.height}};
}

std::uint64_t Trial::last_colours() const noexcept {
  return (head_.stored.width - 1) / 2 * 2;
}

void Trial::keep() {
  const auto pixel = row_.begin() + static_cast<std::ptrdiff_t>(last_colours() * kChannels);
  column_.insert(column_.end(), pixel, pixel + kChannels);
}

std::uint8_t* Trial::next_row() {
  if (is_begun_) {
    keep();
  }
  is_begun_ = true;
  return row_.data();
}

void Trial::end() {
  keep();
}

void Trial::mend(std::uint8_t* picture) const {
  // stb_image swaps the weights of the last two colours of a row that it doubles in width.
  for (std::size_t y = 0; head_.has_halved_columns && y < head_.stored.height; ++y) {
    std::copy_n(column_.data() + y * kChannels,
                kChannels,
                picture + (y * head_.stored.width + last_colours()) * kChannels);
  }
}

std::string decode_with_stb(const EncodedImage& image, const Trial& trial, RowSink& sink) {
  const ImageHead& head = trial.head();
  if (!head.ambiguity.empty()) {
    return std::string(head.ambiguity);
  }
  if (is_without_tables(image)) {
    return "it has no tables of its codes";
  }
  const Request request = sink.begin(head);
  if (request.shrink != 1) {
    return fmt::format("it is decoded at 1/{} of its size", request.shrink);
  }
  if (image.bytes.size() > std::numeric_limits<int>::max()) {
    return "its file is too large";
  }
  int width = 0;
  int height = 0;
  int channels = 0;
  const std::unique_ptr<stbi_uc, Free> pixels(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(image.bytes.data()),
                            static_cast<int>(image.bytes.size()),
                            &width,
                            &height,
                            &channels,
                            int{kChannels}));
  if (pixels == nullptr) {
    const std::string_view reason = stbi_failure_reason();
    if (reason == "outofmem") {
      throw std::bad_alloc();
    }
    return fmt::format("stb_image does not read it ({})", reason);
  }
  const ImageSize size{static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height)};
  if (size != head.stored) {
    image.refuse(ErrorCode::corrupt_data,
                 0,
                 fmt::format("the image is {}x{}, and to stb_image {}x{}",
                             head.stored.width,
                             head.stored.height,
                             width,
                             height));
  }
  trial.mend(pixels.get());
  const std::uint64_t row_bytes = size.width * kChannels;
  for (std::uint64_t i = 0; i < request.part.height; ++i) {
    std::copy_n(pixels.get() + (request.part.y + i) * row_bytes, row_bytes, sink.next_row());
  }
  sink.end();
  return {};
}

}  // namespace headrace::sources
