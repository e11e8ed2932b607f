// SPDX-License-Identifier: Apache-2.0
#include "cli/data.h"

#include "headrace/error.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace headrace::cli {

std::shared_ptr<SampleSource> open_data(const std::filesystem::path& path,
                                        const SourceOptions& options) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kNames{
      {{"with `split`.", "with `--split PREFIX`."},
       {"with `image_size`.", "with `--image-size WxH`."}}};
  try {
    return open_source(path, options);
  } catch (const Error& error) {
    std::string text = error.what();
    for (const auto& [librarys, ours] : kNames) {
      if (text.ends_with(librarys)) {
        text.replace(text.size() - librarys.size(), librarys.size(), ours);
        throw Error(error.code(), text);
      }
    }
    throw;
  }
}

}  // namespace headrace::cli
