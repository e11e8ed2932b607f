// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/error.h"
#include "headrace/source.h"

#include "sources/file_part.h"
#include "sources/orientation.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace headrace::sources {

/// A file with one image, or its first bytes, or a part of a file that is one.
struct EncodedImage {
  std::string_view path;  ///< For errors, when `part` is null.
  std::span<const std::byte> bytes;
  const FilePart* part = nullptr;

  /// Throws the Error that the image cannot be served: the file, `offset` and `reason`, the rest of
  /// a sentence without its full stop.
  [[noreturn]] void refuse(ErrorCode code, std::uint64_t offset, std::string_view reason) const;
};

/// What an image's head says.
struct ImageHead {
  ImageSize stored;  ///< Before the orientation is applied.
  Orientation orientation;
  bool can_shrink = false;          ///< Whether the decoder can make a smaller picture of it.
  bool has_halved_columns = false;  ///< Whether a JPEG's colours have half its columns, all rows.
  /// Why other decoders may make another picture of it; empty when they should not. The rest of a
  /// sentence without its full stop.
  std::string_view ambiguity = {};

  /// The size of the picture as it is to be looked at.
  [[nodiscard]] ImageSize shown() const noexcept {
    return orientation.is_transposed ? ImageSize{stored.height, stored.width} : stored;
  }
};

/// A part of a picture, in pixels.
struct Region {
  std::uint64_t x = 0;
  std::uint64_t y = 0;
  std::uint64_t width = 0;
  std::uint64_t height = 0;
};

/// What a decoder is asked for.
struct Request {
  std::uint64_t shrink = 1;  ///< Times smaller than stored, rounded up: 1, or 2, 4 or 8.
  Region part;               ///< Of the shrunk picture, at least one pixel.
};

/// Where a decoder writes: RGB rows from top to bottom, as they are stored.
class RowSink {
 public:
  RowSink() = default;
  RowSink(const RowSink&) = delete;
  RowSink& operator=(const RowSink&) = delete;
  virtual ~RowSink() = default;

  /// Called once, before the first row and before the decoder takes memory for pixels.
  ///
  /// \returns What is needed; the rows of its part alone are asked for.
  virtual Request begin(const ImageHead& head) = 0;

  /// Where the next row goes: all of the picture's, of which the part must be written, and the rest
  /// may be. The row before is whole.
  virtual std::uint8_t* next_row() = 0;

  /// Called once, after the last row.
  virtual void end() = 0;
};

/// Most pixels of an image. Pillow refuses a third more.
constexpr std::uint64_t kMaxPixels = std::uint64_t{1} << 27;

/// Throws unless `size` is within the limit (`unsupported`).
void check_pixels(const EncodedImage& image, const ImageSize& size);

}  // namespace headrace::sources
