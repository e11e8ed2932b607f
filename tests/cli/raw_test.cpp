// SPDX-License-Identifier: Apache-2.0
#include "cli/values.h"
#include "stream_report.h"

#include <gmock/gmock.h>

namespace headrace::test {
namespace {

using testing::HasSubstr;

TEST(RawSpec, IsReadFromItsText) {
  EXPECT_EQ(cli::parse_raw("uint8[32,32,3]+int64"),
            (SampleSpec{Shape{32, 32, 3}, DataType::uint8, Shape{}, DataType::int64, {}}));
  EXPECT_EQ(cli::parse_raw("float8_e4m3+bfloat16[10]"),
            (SampleSpec{Shape{}, DataType::float8_e4m3, Shape{10}, DataType::bfloat16, {}}));
  EXPECT_EQ(cli::parse_raw("float32[7]"),
            (SampleSpec{Shape{7}, DataType::float32, Shape{0}, DataType::uint8, {}}));
}

TEST(RawSpec, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> faults{
      {"u8[3]", "the type 'u8'"},
      {"+int64", "the type ''"},
      {"uint8[3]+", "the type ''"},
      {"uint8[3]+int64+int64", "the type 'int64+int64'"},
      {"uint8[3", "lacks the ']'"},
      {"uint8[3]x", "lacks the ']'"},
      {"uint8[]", "the extent ''"},
      {"uint8[3,]", "the extent ''"},
      {"uint8[,3]", "the extent ''"},
      {"uint8[3, 3]", "the extent ' 3'"},
      {"uint8[0]", "the extent '0'"},
      {"uint8[-1]", "the extent '-1'"},
      {"uint8[1.5]", "the extent '1.5'"},
      {"uint8[9223372036854775808]", "the extent '9223372036854775808'"},
      {"uint8[1,1,1,1,1,1,1,1,1]", "has 9 dimensions, and 8 are the most"}};
  for (const auto& [text, part] : faults) {
    SCOPED_TRACE(text);
    try {
      cli::parse_raw(text);
      ADD_FAILURE() << "was read";
    } catch (const cli::UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("--raw: '" + text + "' "));
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }
}

TEST(RawRecords, AreStreamedAndInspected) {
  const TempDir folder;
  std::string records;
  for (int i = 0; i < 100; ++i) {
    records += std::string(6, static_cast<char>(i)) + static_cast<char>(i % 3);
  }
  write_file(folder / "records", records);
  const std::string path = folder / "records";
  const Json json = stream(path, {"--raw", "uint8[2,3]+uint8", "--shuffle", "--verify"});
  EXPECT_EQ(json["samples"], 100);
  EXPECT_EQ(json["verified"]["samples"], 100);
  EXPECT_EQ(json["verified"]["mismatches"], 0);

  const Finished inspect = run_program({"inspect", path, "--raw", "uint8[2,3]+uint8"});
  EXPECT_EQ(inspect.exit_code, 0) << inspect.err;
  EXPECT_THAT(inspect.out, HasSubstr("uint8 [2, 3]"));
  EXPECT_THAT(inspect.out, HasSubstr("classes  3"));

  const Finished odd = run_program({"stream", path, "--raw", "uint8[3]+int64"});
  EXPECT_EQ(odd.exit_code, 1);
  EXPECT_THAT(odd.err, HasSubstr("at offset 693, 7 bytes are left, and a record has 11"));
  const Finished bad = run_program({"stream", path, "--raw", "uint9"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_TRUE(is_one_line(bad.err)) << bad.err;
}

}  // namespace
}  // namespace headrace::test
