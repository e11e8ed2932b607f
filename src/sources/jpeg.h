// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/image.h"

#include <cstddef>
#include <memory>
#include <span>

namespace headrace::sources {

/// Whether `bytes` begin as a JPEG file does.
bool has_jpeg_signature(std::span<const std::byte> bytes) noexcept;

/// Decodes JPEG files, one after another, with libjpeg.
///
/// Threads: one at a time.
class JpegDecoder {
 public:
  JpegDecoder();
  ~JpegDecoder();

  /// Reads as far as the first scan.
  ///
  /// \throws Error  `corrupt_data`, also when `image` ends before; `unsupported` for kinds of JPEG
  ///                that are not read.
  ImageHead read_head(const EncodedImage& image);

  /// Decodes all of `image`.
  ///
  /// \throws Error  As `read_head`, and what `sink` throws.
  void decode(const EncodedImage& image, RowSink& sink);

 private:
  struct State;
  class OneImage;
  std::unique_ptr<State> state_;
};

}  // namespace headrace::sources
