// SPDX-License-Identifier: Apache-2.0
#include "stream_report.h"
#include "support/npy_writer.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdint>
#include <sys/stat.h>

namespace headrace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// Runs the program, which must complain in one line, and gives that line.
std::string complaint(const Arguments& arguments,
                      int exit_code,
                      const std::map<std::string, std::string>& environment = {}) {
  const Finished run = run_program(arguments, environment);
  const std::string words = testing::PrintToString(arguments);
  EXPECT_EQ(run.exit_code, exit_code) << words << run.err;
  EXPECT_EQ(run.out, "") << words;
  EXPECT_TRUE(is_one_line(run.err)) << words << run.err;
  EXPECT_THAT(run.err, testing::StartsWith("headrace: ")) << words;
  return run.err;
}

TEST(Usage, HelpShowsEveryCommandAndExamples) {
  const Finished run = run_program({"--help"});
  EXPECT_EQ(run.exit_code, 0);
  for (const char* word : {"devices", "inspect", "stream", "bench", "Examples:", "--version"}) {
    EXPECT_THAT(run.out, HasSubstr(word));
  }
  EXPECT_EQ(run.err, "");
}

TEST(Usage, HelpOfACommandShowsItsOptions) {
  const Finished run = run_program({"stream", "--help"});
  EXPECT_EQ(run.exit_code, 0);
  for (const char* option :
       {"--device",  "--batch",        "--epochs",   "--workers", "--prefetch",
        "--shuffle", "--seed",         "--shard",    "--dtype",   "--layout",
        "--mean",    "--stddev",       "--on-error", "--tail",    "--image-size",
        "--state",   "--max-failures", "--trace",    "--verify",  "--split",
        "--json",    "Examples:",      "bound by",   "consumer",  "--resume-from"}) {
    EXPECT_THAT(run.out, HasSubstr(option));
  }
  EXPECT_EQ(run_program({"devices", "--help"}).exit_code, 0);
  EXPECT_EQ(run_program({"inspect", "-h"}).exit_code, 0);
  const Finished bench = run_program({"bench", "--help"});
  EXPECT_EQ(bench.exit_code, 0);
  for (const char* word : {"memory",
                           "transfer",
                           "convert",
                           "loader",
                           "--device",
                           "--threads",
                           "--rounds",
                           "--seconds",
                           "--json",
                           "malloc"}) {
    EXPECT_THAT(bench.out, HasSubstr(word));
  }
}

TEST(Usage, HelpSaysWhatMustBeGiven) {
  EXPECT_THAT(run_program({"--help"}).out, HasSubstr("Usage: headrace [OPTIONS] COMMAND"));
  EXPECT_THAT(run_program({"stream", "--help"}).out,
              HasSubstr("Usage: headrace stream [OPTIONS] PATH\n"));
  for (const Arguments& arguments :
       {Arguments{"--help"}, Arguments{"stream", "-h"}, Arguments{"devices", "-h"}}) {
    const std::string help = run_program(arguments).out;
    EXPECT_THAT(help, Not(HasSubstr("\n\n\n"))) << help;
    EXPECT_THAT(help, Not(testing::EndsWith("\n\n"))) << help;
  }
}

TEST(Usage, VersionIsOneLine) {
  const Finished run = run_program({"--version"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, testing::MatchesRegex("headrace [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Usage, BadUsageIsRefusedInOneLine) {
  const std::string data = digits();
  const std::vector<std::pair<Arguments, std::string>> cases{
      {{}, "A command is missing"},
      {{"unpack"}, "no command 'unpack'"},
      {{"bench", "disk"}, "GROUP: 'disk' is not one of memory, transfer, convert, loader."},
      {{"bench", "--rounds", "0"}, "--rounds: '0'"},
      {{"bench", "--threads", "0"}, "--threads: '0'"},
      {{"bench", "--seconds", "0"}, "--seconds: '0'"},
      {{"bench", "--seconds", "nan"}, "--seconds: 'nan'"},
      {{"bench", "--seconds", "9999"}, "--seconds: '9999'"},
      {{"stream"}, "PATH is missing"},
      {{"inspect"}, "PATH is missing"},
      {{"inspect", data, "more"}, "The argument 'more' was not expected."},
      {{"inspect", data, "x", "--y", "z"}, "The arguments 'x', '--y', 'z' were not expected."},
      {{"stream", data, "--bogus"}, "--bogus"},
      {{"stream", data, "--batch"}, "--batch"},
      {{"stream", data, "--batch", "0"}, "--batch: '0'"},
      {{"stream", data, "--batch", "-3"}, "--batch: '-3'"},
      {{"stream", data, "--batch", "12x"}, "--batch: '12x'"},
      {{"stream", data, "--batch", "99999999999999999999"}, "--batch: '99999999999999999999'"},
      {{"stream", data, "--epochs", "many"}, "--epochs: 'many'"},
      {{"stream", data, "--workers", "0"}, "--workers: '0'"},
      {{"stream", data, "--prefetch", "0"}, "--prefetch: '0'"},
      {{"stream", data, "--seed", "1.5"}, "--seed: '1.5'"},
      {{"stream", data, "--shard", "3/2"}, "--shard: '3/2'"},
      {{"stream", data, "--shard", "2/2"}, "--shard: '2/2'"},
      {{"stream", data, "--shard", "2"}, "--shard: '2'"},
      {{"stream", data, "--dtype", "float12"}, "float16"},
      {{"stream", data, "--layout", "cwh"}, "chw"},
      {{"stream", data, "--tail", "long"}, "pad_zero"},
      {{"stream", data, "--on-error", "ignore"}, "skip"},
      {{"stream", data, "--mean", "0.5,"}, "--mean: '0.5,'"},
      {{"stream", data, "--mean", "nan"}, "--mean: 'nan'"},
      {{"stream", data, "--stddev", "0"}, "--stddev: '0'"},
      {{"stream", data, "--image-size", "224"}, "--image-size: '224'"},
      {{"stream", data, "--image-size", "0x5"}, "--image-size: '0x5'"},
  };
  for (const auto& [arguments, text] : cases) {
    EXPECT_THAT(complaint(arguments, 2), HasSubstr(text));
  }
}

TEST(Usage, PathMayBeNamedAsACommand) {
  for (const char* command : {"inspect", "stream"}) {
    for (const char* path : {"devices", "inspect", "stream"}) {
      EXPECT_THAT(complaint({command, path}, 1), HasSubstr(std::string("'") + path + "'"));
    }
  }
  EXPECT_THAT(complaint({"stream", digits(), "devices"}, 2), HasSubstr("devices"));
  EXPECT_THAT(complaint({"devices", "stream"}, 2), HasSubstr("stream"));
}

TEST(Usage, OutputsAreApart) {
  const TempDir folder;
  const std::string data = digits();
  const std::string report = folder / "a.json";
  write_file(folder / "there", "old");
  std::filesystem::create_symlink("there", folder / "link");
  std::filesystem::create_symlink("a.json", folder / "dangling");
  std::filesystem::create_hard_link(folder / "there", folder / "hard");
  const std::vector<std::pair<std::string, std::string>> pairs{
      {report, report},
      {report, folder / "x/../a.json"},
      {report, folder / "dangling"},
      {folder / "there", folder / "link"},
      {folder / "there", folder / "hard"},
  };
  std::filesystem::create_directory(folder / "x");
  for (const auto& [one, other] : pairs) {
    for (const auto& [first, second] : {std::pair("--json", "--state"),
                                        std::pair("--json", "--trace"),
                                        std::pair("--state", "--trace")}) {
      EXPECT_THAT(complaint({"stream", data, first, one, second, other}, 2),
                  testing::AllOf(HasSubstr(first), HasSubstr(second)));
    }
  }
  EXPECT_EQ(content_of(folder / "there"), "old");
  EXPECT_FALSE(std::filesystem::exists(report));
  const Finished run = run_program({"stream", data, "--json", "/dev/null", "--trace", "/dev/null"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST(Usage, DataIsNotOverwritten) {
  const TempDir folder;
  const auto fill = [&] {
    write_npy(folder / "inputs.npy", Shape{2, 2}, std::array<float, 4>{1, 2, 3, 4});
    write_npy(folder / "labels.npy", Shape{2}, std::array<std::int64_t, 2>{5, 6});
  };
  fill();
  std::filesystem::create_symlink("labels.npy", folder / "link");
  const std::string before = content_of(folder / "labels.npy");
  const auto expect_refused = [&](const std::string& data, const char* option) {
    for (const char* name : {"inputs.npy", "labels.npy", "link"}) {
      EXPECT_THAT(complaint({"stream", data, option, folder / name}, 2),
                  testing::AllOf(HasSubstr(option), HasSubstr(name)));
    }
  };
  for (const char* option : {"--json", "--trace", "--state"}) {
    expect_refused(folder.path(), option);
    expect_refused(folder / "inputs.npy", option);
  }
  complaint({"inspect", folder.path(), "--json", folder / "labels.npy"}, 2);
  complaint({"devices", "--json", folder / "labels.npy"}, 2);
  EXPECT_EQ(content_of(folder / "labels.npy"), before);
  const Arguments beside{"stream", folder.path(), "--state", folder / "run.state"};
  EXPECT_EQ(run_program(beside).exit_code, 0);
  EXPECT_EQ(run_program(beside).exit_code, 0);
}

TEST(Usage, ADashIsStandardOutputForJsonAlone) {
  EXPECT_THAT(complaint({"stream", digits(), "--trace", "-"}, 2), HasSubstr("--trace: '-'"));
  EXPECT_THAT(complaint({"stream", digits(), "--state", "-"}, 2), HasSubstr("--state: '-'"));
}

TEST(Usage, EmptyValuesAreRefused) {
  for (const char* option : {"--json", "--trace", "--state", "--split", "--device"}) {
    EXPECT_THAT(complaint({"stream", digits(), option, ""}, 2),
                HasSubstr(std::string(option) + " needs a value"));
  }
  EXPECT_THAT(complaint({"stream", ""}, 2), HasSubstr("PATH"));
}

TEST(Usage, APipeIsOpenedOnce) {
  const TempDir folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  Program program({"devices", "--json", pipe});
  EXPECT_TRUE(Json::accept(content_of(pipe)));
  EXPECT_EQ(program.wait().exit_code, 0);
}

TEST(Usage, ShardAutoNeedsBothVariables) {
  const Arguments arguments{"stream", digits(), "--shard", "auto"};
  EXPECT_THAT(complaint(arguments, 2, {{"RANK", "0"}}), HasSubstr("WORLD_SIZE is not"));
  EXPECT_THAT(complaint(arguments, 2, {{"RANK", "4"}, {"WORLD_SIZE", "4"}}), HasSubstr("RANK"));
  EXPECT_THAT(complaint(arguments, 2, {{"RANK", "0"}, {"WORLD_SIZE", "0"}}),
              HasSubstr("WORLD_SIZE"));
}

TEST(Usage, FailuresAreOneLine) {
  const TempDir folder;
  const std::string data = digits();
  const std::vector<std::pair<Arguments, std::string>> cases{
      {{"inspect", folder / "none"}, "none"},
      {{"stream", folder / "none"}, "none"},
      {{"stream", folder.path()}, "is empty"},
      {{"stream", data, "--device", "cuda:99"}, "host"},
      {{"stream", data, "--device", "abacus"}, "host"},
      {{"stream", data, "--split", "train"}, "train"},
      {{"stream", data, "--mean", "0.1,0.2,0.3"}, "mean"},
      {{"stream", data, "--stddev", "1,2"}, "stddev"},
      {{"stream", data, "--image-size", "224x224"}, "unsupported"},
      {{"devices", "--json", folder / "none/devices.json"}, "--json"},
      {{"stream", data, "--json", folder / "none/report.json"}, "--json"},
      {{"stream", data, "--trace", folder.path()}, "--trace"},
      {{"stream", data, "--state", folder / "none/run.state"}, "--state"},
      {{"stream", data, "--json", "/dev/full"}, "/dev/full"},
  };
  for (const auto& [arguments, text] : cases) {
    EXPECT_THAT(run_program(arguments).err, HasSubstr(text));
    if (arguments.back() != "/dev/full") {  // which fails after the report
      EXPECT_THAT(complaint(arguments, 1), HasSubstr(text));
    }
  }
  EXPECT_EQ(run_program({"stream", data, "--json", "/dev/full"}).exit_code, 1);
}

TEST(Usage, OptionsWithoutEffectAreTold) {
  for (const Arguments& more : {Arguments{}, Arguments{"--on-error", "raise"}}) {
    Arguments arguments{"stream", digits(), "--max-failures", "3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_THAT(complaint(arguments, 2), HasSubstr("--on-error skip"));
  }
  const Finished alone = run_program({"stream", digits(), "--seed", "3"});
  EXPECT_EQ(alone.exit_code, 0);
  EXPECT_EQ(alone.err,
            "headrace: warning: --seed has no effect without --shuffle, --random-crop or "
            "--random-flip.\n");
  const Finished useful = run_program({"stream",
                                       digits(),
                                       "--seed",
                                       "3",
                                       "--shuffle",
                                       "--on-error",
                                       "skip",
                                       "--max-failures",
                                       "0"});
  EXPECT_EQ(useful.exit_code, 0);
  EXPECT_EQ(useful.err, "");
}

TEST(Usage, ErrorsSpeakOfTheCommandLine) {
  const TempDir folder;
  for (const char* name : {"a-images-idx3-ubyte", "b-images-idx3-ubyte"}) {
    std::filesystem::copy(digits() + "/digits-images-idx3-ubyte", folder / name);
  }
  for (const char* name : {"a-labels-idx1-ubyte", "b-labels-idx1-ubyte"}) {
    std::filesystem::copy(digits() + "/digits-labels-idx1-ubyte", folder / name);
  }
  for (const char* command : {"inspect", "stream"}) {
    EXPECT_THAT(complaint({command, folder.path()}, 1),
                testing::AllOf(HasSubstr("a, b"), HasSubstr("--split")));
  }
  write_file(folder / "empty.npy", "");
  EXPECT_THAT(complaint({"stream", folder / "empty.npy"}, 1), HasSubstr("the file is empty"));
  write_file(folder / "empty.state", "");
  EXPECT_THAT(complaint({"stream", digits(), "--state", folder / "empty.state"}, 1),
              HasSubstr("The file is empty"));
  const std::string far = complaint({"stream", digits(), "--mean", "1e308"}, 1);
  EXPECT_THAT(far, HasSubstr("1e+308"));
  EXPECT_LT(far.size(), 200);
}

TEST(Usage, NamesCannotMoveTheTerminal) {
  const TempDir folder;
  write_npy(folder / "a\nb\x1b[31m\xff\u00e9.npy", Shape{1, 3}, std::array<float, 3>{});
  const std::string shown = "a\\nb\\x1b[31m\\xff\u00e9.npy";
  const std::string path = folder / "a\nb\x1b[31m\xff\u00e9.npy";
  for (const char* command : {"inspect", "stream"}) {
    const Finished run = run_program({command, path});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.out, HasSubstr(shown));
  }
  EXPECT_THAT(run_program({"stream", path}).out, HasSubstr("1 sample in 1 batch of 1 epoch"));
  EXPECT_THAT(complaint({"stream", path + ".none"}, 1), HasSubstr(shown + ".none"));
  EXPECT_THAT(complaint({"stream", digits(), path}, 2), HasSubstr(shown));
}

TEST(Usage, DataThatCannotServeIsRefused) {
  const TempDir folder;
  write_npy(folder / "none.npy", Shape{0, 3}, std::vector<float>{});
  EXPECT_THAT(complaint({"stream", folder / "none.npy"}, 1), HasSubstr("has no samples"));
  std::filesystem::create_directory(folder / "pair");
  write_npy(folder / "pair/inputs.npy", Shape{2, 2}, std::array<float, 4>{});
  write_npy(folder / "pair/labels.npy", Shape{3}, std::array<std::int64_t, 3>{});
  for (const char* epochs : {"0", "1"}) {
    EXPECT_THAT(
        complaint({"stream", digits(), "--tail", "drop", "--batch", "2000", "--epochs", epochs}, 1),
        testing::AllOf(HasSubstr("--tail drop"), HasSubstr("1797"), HasSubstr("2000")));
  }
  EXPECT_THAT(
      complaint({"stream", digits(), "--tail", "drop", "--batch", "600", "--shard", "1/3"}, 1),
      HasSubstr("600 x 3"));
  const std::string text = complaint({"stream", folder / "pair"}, 1);
  EXPECT_THAT(text, testing::AllOf(HasSubstr("2"), HasSubstr("3"), HasSubstr("labels")));
}

TEST(Usage, SeveralPairsAreAChoiceByAnOptionOfTheProgram) {
  using namespace std::string_literals;
  const TempDir folder;
  const std::string none = "\0\0\x08\x01\0\0\0\0"s;  // uint8, one dimension, no samples
  for (const std::string prefix : {"train", "t10k"}) {
    write_file(folder / (prefix + "-images-idx1-ubyte"), none);
    write_file(folder / (prefix + "-labels-idx1-ubyte"), none);
  }
  for (const std::string command : {"inspect", "stream"}) {
    EXPECT_THAT(complaint({command, folder.path()}, 1),
                HasSubstr("the splits t10k, train; choose one with `--split PREFIX`."));
  }
}

}  // namespace
}  // namespace headrace::test
