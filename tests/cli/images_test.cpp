// SPDX-License-Identifier: Apache-2.0
// The program over a folder of images.
#include "cli/paths.h"
#include "stream_report.h"
#include "support/tar_writer.h"

#include <gmock/gmock.h>

#include <fstream>
#include <string>

namespace headrace::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Images : public testing::Test {
 protected:
  Images() {
    for (const char* name : {"cats/baseline.jpg",
                             "cats/cmyk.jpg",
                             "cats/baseline.png",
                             "dogs/progressive.jpg",
                             "dogs/grey.jpg"}) {
      add(name, std::filesystem::path(name).filename());
    }
    write_file(folder_ / "README", "Cats and dogs.");
  }

  void add(const std::string& name, const std::string& image) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::filesystem::copy_file(std::filesystem::path(HEADRACE_IMAGES_DIR) / image, folder_ / name);
  }

  TempDir folder_;
};

/// Expects that `samples` were decoded twice, alike, and `unsupported` more once.
void expect_decoded_twice(const Json& json, int samples, int unsupported = 0) {
  const Json second = json["verified"]["second_decoder"];
  ASSERT_TRUE(second.is_object()) << json["verified"];
  EXPECT_EQ(second["name"], "stb_image");
  EXPECT_EQ(second["samples"], samples);
  EXPECT_EQ(second["unsupported"], unsupported);
  EXPECT_GT(second["max_difference"], 0);
  EXPECT_GT(second["mean_difference"], 0.0);
  EXPECT_LT(second["mean_difference"], second["max_difference"]);
}

TEST_F(Images, AreInspected) {
  const Finished run = run_program({"inspect", folder_.path(), "--json", "-"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Json json = Json::parse(run.out);
  EXPECT_THAT(json["source"].get<std::string>(), HasSubstr("1 file that is no image: README"));
  EXPECT_EQ(json["samples"], 5);
  EXPECT_EQ(json["input"],
            (Json{{"shape", {67, 91, 3}}, {"dtype", "uint8"}, {"bytes", 67 * 91 * 3}}));
  EXPECT_EQ(json["label"]["dtype"], "int64");
  EXPECT_EQ(json["labels"], (Json{{"0", 3}, {"1", 2}}));
}

TEST_F(Images, AreResizedLoadedAndVerified) {
  add("dogs/small.png", "baseline_48x48.png");
  const Json json = stream(folder_.path(),
                           {"--image-size",
                            "64x64",
                            "--verify",
                            "--shuffle",
                            "--epochs",
                            "3",
                            "--batch",
                            "4",
                            "--layout",
                            "chw",
                            "--dtype",
                            "float16",
                            "--mean",
                            "0.5",
                            "--stddev",
                            "0.25"});
  EXPECT_EQ(json["verified"]["samples"], 18);
  EXPECT_EQ(json["verified"]["mismatches"], 0);
  EXPECT_EQ(json["verified"]["missing"], 0);
  EXPECT_EQ(json["verified"]["duplicates"], 0);
  expect_decoded_twice(json, 18);
}

TEST_F(Images, AreCutAndMirroredAtRandomAndVerified) {
  for (const char* crop : {"--random-crop", "--random-crop=0.2,0.7"}) {
    const Json json = stream(folder_.path(),
                             {"--image-size",
                              "32x24",
                              crop,
                              "--random-flip",
                              "--seed",
                              "5",
                              "--verify",
                              "--shuffle",
                              "--epochs",
                              "4",
                              "--workers",
                              "3",
                              "--batch",
                              "2"});
    EXPECT_EQ(json["verified"]["samples"], 20);
    EXPECT_EQ(json["verified"]["mismatches"], 0);
    expect_decoded_twice(json, 20);
  }
}

TEST_F(Images, AreDecodedByASecondDecoder) {
  expect_decoded_twice(stream(folder_.path(), {"--verify"}), 5);
  const Finished run = run_program({"stream", folder_.path(), "--verify"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("\ndecoded by   stb_image too: 5 samples, "));
  EXPECT_THAT(run.out, Not(HasSubstr("not checked")));
}

TEST_F(Images, OfPngAloneAreDecodedByASecondDecoder) {
  std::filesystem::remove_all(folder_ / "dogs");
  std::filesystem::remove(folder_ / "cats/baseline.jpg");
  std::filesystem::remove(folder_ / "cats/cmyk.jpg");
  add("cats/full.png", "full.png");
  const Json second = stream(folder_.path(), {"--verify"})["verified"]["second_decoder"];
  EXPECT_EQ(second["samples"], 2);
  EXPECT_EQ(second["max_difference"], 0);
  EXPECT_EQ(second["mean_difference"], 0.0);
}

TEST_F(Images, ThatTheSecondDecoderLeavesOutAreCountedAndNoMismatch) {
  const std::vector<std::string> options{"--image-size", "20x16", "--scaled-decoding", "--verify"};
  const Json json = stream(folder_.path(), options);
  EXPECT_EQ(json["verified"]["samples"], 5);
  EXPECT_EQ(json["verified"]["mismatches"], 0);
  EXPECT_EQ(json["verified"]["second_decoder"]["samples"], 1);  // the PNG
  EXPECT_EQ(json["verified"]["second_decoder"]["unsupported"], 4);
  std::vector<std::string> words{"stream", folder_.path()};
  words.insert(words.end(), options.begin(), options.end());
  EXPECT_THAT(run_program(words).out,
              HasSubstr("not checked by it: 4 (sample 0: it is decoded at 1/4 of its size)"));
}

/// A JPEG whose table of factors says more than an encoder would: what leaves the range of levels
/// libjpeg wraps and stb_image clips.
std::string jpeg_out_of_range() {
  std::ifstream file(HEADRACE_IMAGES_DIR "/full.jpg", std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  const std::size_t table = content.find("\xff\xdb") + 5;
  return content.replace(table, 64, 64, '\xff');
}

TEST_F(Images, OverWhichTheDecodersDisagreeAreMismatches) {
  write_file(folder_ / "dogs/wild.jpg", jpeg_out_of_range());
  const Finished run = run_program({"stream", folder_.path(), "--verify", "--json", "-"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("--verify found a fault: Sample 5 of epoch 0: stb_image makes other "
                              "pixels of its image"),
                    HasSubstr("6 and 0.5 are allowed.")));
  const Json verified = Json::parse(run.out)["verified"];
  EXPECT_EQ(verified["samples"], 6);
  EXPECT_EQ(verified["mismatches"], 1);
  EXPECT_EQ(verified["second_decoder"]["samples"], 6);
  EXPECT_GT(verified["second_decoder"]["max_difference"], 6);
  EXPECT_EQ(run_program({"stream", folder_.path()}).exit_code, 0);
}

TEST_F(Images, AloneAreDecodedTwice) {
  const Json json = stream(HEADRACE_DATA_DIR "/digits", {"--verify"});
  EXPECT_TRUE(json["verified"].contains("second_decoder"));
  EXPECT_TRUE(json["verified"]["second_decoder"].is_null());
}

TEST_F(Images, RandomOptionsAreChecked) {
  const auto refusal = [this](std::vector<std::string> options, int code) {
    std::vector<std::string> words{"stream", folder_.path()};
    words.insert(words.end(), options.begin(), options.end());
    const Finished run = run_program(words);
    EXPECT_EQ(run.exit_code, code);
    EXPECT_TRUE(is_one_line(run.err)) << run.err;
    return run.err;
  };
  EXPECT_THAT(refusal({"--random-crop"}, 2), HasSubstr("add --image-size WxH"));
  for (const char* bad : {"0,1", "0.5,0.2", "0.5", "0.5,1.5", "some"}) {
    EXPECT_THAT(refusal({"--image-size", "8x8", std::string("--random-crop=") + bad}, 2),
                HasSubstr("--random-crop"));
  }
  const std::string digits = HEADRACE_DATA_DIR "/digits";
  const Finished run = run_program({"stream", digits, "--random-flip"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("A random flip"), HasSubstr("no encoded images")));
}

TEST_F(Images, OfSeveralSizesNeedTheOption) {
  add("dogs/small.png", "baseline_48x48.png");
  for (const char* command : {"inspect", "stream"}) {
    const Finished run = run_program({command, folder_.path()});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_TRUE(is_one_line(run.err)) << run.err;
    EXPECT_THAT(run.err,
                AllOf(HasSubstr("cats/baseline.jpg' is 91x67"),
                      HasSubstr("dogs/small.png' is 48x48"),
                      HasSubstr("with `--image-size WxH`.")));
    EXPECT_EQ(run_program({command, folder_.path(), "--image-size", "20x30"}).exit_code, 0);
  }
}

TEST_F(Images, ThatAreCutShortAreNamedOrSkipped) {
  std::filesystem::resize_file(folder_ / "dogs/grey.jpg", 1000);
  const Finished run = run_program({"stream", folder_.path(), "--batch", "2"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("dogs/grey.jpg"), HasSubstr("at offset 1000")));
  const Json json = stream(folder_.path(), {"--on-error", "skip", "--verify"});
  EXPECT_EQ(json["verified"]["samples"], 4);
  EXPECT_EQ(json["verified"]["mismatches"], 0);
  expect_decoded_twice(json, 4);
}

TEST_F(Images, InTarShardsAreLoadedAndVerified) {
  std::string shard;
  for (const char* image : {"baseline.jpg", "cmyk.jpg", "baseline_48x48.png"}) {
    std::ifstream file(std::filesystem::path(HEADRACE_IMAGES_DIR) / image, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    shard += tar_member(std::filesystem::path(image).stem().string() + "_x" +
                            std::filesystem::path(image).extension().string(),
                        content);
  }
  const TempDir dir;
  const std::filesystem::path path = dir / "x.tar";
  write_file(path, shard + tar_end());
  const Finished run = run_program({"stream", path});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("with `--image-size WxH`."));
  const Json json = stream(path, {"--image-size", "32x32", "--verify"});
  EXPECT_EQ(json["verified"]["samples"], 3);
  EXPECT_EQ(json["verified"]["mismatches"], 0);
  expect_decoded_twice(json, 3);
}

}  // namespace
}  // namespace headrace::test
