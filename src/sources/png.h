// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/image.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headrace::sources {

/// Whether `bytes` begin as a PNG file does.
bool has_png_signature(std::span<const std::byte> bytes) noexcept;

/// Decodes PNG files, one after another, with libpng.
///
/// Threads: one at a time.
class PngDecoder {
 public:
  /// Reads as far as the first pixels. An orientation that comes behind them is not seen.
  ///
  /// \throws Error  `corrupt_data`, also when `image` ends before; `unsupported` when it is too
  ///                large.
  ImageHead read_head(const EncodedImage& image);

  /// Decodes all of `image`.
  ///
  /// \throws Error  As `read_head`, and what `sink` throws.
  void decode(const EncodedImage& image, RowSink& sink);

  /// Memory kept for the next image.
  [[nodiscard]] std::size_t kept_bytes() const noexcept { return picture_.capacity(); }

 private:
  std::vector<std::uint8_t> picture_;  // of an interlaced file, whose rows come several times
};

}  // namespace headrace::sources
