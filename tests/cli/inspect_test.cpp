// SPDX-License-Identifier: Apache-2.0
#include "stream_report.h"
#include "support/npy_writer.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdint>
#include <numeric>

namespace headrace::test {
namespace {

using testing::HasSubstr;

Json inspect(const std::filesystem::path& path) {
  const Finished run = run_program({"inspect", path, "--json", "-"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  return Json::parse(run.out, nullptr, false);
}

TEST(Inspect, CountsTheDigits) {
  const Json json = inspect(digits());
  EXPECT_EQ(json["samples"], 1797);
  EXPECT_EQ(json["input"], (Json{{"shape", {8, 8}}, {"dtype", "uint8"}, {"bytes", 64}}));
  EXPECT_EQ(json["label"], (Json{{"shape", Json::array()}, {"dtype", "uint8"}, {"bytes", 1}}));
  EXPECT_EQ(json["bytes"], 1797 * 65);
  const std::array counts{178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
  ASSERT_EQ(json["labels"].size(), counts.size());
  for (std::size_t digit = 0; digit < counts.size(); ++digit) {
    EXPECT_EQ(json["labels"][std::to_string(digit)], counts[digit]);
  }
}

TEST(Inspect, TextSaysTheSame) {
  const Finished run = run_program({"inspect", digits()});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.err, "");
  for (const char* text : {"1797", "uint8 [8, 8]", "classes", "178", "174"}) {
    EXPECT_THAT(run.out, HasSubstr(text));
  }
}

TEST(Inspect, AFileHasNoLabels) {
  const TempDir folder;
  std::vector<float> values(60);
  std::iota(values.begin(), values.end(), 0.0F);
  write_npy(folder / "a.npy", Shape{5, 3, 4}, values);
  const Json json = inspect(folder / "a.npy");
  EXPECT_EQ(json["samples"], 5);
  EXPECT_EQ(json["input"]["dtype"], "float32");
  EXPECT_TRUE(json["label"].is_null());
  EXPECT_TRUE(json["labels"].is_null());
}

TEST(Inspect, CountsNegativeLabelsAndNoVectors) {
  const TempDir folder;
  write_npy(folder / "inputs.npy", Shape{3, 1}, std::array<std::uint8_t, 3>{1, 2, 3});
  write_npy(folder / "labels.npy", Shape{3}, std::array<std::int32_t, 3>{-1, 4, -1});
  EXPECT_EQ(inspect(folder.path())["labels"], (Json{{"-1", 2}, {"4", 1}}));
  write_npy(folder / "labels.npy", Shape{3, 1}, std::array<std::int32_t, 3>{-1, 4, -1});
  EXPECT_TRUE(inspect(folder.path())["labels"].is_null());
}

TEST(Inspect, NoSamplesIsNoFault) {
  const TempDir folder;
  write_npy(folder / "a.npy", Shape{0, 2}, std::vector<float>{});
  EXPECT_EQ(inspect(folder / "a.npy")["samples"], 0);
}

}  // namespace
}  // namespace headrace::test
