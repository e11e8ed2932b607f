// SPDX-License-Identifier: Apache-2.0
#include "headrace/image_check.h"

#include "headrace/error.h"

#include "sources/image_backed.h"
#include "sources/row_source.h"

#include <fmt/format.h>

namespace headrace {

std::string_view second_decoder() noexcept {
  return "stb_image";
}

std::optional<ImageCheck> check_image(const SampleSource& source,
                                      const ReadContext& context,
                                      std::span<const std::byte> input) {
  const auto* const images = dynamic_cast<const sources::ImageBacked*>(&source);
  if (images == nullptr) {
    return std::nullopt;
  }
  sources::check_index(source.name(), context.index, source.size());
  const SampleSpec spec = source.spec();
  const std::size_t bytes =
      static_cast<std::size_t>(spec.input_shape.element_count()) * size_of(spec.input_dtype);
  if (input.size() != bytes) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("An input of '{}' has {} bytes, and {} were given to be checked.",
                            source.name(),
                            bytes,
                            input.size()));
  }
  return images->check_image(context, input);
}

}  // namespace headrace
