// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "program.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace headrace::test {

using Json = nlohmann::json;

/// Runs `headrace stream` on `data` with `--json -` and gives the JSON of a run that succeeds.
inline Json stream(const std::string& data, Arguments options) {
  options.insert(options.begin(), {"stream", data, "--json", "-"});
  const Finished run = run_program(options);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const Json json = Json::parse(run.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << run.out;
  return json;
}

/// Whether `text` is one line that is not empty.
inline bool is_one_line(const std::string& text) {
  return text.size() > 1 && text.back() == '\n' && std::ranges::count(text, '\n') == 1;
}

}  // namespace headrace::test
