// SPDX-License-Identifier: Apache-2.0
// The text of --raw, and a file of zeros that is opened as it says.
#include "cli/values.h"
#include "fuzz/hostile.h"
#include "sources/raw.h"

#include <array>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace headrace;
  static constexpr std::array<std::uint8_t, 5040> kZeros{};
  fuzz::expect_sound([&] {
    try {
      const SampleSpec spec = cli::parse_raw({reinterpret_cast<const char*>(bytes), size});
      fuzz::read_samples(*sources::open_raw(fuzz::InputFile::with(kZeros), spec));
    } catch (const cli::UsageError&) {
    }
  });
  return 0;
}
