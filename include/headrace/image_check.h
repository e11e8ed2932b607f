// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/export.h"
#include "headrace/source.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace headrace {

/// How far apart two pictures are, in levels of 0 to 255, over every channel of every pixel.
struct ImageDifference {
  int max = 0;
  double mean = 0;
};

/// What a second decoder says of an image.
struct ImageCheck {
  std::optional<ImageDifference> found = {};  ///< Unset when the second decoder did not decode it.
  /// None for a PNG, whose pixels are known exactly; for a JPEG 6 at most and 0.5 on average.
  ImageDifference allowed = {};
  std::string reason = {};  ///< Why `found` is unset, the rest of a sentence.

  /// Whether the image was decoded twice and the pictures are further apart than is allowed.
  [[nodiscard]] bool is_fault() const noexcept {
    return found && (found->max > allowed.max || found->mean > allowed.mean);
  }
};

/// Name of the decoder that `check_image` uses.
HEADRACE_EXPORT std::string_view second_decoder() noexcept;

/// Decodes the image of a sample once more, with other code than `source->read` uses, and compares.
///
/// What comes after decoding (orientation, crop, flip, resizing) is done by the same code, so that
/// faults there are not found. The second decoder does not decode what has no one right picture, or
/// what it does not know; then the result says why. It is given no file that `read` would refuse.
///
/// Waits: reads the file, and takes about four times as long as `read`.
/// Threads: any, at once.
/// \param source   Of `open_source`, or a subset of one.
/// \param context  As it was given to `read`.
/// \param input    What `read` made of the sample.
/// \returns nullopt when the sample is no encoded image.
/// \throws Error  As `read`; `invalid_argument` when there is no such sample or `input` is not of
///                its size.
HEADRACE_EXPORT std::optional<ImageCheck> check_image(const SampleSource& source,
                                                      const ReadContext& context,
                                                      std::span<const std::byte> input);

}  // namespace headrace
