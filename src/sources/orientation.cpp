// SPDX-License-Identifier: Apache-2.0
#include "sources/orientation.h"

#include <algorithm>

namespace headrace::sources {
namespace {

constexpr std::size_t kChannels = 3;

/// Numbers in EXIF data, in the order of bytes that it says it has. Behind the end all is 0.
class TiffReader {
 public:
  explicit TiffReader(std::span<const std::uint8_t> bytes) noexcept
      : bytes_(bytes), is_big_endian_(byte(0) == 'M') {}

  [[nodiscard]] bool has_signature() const noexcept {
    return byte(0) == byte(1) && (byte(0) == 'I' || byte(0) == 'M') && number(2, 2) == 42;
  }

  [[nodiscard]] std::uint32_t number(std::uint64_t at, std::uint32_t size) const noexcept {
    std::uint32_t result = 0;
    for (std::uint32_t i = 0; i < size; ++i) {
      result = result << 8 | byte(at + (is_big_endian_ ? i : size - 1 - i));
    }
    return result;
  }

  [[nodiscard]] bool has(std::uint64_t at) const noexcept { return at < bytes_.size(); }

 private:
  [[nodiscard]] std::uint8_t byte(std::uint64_t at) const noexcept {
    return has(at) ? bytes_[at] : std::uint8_t{0};
  }

  std::span<const std::uint8_t> bytes_;
  bool is_big_endian_ = false;
};

}  // namespace

Orientation Orientation::of_exif(unsigned number) noexcept {
  return {.is_mirrored_x = number == 2 || number == 3 || number == 7 || number == 8,
          .is_mirrored_y = number == 3 || number == 4 || number == 6 || number == 7,
          .is_transposed = number >= 5 && number <= 8};
}

Orientation read_orientation(std::span<const std::uint8_t> exif) noexcept {
  constexpr std::uint32_t kOrientationTag = 0x0112;
  constexpr std::uint32_t kShort = 3;
  constexpr std::uint64_t kEntryBytes = 12;
  const TiffReader reader(exif);
  if (!reader.has_signature()) {
    return {};
  }
  const std::uint64_t directory = reader.number(4, 4);
  const std::uint32_t count = reader.number(directory, 2);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t entry = directory + 2 + i * kEntryBytes;
    if (!reader.has(entry + kEntryBytes - 1)) {
      break;
    }
    if (reader.number(entry, 2) == kOrientationTag && reader.number(entry + 2, 2) == kShort) {
      return Orientation::of_exif(reader.number(entry + 8, 2));
    }
  }
  return {};
}

void turn(const std::uint8_t* from,
          const ImageSize& stored,
          Orientation orientation,
          std::uint8_t* to) {
  const std::uint64_t column_step = orientation.is_transposed ? stored.height : 1;
  const std::uint64_t row_step = orientation.is_transposed ? 1 : stored.width;
  for (std::uint64_t y = 0; y < stored.height; ++y) {
    const std::uint64_t row = orientation.is_mirrored_y ? stored.height - 1 - y : y;
    for (std::uint64_t x = 0; x < stored.width; ++x) {
      const std::uint64_t column = orientation.is_mirrored_x ? stored.width - 1 - x : x;
      std::copy_n(from + (y * stored.width + x) * kChannels,
                  kChannels,
                  to + (row * row_step + column * column_step) * kChannels);
    }
  }
}

}  // namespace headrace::sources
