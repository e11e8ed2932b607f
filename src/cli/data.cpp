// SPDX-License-Identifier: Apache-2.0
#include "cli/data.h"

#include "headrace/error.h"

#include <string>
#include <string_view>

namespace headrace::cli {

std::shared_ptr<SampleSource> open_data(const std::filesystem::path& path,
                                        const SourceOptions& options) {
  constexpr std::string_view kLibrarys = "with `split`.";
  constexpr std::string_view kOurs = "with `--split PREFIX`.";
  try {
    return open_source(path, options);
  } catch (const Error& error) {
    std::string text = error.what();
    if (!text.ends_with(kLibrarys)) {
      throw;
    }
    text.replace(text.size() - kLibrarys.size(), kLibrarys.size(), kOurs);
    throw Error(error.code(), text);
  }
}

}  // namespace headrace::cli
