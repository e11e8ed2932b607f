// SPDX-License-Identifier: Apache-2.0
#include "sources/input_decoder.h"

#include "sources/npy.h"

#include <array>

namespace headrace::sources {
namespace {

InputType refuse_image(const FilePart& file) {
  file.refuse(ErrorCode::unsupported, 0, "the input is a JPEG or PNG, which cannot be read yet");
}

constexpr InputDecoder image(std::string_view extension) {
  return {.extension = extension, .examine = refuse_image, .decode = nullptr};
}

constexpr std::array kDecoders{
    InputDecoder{"npy", examine_npy, decode_npy}, image("jpg"), image("jpeg"), image("png")};

}  // namespace

const InputDecoder* find_decoder(std::string_view extension) {
  for (const InputDecoder& decoder : kDecoders) {
    if (decoder.extension == extension) {
      return &decoder;
    }
  }
  return nullptr;
}

std::string decoder_extensions() {
  std::string list;
  for (const InputDecoder& decoder : kDecoders) {
    list += (list.empty() ? "." : ", .") + std::string(decoder.extension);
  }
  return list;
}

}  // namespace headrace::sources
