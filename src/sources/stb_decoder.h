// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sources/image.h"

#include <cstdint>
#include <string>
#include <vector>

namespace headrace::sources {

/// Takes an image from another decoder, which has to read it to its end before stb_image gets it.
class Trial final : public RowSink {
 public:
  Request begin(const ImageHead& head) override;
  std::uint8_t* next_row() override;
  void end() override;

  [[nodiscard]] const ImageHead& head() const noexcept { return head_; }

  /// Overwrites in `picture`, all of the image, what stb_image is known to make wrong.
  void mend(std::uint8_t* picture) const;

 private:
  [[nodiscard]] std::uint64_t last_colours() const noexcept;
  void keep();

  ImageHead head_;
  bool is_begun_ = false;  // whether a row was asked for
  std::vector<std::uint8_t> row_;
  std::vector<std::uint8_t> column_;  // of the picture that the other decoder makes
};

/// Decodes an image with stb_image, for nothing but to check the other decoders by.
///
/// stb_image is not made for hostile files, and so gets only what another decoder has read.
///
/// \param trial  What that decoder decoded `image` into.
/// \returns Why it was not decoded, the rest of a sentence without its full stop; then `sink` got
/// no
///          row. Empty when it was.
/// \throws Error  `corrupt_data` when the picture has another size than to that decoder; what
/// `sink`
///                throws.
std::string decode_with_stb(const EncodedImage& image, const Trial& trial, RowSink& sink);

}  // namespace headrace::sources
