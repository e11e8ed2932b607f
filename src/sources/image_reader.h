// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/image_check.h"

#include "sources/file_descriptor.h"
#include "sources/image.h"
#include "sources/image_rules.h"
#include "sources/jpeg.h"
#include "sources/png.h"
#include "sources/resize.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace headrace::sources {

/// Reads image files, one after another, keeping for the next what it needed for the last.
///
/// Threads: one at a time; each thread has its own.
class ImageReader {
 public:
  /// This thread's.
  static ImageReader& of_this_thread();

  /// Whether the first bytes of the file are an image's.
  ///
  /// \param file_bytes  Receives the file's size.
  /// \throws Error  `io`; `unsupported` when it is a pipe, device or socket.
  bool is_image(const std::string& path, std::uint64_t& file_bytes);

  /// The size of an image as it is to be looked at, told by its head.
  ///
  /// \throws Error  What `read` does.
  ImageSize size_of(const std::string& path);
  ImageSize size_of(const EncodedImage& image);

  /// Writes an image's RGB pixels as `rules` demand, resized to cover and cut.
  ///
  /// \param random_key  What a random crop or flip is drawn from.
  /// \param into  Of `rules.size.width * rules.size.height * 3` bytes.
  /// \throws Error  `io`; `corrupt_data`, also when the image has another size and may not be
  ///                resized; `unsupported` for kinds that are not read.
  void read(const std::string& path,
            const ImageRules& rules,
            std::uint64_t random_key,
            std::span<std::byte> into);
  void read(const EncodedImage& image,
            const ImageRules& rules,
            std::uint64_t random_key,
            std::span<std::byte> into);

  /// Decodes an image with a second decoder and compares with what `read` made of it.
  ///
  /// \throws Error  What `read` does.
  ImageCheck check(const std::string& path,
                   const ImageRules& rules,
                   std::uint64_t random_key,
                   std::span<const std::byte> input);
  ImageCheck check(const EncodedImage& image,
                   const ImageRules& rules,
                   std::uint64_t random_key,
                   std::span<const std::byte> input);

  /// Lets go of what a large image needed. The reads of files do so themselves.
  void forget_large();

 private:
  class Placing;

  EncodedImage load(const std::string& path, std::size_t most);
  EncodedImage load(const FileDescriptor& file, const std::string& path, std::uint64_t bytes);
  ImageHead read_head(const EncodedImage& image);
  void decode(const EncodedImage& image, RowSink& sink);

  std::vector<std::byte> file_;
  JpegDecoder jpeg_;
  PngDecoder png_;
  Resizer resizer_;
  std::vector<std::uint8_t> line_;
  std::vector<std::uint8_t> picture_;
};

}  // namespace headrace::sources
