// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "headrace/image_check.h"

#include <cstddef>
#include <optional>
#include <span>

namespace headrace::sources {

/// What sources also are that decode images.
class ImageBacked {
 public:
  ImageBacked() = default;
  ImageBacked(const ImageBacked&) = delete;
  ImageBacked& operator=(const ImageBacked&) = delete;
  virtual ~ImageBacked() = default;

  /// As headrace::check_image, for a sample that is there and an `input` of its size.
  [[nodiscard]] virtual std::optional<ImageCheck> check_image(
      const ReadContext& context, std::span<const std::byte> input) const = 0;
};

}  // namespace headrace::sources
