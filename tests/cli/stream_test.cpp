// SPDX-License-Identifier: Apache-2.0
#include "stream_report.h"
#include "support/npy_writer.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

namespace headrace::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kDigits = 1797;

void expect_clean(const Json& json, int samples) {
  EXPECT_EQ(json["verified"],
            (Json{{"samples", samples},
                  {"mismatches", 0},
                  {"missing", 0},
                  {"duplicates", 0},
                  {"second_decoder", nullptr}}));
}

TEST(Stream, JsonHasEveryNumber) {
  const Json json = stream(digits(), {"--device", "host"});
  for (const char* name : {"device", "backend", "order_digest", "bound_by", "source"}) {
    EXPECT_TRUE(json[name].is_string()) << name;
  }
  for (const char* name : {"samples",
                           "batches",
                           "epochs",
                           "bytes_to_device",
                           "peak_device_bytes",
                           "peak_pinned_bytes",
                           "failures",
                           "generation",
                           "seed",
                           "workers",
                           "prefetch"}) {
    EXPECT_TRUE(json[name].is_number_unsigned()) << name;
  }
  for (const char* name : {"seconds",
                           "samples_per_second",
                           "gigabytes_per_second",
                           "first_batch_ms",
                           "consumer_wait_fraction"}) {
    EXPECT_TRUE(json[name].is_number_float()) << name;
    EXPECT_GE(json[name], 0.0) << name;
  }
  EXPECT_TRUE(json["handoff_us"]["p50"].is_number());
  EXPECT_TRUE(json["handoff_us"]["p99"].is_number());
  EXPECT_TRUE(json["verified"].is_null());
  EXPECT_EQ(json["shard"], (Json{{"rank", 0}, {"world_size", 1}}));
  EXPECT_EQ(json["order_digest"].get<std::string>().size(), 16);
  EXPECT_THAT((std::array{"consumer", "decode", "storage", "link", "held"}),
              testing::Contains(json["bound_by"].get<std::string>()));
}

TEST(Stream, NumbersAreThoseOfTheDigits) {
  const Json json = stream(digits(), {"--batch", "100", "--epochs", "3", "--prefetch", "5"});
  EXPECT_EQ(json["samples"], 3 * kDigits);
  EXPECT_EQ(json["batches"], 3 * 18);
  EXPECT_EQ(json["epochs"], 3);
  EXPECT_EQ(json["bytes_to_device"], 3 * kDigits * 65);
  EXPECT_EQ(json["prefetch"], 5);
  EXPECT_EQ(json["generation"], 1);
  EXPECT_GT(json["peak_device_bytes"], 0);
  EXPECT_LE(json["consumer_wait_fraction"], 1.0);
  EXPECT_NEAR(
      json["samples_per_second"].get<double>(), 3 * kDigits / json["seconds"].get<double>(), 1);
}

TEST(Stream, VerifiesTheDigits) {
  const Json json = stream(
      digits(), {"--epochs", "20", "--shuffle", "--seed", "7", "--verify", "--workers", "3"});
  expect_clean(json, 20 * kDigits);
}

TEST(Stream, VerifiesConversions) {
  for (const char* dtype : {"float16",
                            "bfloat16",
                            "float32",
                            "float64",
                            "int8",
                            "int64",
                            "boolean",
                            "float8_e4m3",
                            "float8_e5m2"}) {
    expect_clean(stream(digits(), {"--dtype", dtype, "--verify", "--batch", "77"}), kDigits);
    expect_clean(
        stream(digits(), {"--dtype", dtype, "--verify", "--mean", "0.02", "--stddev", "0.3"}),
        kDigits);
  }
}

TEST(Stream, VerifiesNormalisedChannels) {
  const TempDir folder;
  std::vector<std::uint8_t> pixels(3000);
  std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
  write_npy(folder / "images.npy", Shape{50, 4, 5, 3}, pixels);
  const Arguments options{"--verify",
                          "--mean",
                          "0.485,0.456,0.406",
                          "--stddev",
                          "0.229,0.224,0.225",
                          "--batch",
                          "8",
                          "--shuffle"};
  for (const char* layout : {"keep", "hwc", "chw"}) {
    for (const char* tail : {"short", "drop", "pad_repeat", "pad_zero"}) {
      Arguments all = options;
      all.insert(all.end(), {"--layout", layout, "--tail", tail, "--dtype", "float16"});
      expect_clean(stream(folder / "images.npy", all), std::string(tail) == "drop" ? 48 : 50);
    }
  }
}

TEST(Stream, PlanesAreOneChannelInEveryLayout) {
  for (const char* layout : {"keep", "hwc", "chw"}) {
    const Arguments one{"--layout", layout, "--verify", "--mean", "0.02", "--stddev", "0.3"};
    expect_clean(stream(digits(), one), kDigits);
    const Finished run =
        run_program({"stream", digits(), "--layout", layout, "--mean", "1,2,3,4,5,6,7,8"});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_THAT(run.err, HasSubstr("mean has 8 values; the inputs have 1 channel."));
  }
}

TEST(Stream, VerifiesWideTypesAndVectorLabels) {
  const TempDir folder;
  std::vector<std::int64_t> inputs(120);
  std::vector<double> labels(80);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = static_cast<std::int64_t>(i * 0x0123'4567'89ab'cdef) >> (i % 60);
  }
  std::iota(labels.begin(), labels.end(), -3.25);
  write_npy(folder / "inputs.npy", Shape{40, 3}, inputs);
  write_npy(folder / "labels.npy", Shape{40, 2}, labels);
  expect_clean(stream(folder.path(), {"--verify"}), 40);
  for (const char* dtype : {"float16", "bfloat16", "float32", "float64", "int16", "uint64"}) {
    expect_clean(stream(folder.path(), {"--verify", "--dtype", dtype}), 40);
    expect_clean(stream(folder.path(), {"--verify", "--dtype", dtype, "--stddev", "1e9"}), 40);
  }
}

TEST(Stream, JsonAloneGoesToStandardOutput) {
  const Finished run = run_program({"stream", digits(), "--json", "-", "--verify"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_TRUE(Json::accept(run.out)) << run.out;
  EXPECT_THAT(run.err, HasSubstr("order digest"));
}

TEST(Stream, ReportAndFileSayTheSame) {
  const TempDir folder;
  const Finished run =
      run_program({"stream", digits(), "--json", folder / "report.json", "--shuffle", "--verify"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.err, "");
  const Json json = Json::parse(content_of(folder / "report.json"));
  EXPECT_THAT(run.out, HasSubstr(json["order_digest"].get<std::string>()));
  EXPECT_THAT(run.out, HasSubstr("bound by     " + json["bound_by"].get<std::string>()));
  EXPECT_THAT(run.out, HasSubstr("1797 samples in 8 batches of 1 epoch,"));
  EXPECT_THAT(run.out, HasSubstr("0 mismatches, 0 missing, 0 duplicates"));
  EXPECT_THAT(run.out, Not(HasSubstr("\r")));
}

TEST(Stream, TraceIsJsonWithEveryBatch) {
  const TempDir folder;
  const Json report = stream(digits(), {"--trace", folder / "trace.json", "--epochs", "2"});
  const Json trace = Json::parse(content_of(folder / "trace.json"));
  std::size_t copies = 0;
  for (const Json& event : trace["traceEvents"]) {
    copies += event["name"] == "copy" ? 1 : 0;
  }
  EXPECT_EQ(copies, report["batches"]);
}

TEST(Stream, ShardAutoTakesWhatTheLauncherSays) {
  const Arguments arguments{"stream", digits(), "--shard", "auto", "--verify", "--json", "-"};
  const Finished alone = run_program(arguments);
  EXPECT_EQ(Json::parse(alone.out)["shard"], (Json{{"rank", 0}, {"world_size", 1}}));
  EXPECT_THAT(alone.err, HasSubstr("shard 0/1 (RANK and WORLD_SIZE are not set)"));
  const Finished launched = run_program(arguments, {{"RANK", "1"}, {"WORLD_SIZE", "4"}});
  EXPECT_EQ(Json::parse(launched.out)["shard"], (Json{{"rank", 1}, {"world_size", 4}}));
  EXPECT_EQ(Json::parse(launched.out)["samples"], 449);
  EXPECT_THAT(launched.err, HasSubstr("shard 1/4 (from RANK and WORLD_SIZE)"));
}

TEST(Stream, AFileShortenedMeanwhileIsTold) {
  const TempDir folder;
  write_npy(folder / "data.npy", Shape{1 << 16, 128}, std::vector<std::uint8_t>(1 << 23));
  const std::string state = folder / "run.state";
  Program program({"stream", folder / "data.npy", "--epochs", "0", "--shuffle", "--state", state});
  ASSERT_TRUE(wait_for_file(state));
  std::filesystem::resize_file(folder / "data.npy", 4096);
  const Finished run = program.wait();
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_TRUE(is_one_line(run.err)) << run.err;
  EXPECT_THAT(run.err, testing::AllOf(testing::StartsWith("headrace: "), HasSubstr("shortened")));
}

TEST(Stream, MoreRanksThanSamplesIsNoFault) {
  const TempDir folder;
  write_npy(folder / "two.npy", Shape{2, 3}, std::array<float, 6>{});
  for (const char* tail : {"short", "pad_repeat", "pad_zero"}) {
    const Json json =
        stream(folder / "two.npy", {"--shard", "2/3", "--verify", "--tail", tail, "--batch", "4"});
    EXPECT_EQ(json["samples"], 0);
    EXPECT_EQ(json["batches"], 1);
  }
}

}  // namespace
}  // namespace headrace::test
