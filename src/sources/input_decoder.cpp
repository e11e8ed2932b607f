// SPDX-License-Identifier: Apache-2.0
#include "sources/input_decoder.h"

#include "sources/image_member.h"
#include "sources/npy.h"

#include <array>

namespace headrace::sources {
namespace {

constexpr InputDecoder image(std::string_view extension) {
  return {
      .extension = extension, .is_image = true, .examine = examine_image, .decode = decode_image};
}

constexpr std::array kDecoders{
    InputDecoder{
        .extension = "npy", .is_image = false, .examine = examine_npy, .decode = decode_npy},
    image("jpg"),
    image("jpeg"),
    image("png")};

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
