// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/data_type.h"
#include "headrace/shape.h"
#include "headrace/source.h"

#include "sources/file_part.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace headrace::sources {

/// Shape and type of an input.
struct InputType {
  Shape shape;
  DataType dtype = DataType::uint8;
  friend bool operator==(const InputType&, const InputType&) = default;
};

struct ImageRules;

/// How the input of a sample is read from a file of its own.
struct InputDecoder {
  std::string_view extension;  ///< Of such files' names, in lower case, without the dot.
  bool is_image = false;       ///< Whether options and rules for images are heeded.

  /// What the input will be, as cheaply as that can be told.
  ///
  /// \throws Error  As the file's format does.
  InputType (*examine)(const FilePart& file, const SourceOptions& options);

  /// Writes the input into `into`, every byte of it. Called from many threads at once.
  ///
  /// \throws Error  As `examine`, also when the file is not what it was examined to be.
  /// \param random_key  Of the sample.
  void (*decode)(const FilePart& file,
                 const ImageRules& rules,
                 std::uint64_t random_key,
                 std::span<std::byte> into);
};

/// The decoder of files with `extension`, in lower case; null when such files are no inputs.
const InputDecoder* find_decoder(std::string_view extension);

/// The extensions that have decoders, for errors: ".npy, .jpg".
std::string decoder_extensions();

}  // namespace headrace::sources
