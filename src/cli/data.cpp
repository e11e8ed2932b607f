// SPDX-License-Identifier: Apache-2.0
#include "cli/data.h"

#include "headrace/error.h"

#include <string_view>

namespace headrace::cli {

std::shared_ptr<SampleSource> open_data(const std::filesystem::path& path,
                                        const std::string& split) {
  try {
    return open_source(path, {.split = split});
  } catch (const Error& error) {
    constexpr std::string_view kMember = "choose one with `split`";
    std::string text = error.what();
    const std::size_t at = text.rfind(kMember);
    if (at == std::string::npos) {
      throw;
    }
    throw Error(error.code(), text.replace(at, kMember.size(), "choose one with --split"));
  }
}

}  // namespace headrace::cli
