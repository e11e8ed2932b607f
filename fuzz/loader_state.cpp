// SPDX-License-Identifier: Apache-2.0
#include "headrace/loader_state.h"

#include "cli/json.h"
#include "fuzz/hostile.h"

#include <array>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace headrace;
  fuzz::expect_sound([&] {
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const LoaderState state = LoaderState::from_json(text);
    (void)cli::state_owner(text);
    if (LoaderState::from_json(state.to_json()) != state) {
      fuzz::fail("a state does not come back from its text");
    }
    (void)LoaderState::merge(std::array{state, state});
  });
  return 0;
}
