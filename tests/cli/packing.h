// SPDX-License-Identifier: Apache-2.0
// Running `headrace pack`.
#pragma once

#include "program.h"
#include "stream_report.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <set>
#include <string>

namespace headrace::test {

/// Runs `headrace pack` with `--json -` and gives the JSON of a run that succeeds.
inline Json pack(Arguments arguments) {
  arguments.insert(arguments.begin(), {"pack", "--json", "-"});
  const Finished run = run_program(arguments);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return Json::parse(run.out, nullptr, false);
}

/// Expects that the command fails with one line that has `part`.
inline void expect_failure(Arguments arguments, const std::string& part, int exit_code = 1) {
  arguments.insert(arguments.begin(), "pack");
  const Finished run = run_program(arguments);
  EXPECT_EQ(run.exit_code, exit_code) << run.out;
  EXPECT_TRUE(is_one_line(run.err)) << run.err;
  EXPECT_THAT(run.err, testing::HasSubstr(part));
}

/// Names of what is in `folder`.
inline std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.insert(entry.path().filename());
  }
  return names;
}

}  // namespace headrace::test
